"""
Orders that wait for people: what one of them costs while nothing happens, and how fast they are decided.

    python -m tests.bench.waiting --orders 1000

One process runs the workers of orders and approvals. Each number of cached workflows is measured on servers of its own.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from fulfillment.contracts.approvals import Decided, Decision
from fulfillment.contracts.naming import order_workflow_id
from fulfillment.contracts.orders import StartOrder
from fulfillment.domain.approvals import Vote
from fulfillment.local.errors import StackError
from fulfillment.orchestrator import OrderOrchestrator
from tests.bench import cpu
from tests.bench.orders import synthetic_orders
from tests.bench.stand import Stand

Item = TypeVar("Item")

WORKER = "worker-orders"
_POLICY = '{"version": "bench", "base_currency": "EUR", "levels": [{"role": "manager", "from": {"EUR": 1}}]}'
_WARM_UP = 20
_AT_ONCE = 16
_SAMPLE = 5
_PATIENCE = 900
# The last workflow task ends, and its memory is given back, after the order is seen to wait.
_SETTLE = 5.0
_WAITING = "SELECT count(*) FROM approvals WHERE status = 'pending' AND owner IS NOT NULL"
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What all of it takes at one moment; bytes, but for rows."""

    worker_memory: int
    postgres: int
    temporal: int
    rows: int

    def per_order(self, before: "Footprint", orders: int) -> dict[str, float]:
        return {
            field.name: (getattr(self, field.name) - getattr(before, field.name)) / orders for field in fields(self)
        }


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One workflow that waits: the events and bytes of its history, and its open timers."""

    events: int
    size: int
    timers: int


@dataclass(frozen=True, kw_only=True)
class Results:
    """
    The figures of one number of cached workflows.

    Attributes:
        seconds_to_wait: from the first order to the last that waits.
        per_order: what each order has added.
        idle: CPU-ms per second by process while all wait.
        order, approval: a typical workflow.
        decisions_per_second: until the last vote was answered.
        latency: of a decision, p50 and p95 in ms.
        cpu_per_decision: CPU-ms by process.
    """

    cached: int
    orders: int
    seconds_to_wait: float
    memory: int
    per_order: Mapping[str, float]
    idle: Mapping[str, float]
    order: Workflow
    approval: Workflow
    decisions_per_second: float
    latency: tuple[float, float]
    cpu_per_decision: Mapping[str, float]


async def measure(cached: int, orders: int, rest: float) -> Results:
    """
    Place orders until all wait, watch them wait for `rest` seconds, then approve them all.

    Raises:
        StackError: the servers do not start, or a process died.
        TimeoutError: orders do not come to wait.
    """
    async with Stand.up() as stand, _worker(stand, cached) as pids:
        await _place(stand, _WARM_UP)
        before = await _footprint(stand, pids[WORKER])
        began = time.monotonic()
        await _place(stand, orders)
        seconds = time.monotonic() - began
        await asyncio.sleep(_SETTLE)
        after = await _footprint(stand, pids[WORKER])
        idle = await _spent(stand, pids, asyncio.sleep(rest), rest)
        sample = await stand.database.fetch("SELECT order_id, owner FROM approvals ORDER BY id LIMIT $1", _SAMPLE)
        order = _typical([await _workflow(stand, order_workflow_id(row["order_id"])) for row in sample])
        approval = _typical([await _workflow(stand, row["owner"]) for row in sample])
        owners = [row["owner"] for row in await stand.database.fetch("SELECT owner FROM approvals ORDER BY id")]
        latencies: list[float] = []
        began = time.monotonic()
        decided = await _spent(stand, pids, _approve(stand, owners, latencies), len(owners))
        took = time.monotonic() - began
    return Results(
        cached=cached,
        orders=orders,
        seconds_to_wait=seconds,
        memory=after.worker_memory,
        per_order=after.per_order(before, orders),
        idle=idle,
        order=order,
        approval=approval,
        decisions_per_second=len(owners) / took,
        latency=(statistics.median(latencies), statistics.quantiles(latencies, n=20, method="inclusive")[-1]),
        cpu_per_decision=decided,
    )


@asynccontextmanager
async def _worker(stand: Stand, cached: int) -> AsyncIterator[Mapping[str, int]]:
    environment = {
        "FULFILLMENT_APPROVALS__POLICY": _POLICY,
        "FULFILLMENT_WORKER__CACHED_WORKFLOWS": str(cached),
    }
    command = [*stand.plan.services.command, "worker", "orders", "approvals"]
    spec = replace(stand.service(WORKER, environment), command=command)
    async with stand.running([spec]) as pids:
        yield pids


async def _place(stand: Stand, count: int) -> None:
    """Until so many more orders wait for a manager; without a card, so that they rest again once approved."""
    orchestrator = OrderOrchestrator(stand.temporal)
    wanted = await stand.database.fetchval(_WAITING) + count

    async def start(order: StartOrder) -> None:
        await orchestrator.start(replace(order, payment=None))

    await _each(synthetic_orders(count), start)
    async with asyncio.timeout(_PATIENCE):
        while await stand.database.fetchval(_WAITING) < wanted:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.2)


async def _approve(stand: Stand, owners: Sequence[str], latencies: list[float]) -> None:
    async def approve(owner: str) -> None:
        key = f"bench:{uuid4()}"
        decision = Decision(vote=Vote.APPROVE, actor="key:manager", roles=("manager",), key=key)
        began = time.monotonic()
        workflow = stand.temporal.get_workflow_handle(owner)
        await workflow.execute_update("decide", decision, id=key, result_type=Decided)
        latencies.append((time.monotonic() - began) * 1000)

    await _each(iter(owners), approve)


async def _each(items: Iterable[Item], do: Callable[[Item], Awaitable[None]]) -> None:
    """So many at a time."""
    remaining = iter(items)

    async def lane() -> None:
        for item in remaining:
            await do(item)

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


async def _spent(stand: Stand, pids: Mapping[str, int], work: Awaitable[None], by: float) -> dict[str, float]:
    """CPU-ms of each process while something is done, divided."""
    before = cpu.cpu_by_process(pids, without=stand.watcher)
    await work
    after = cpu.cpu_by_process(pids, without=stand.watcher)
    return {name: (after[name] - before[name]) / by for name in pids}


async def _footprint(stand: Stand, worker: int) -> Footprint:
    tables = [row["relname"] for row in await stand.database.fetch(_TABLES)]
    counts = [await stand.database.fetchval(f'SELECT count(*) FROM "{table}"') for table in tables]  # noqa: S608
    sizes = [await stand.database.fetchval("SELECT pg_total_relation_size($1::regclass)", table) for table in tables]
    files = stand.plan.wiring.state.glob("temporal.db*")
    return Footprint(
        worker_memory=_resident(worker),
        postgres=sum(sizes),
        temporal=sum(file.stat().st_size for file in files),
        rows=sum(counts),
    )


def _resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _workflow(stand: Stand, workflow_id: str) -> Workflow:
    kinds = Counter(await stand.events(workflow_id))
    description = await stand.temporal.get_workflow_handle(workflow_id).describe()
    over = kinds["EVENT_TYPE_TIMER_FIRED"] + kinds["EVENT_TYPE_TIMER_CANCELED"]
    return Workflow(
        events=kinds.total(),
        size=description.raw_description.workflow_execution_info.history_size_bytes,
        timers=kinds["EVENT_TYPE_TIMER_STARTED"] - over,
    )


def _typical(workflows: Sequence[Workflow]) -> Workflow:
    return sorted(workflows, key=lambda workflow: workflow.size)[len(workflows) // 2]


def show(results: Sequence[Results], console: Console) -> None:
    """One column per number of cached workflows."""
    table = Table("", *(f"{each.cached} cached" for each in results))
    rows = [_cells(each) for each in results]
    for name in rows[0]:
        table.add_row(name, *(cells[name] for cells in rows))
    console.print(table)


def _cells(one: Results) -> dict[str, str]:
    return {
        "orders that wait": str(one.orders),
        "seconds until the last one waits": f"{one.seconds_to_wait:.0f}",
        "worker: memory, MiB": f"{one.memory / 2**20:.0f}",
        "worker: memory per order, KiB": f"{one.per_order['worker_memory'] / 2**10:.1f}",
        "PostgreSQL: rows per order": f"{one.per_order['rows']:.1f}",
        "PostgreSQL: KiB per order, with indexes": f"{one.per_order['postgres'] / 2**10:.1f}",
        "Temporal: KiB per order in its file": f"{one.per_order['temporal'] / 2**10:.1f}",
        "order: events, bytes, open timers": _history(one.order),
        "approval: events, bytes, open timers": _history(one.approval),
        **{f"{name}: CPU-ms per second while all wait": f"{spent:.1f}" for name, spent in one.idle.items()},
        "decisions per second": f"{one.decisions_per_second:.1f}",
        "a decision takes, p50 and p95, ms": f"{one.latency[0]:.0f}, {one.latency[1]:.0f}",
        **{f"{name}: CPU-ms per decision": f"{spent:.1f}" for name, spent in one.cpu_per_decision.items()},
    }


def _history(workflow: Workflow) -> str:
    return f"{workflow.events}, {workflow.size}, {workflow.timers}"


async def _all(cached: Sequence[int], orders: int, rest: float) -> list[Results]:
    return [await measure(each, orders, rest) for each in cached]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.waiting", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="that wait at the same time (default 1000)")
    parser.add_argument("--rest", type=float, default=30, help="seconds they are watched (default 30)")
    parser.add_argument(
        "--cached",
        type=int,
        nargs="+",
        default=[1000, 100],
        help="workflows kept per role (default 1000 100)",
    )
    arguments = parser.parse_args()
    if not cpu.available():
        sys.stderr.write("this reads CPU times and memory from /proc: it needs Linux\n")
        return 1
    try:
        results = asyncio.run(_all(arguments.cached, arguments.orders, arguments.rest))
    except (StackError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    show(results, Console())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
