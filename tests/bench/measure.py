"""
One cell of the table: the workers of one subject started, warmed up, measured, stopped.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fulfillment.local.services import SANDBOX
from tests.bench.cpu import cpu_by_process
from tests.bench.load import Load, Watch, drive
from tests.bench.orders import synthetic_orders
from tests.bench.round_trips import RoundTrips
from tests.bench.stand import Stand
from tests.bench.subjects import OVER_HTTP, Subject

GENERATOR = "load generator"
NOT_CHARGED = (SANDBOX, GENERATOR)
DELIVERY = "pick-up and delivery"

# The last workflow task ends after the order is seen to be done.
_SETTLE = 0.5
_SAMPLED_HISTORIES = 5

_CARRIER_STEPS = (
    "SELECT id, updated_at FROM orders WHERE id = ANY($1) AND status = 'shipped'",
    "SELECT order_id, at FROM order_events WHERE order_id = ANY($1) AND kind = 'shipment_in_transit'",
    "SELECT id, updated_at FROM orders WHERE id = ANY($1) AND status = 'delivered'",
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much: orders per cell, before it to warm up, and at once."""

    orders: int
    warm_up: int
    in_flight: int


@dataclass(frozen=True, kw_only=True)
class History:
    """What the engine wrote down for one order."""

    events: int
    remote_activities: int
    local_activities: int
    workflow_tasks: int


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement; times in milliseconds, CPU per order by process."""

    label: str
    orders: int
    orders_per_second: float
    p50: float
    p95: float
    cpu: Mapping[str, float]
    history: History

    @property
    def charged(self) -> float:
        """CPU-ms per order of everything but the providers and the load generator."""
        return sum(spent for process, spent in self.cpu.items() if process not in NOT_CHARGED)


class _Meter:
    """CPU of all processes between two moments."""

    def __init__(self, stand: Stand, pids: Mapping[str, int]) -> None:
        self._stand = stand
        self._pids = pids
        self._before = self._now()

    def per_order(self, orders: int) -> dict[str, float]:
        now = self._now()
        return {name: (spent - self._before[name]) / orders for name, spent in now.items()}

    def _now(self) -> dict[str, float]:
        spent = cpu_by_process(self._pids, without=self._stand.watcher)
        return {**spent, GENERATOR: time.process_time() * 1000}


async def measure(stand: Stand, subject: Subject, size: Size) -> list[Cell]:
    """The subject's cell; over HTTP also that of the same orders' delivery."""
    async with stand.running(subject.processes(stand)) as pids:
        await _warm_up(stand, subject, size)
        meter = _Meter(stand, pids)
        load = await _through(stand, subject, size, size.orders)
        await asyncio.sleep(_SETTLE)
        cells = [await _cell(stand, subject, subject.label, load, meter)]
        if subject.name == OVER_HTTP:
            meter = _Meter(stand, pids)
            delivered = await _deliver(stand, load.order_ids, size)
            await asyncio.sleep(_SETTLE)
            cells.append(await _cell(stand, subject, DELIVERY, delivered, meter))
    return cells


async def round_trips(stand: Stand, subject: Subject, size: Size) -> dict[str, float]:
    """
    What one order asks of the database, by statement, on average; not timed, because the counting takes its time.
    """
    counts = RoundTrips()
    async with stand.counted(counts) as environment, stand.running(subject.processes(stand, environment)):
        await _warm_up(stand, subject, size)
        counts.clear()
        await _through(stand, subject, size, size.warm_up)
        await asyncio.sleep(_SETTLE)
    return counts.per(size.warm_up)


async def idle(stand: Stand, seconds: float) -> dict[str, float]:
    """CPU-ms per second of the servers while nobody asks anything of them."""
    meter = _Meter(stand, stand.servers)
    await asyncio.sleep(seconds)
    return {name: spent / seconds for name, spent in meter.per_order(1).items()}


async def _warm_up(stand: Stand, subject: Subject, size: Size) -> None:
    """Until every connection is open, every statement prepared, every import done."""
    await _through(stand, subject, size, size.warm_up)


async def _through(stand: Stand, subject: Subject, size: Size, count: int) -> Load:
    orders = list(synthetic_orders(count))
    return await drive(orders, size.in_flight, subject.begin(stand), subject.watch(stand.database))


async def _deliver(stand: Stand, order_ids: Sequence[UUID], size: Size) -> Load:
    """Three events per parcel, each sent when the one before has been written down for all."""
    sandbox = stand.plan.wiring.sandbox_url

    async def advance(order_id: UUID) -> UUID:
        response = await stand.http.post(f"{sandbox}/parcels/advance", json={"order_id": str(order_id)})
        response.raise_for_status()
        return order_id

    steps = [await drive(order_ids, size.in_flight, advance, Watch(stand.database, done)) for done in _CARRIER_STEPS]
    return Load(
        order_ids=list(order_ids),
        seconds=sum(step.seconds for step in steps),
        latencies_ms=[latency for step in steps for latency in step.latencies_ms],
    )


async def _cell(stand: Stand, subject: Subject, label: str, load: Load, meter: _Meter) -> Cell:
    orders = len(load.order_ids)
    cpu = meter.per_order(orders)
    sample = [subject.workflow_id(order_id) for order_id in load.order_ids[-_SAMPLED_HISTORIES:]]
    return Cell(
        label=label,
        orders=orders,
        orders_per_second=orders / load.seconds,
        p50=statistics.median(load.latencies_ms),
        p95=statistics.quantiles(load.latencies_ms, n=20, method="inclusive")[-1],
        cpu=cpu,
        history=_typical([_history(await stand.events(workflow_id)) for workflow_id in sample]),
    )


def _history(events: list[str]) -> History:
    kinds = Counter(events)
    return History(
        events=len(events),
        remote_activities=kinds["EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"],
        local_activities=kinds["EVENT_TYPE_MARKER_RECORDED"],
        workflow_tasks=kinds["EVENT_TYPE_WORKFLOW_TASK_COMPLETED"],
    )


def _typical(histories: Sequence[History]) -> History:
    def median(part: Callable[[History], int]) -> int:
        return int(statistics.median_high([part(history) for history in histories]))

    return History(
        events=median(lambda history: history.events),
        remote_activities=median(lambda history: history.remote_activities),
        local_activities=median(lambda history: history.local_activities),
        workflow_tasks=median(lambda history: history.workflow_tasks),
    )
