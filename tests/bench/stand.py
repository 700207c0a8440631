"""
The test stand: the local stack's servers, and the workers of one subject at a time.
"""

import asyncio
import dataclasses
import gc
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx2
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from fulfillment.contracts.converter import data_converter
from fulfillment.local.errors import StackError
from fulfillment.local.logs import STACK, StackLog
from fulfillment.local.plan import StackOptions, StackPlan
from fulfillment.local.probes import http_probe
from fulfillment.local.processes import ProcessSpec
from fulfillment.local.supervision import Supervisor
from tests.bench.orders import ON_HAND, SKUS
from tests.bench.peer_database import TABLES
from tests.bench.round_trips import RoundTrips, counting_proxy
from tests.fixtures.settings import AUTOMATIC

ROOT = Path(__file__).parents[2]

_ALWAYS = {
    **AUTOMATIC,
    # Nothing but the orders moves.
    "FULFILLMENT_SANDBOX__TRANSIT": "0",
    # The textbook encrypts nothing, so nobody does.
    "FULFILLMENT_ENCRYPTION__PAYLOADS": "false",
    # The strict sandbox imports workflow modules anew for each order: without bytecode it would compile them, too.
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(frozen=True, kw_only=True)
class Stand:
    """
    The servers, up and reachable.

    Attributes:
        plan: how processes of the stack are started.
        log: where they write to.
        servers: pids of what runs all the time.
        temporal: for starting workflows.
        database: for watching; its backend is not charged to anybody.
        watcher: the pid of that backend.
        http: for the API and the sandbox.
    """

    plan: StackPlan
    log: StackLog
    servers: Mapping[str, int]
    temporal: Client
    database: "asyncpg.Connection[Any]"
    watcher: int
    http: httpx2.AsyncClient

    @classmethod
    @asynccontextmanager
    async def up(cls) -> AsyncIterator[Self]:
        """
        Start the servers with everything in a temporary folder, and stop them.

        Raises:
            StackError: they do not start.
        """
        with tempfile.TemporaryDirectory(prefix="fulfillment-bench-", ignore_cleanup_errors=True) as folder:
            async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
                state = Path(folder)
                plan = StackPlan.make(
                    StackOptions(state=state, free_ports=True, environment=_ALWAYS), state, http_probe(http)
                )
                log = StackLog(state / "logs", None)
                async with _running(log, plan.foundation(http_probe(http))) as servers:
                    plan = await plan.prepared(log)
                    async with _connections(plan) as (temporal, database):
                        yield cls(
                            plan=plan,
                            log=log,
                            servers=servers,
                            temporal=temporal,
                            database=database,
                            watcher=await _prepared(database),
                            http=http,
                        )

    def service(self, name: str, environment: Mapping[str, str]) -> ProcessSpec:
        """One of our own processes."""
        services = dataclasses.replace(self.plan.services, overrides={**self.plan.services.overrides, **environment})
        return _with(services.service(name), environment)

    def peer(self, saga: str, environment: Mapping[str, str]) -> ProcessSpec:
        """The worker of a peer."""
        wired = self.plan.wiring.environment(self.plan.services.overrides)
        return ProcessSpec(
            name=f"worker-{saga}",
            command=[sys.executable, "-m", "tests.bench.peer_worker", saga],
            environment={**wired, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **environment},
        )

    @asynccontextmanager
    async def running(self, specs: Sequence[ProcessSpec]) -> AsyncIterator[Mapping[str, int]]:
        """Run processes beside the servers; yields the pids of all."""
        async with _running(self.log, specs) as pids:
            yield {**self.servers, **pids}

    @asynccontextmanager
    async def counted(self, counts: RoundTrips) -> AsyncIterator[Mapping[str, str]]:
        """Variables that lead a process to PostgreSQL through a counting proxy."""
        sockets = Path(self.plan.database.dsn.partition("?host=")[2])
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            async with counting_proxy(Path(folder), sockets, counts):
                yield {"FULFILLMENT_DATABASE__URL": self.plan.database.dsn.replace(str(sockets), folder)}

    async def events(self, workflow_id: str) -> list[str]:
        """The types of a workflow's history events so far."""
        history = await self.temporal.get_workflow_handle(workflow_id).fetch_history()
        return [EventType.Name(event.event_type) for event in history.events]


def _with(spec: ProcessSpec, environment: Mapping[str, str]) -> ProcessSpec:
    """Also where the stack's own wiring would win."""
    return dataclasses.replace(spec, environment={**spec.environment, **environment})


@asynccontextmanager
async def _running(log: StackLog, specs: Sequence[ProcessSpec]) -> AsyncIterator[dict[str, int]]:
    supervisor = Supervisor(log)
    try:
        await supervisor.start(*specs)
        pids = supervisor.pids
        yield pids
        if supervisor.pids != pids:
            msg = f"a process died while it was measured: {log.path(STACK)} says why"
            raise StackError(msg)
    finally:
        await supervisor.stop()


@asynccontextmanager
async def _connections(plan: StackPlan) -> AsyncIterator[tuple[Client, "asyncpg.Connection[Any]"]]:
    database = await asyncpg.connect(plan.database.dsn)
    temporal = await Client.connect(plan.engine.address, data_converter=data_converter(None))
    try:
        yield temporal, database
    finally:
        await database.close()
        del temporal
        await asyncio.sleep(0)
        gc.collect()


async def _prepared(database: "asyncpg.Connection[Any]") -> int:
    """Make the peers' tables, fill all stocks; returns the pid of the connection's backend."""
    for schema in ("bench_textbook", "bench_lean"):
        await database.execute(TABLES.format(schema=schema))
        rows = [(sku, ON_HAND) for sku in SKUS]
        await database.copy_records_to_table("stock", schema_name=schema, records=rows, columns=["sku", "on_hand"])
    await database.copy_records_to_table(
        "stock", records=[(sku, f"Article {sku}", ON_HAND) for sku in SKUS], columns=["sku", "name", "on_hand"]
    )
    return int(await database.fetchval("SELECT pg_backend_pid()"))
