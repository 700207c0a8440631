"""
One real stack for all cells: every process of the service, with proxies in front of what its workers call.
"""

import asyncio
import dataclasses
import gc
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import httpx2
from temporalio.client import Client

from fulfillment.db.engine import connect
from fulfillment.invariants import Check, Leniency, check
from fulfillment.local.demo.providers import SandboxLedger
from fulfillment.local.logs import StackLog
from fulfillment.local.plan import StackOptions, StackPlan
from fulfillment.local.probes import http_probe
from fulfillment.local.processes import ProcessSpec
from fulfillment.local.supervision import Supervisor
from fulfillment.settings import Database as DatabaseSettings
from tests.faults.database_proxy import database_proxy
from tests.faults.plans import Plans
from tests.faults.provider_proxy import provider_proxy
from tests.fixtures.settings import AUTOMATIC

CALL = 1.5
"""How long the workers wait for a provider (seconds), except where one is to be killed meanwhile."""
STATEMENT = 2.0
"""How long they wait for the database (the driver's limit: a second above the statement's own)."""

_ALWAYS = {
    **AUTOMATIC,
    "FULFILLMENT_SANDBOX__TRANSIT": "0",
    "FULFILLMENT_ENCRYPTION__PAYLOADS": "false",
    "FULFILLMENT_ORDERS__PROVIDER_PATIENCE": "15",
    "FULFILLMENT_ORDERS__CAPTURE_PATIENCE": "15",
    "FULFILLMENT_ORDERS__UNDO_PATIENCE": "15",
    # Longer than a late answer is late.
    "FULFILLMENT_ORDERS__SECOND_LOOK": "3",
    # The strict sandbox imports workflow modules anew for each order: without bytecode it would compile them, too.
    "PYTHONDONTWRITEBYTECODE": "",
}
_HURRIED = {
    "FULFILLMENT_PAYMENTS__TIMEOUT": str(CALL),
    "FULFILLMENT_CARRIERS__TIMEOUT": str(CALL),
    "FULFILLMENT_DATABASE__STATEMENT_TIMEOUT": str(STATEMENT - 1),
}
_PATIENT = {"FULFILLMENT_PAYMENTS__TIMEOUT": "25", "FULFILLMENT_CARRIERS__TIMEOUT": "25"}
_WORKERS = ("worker-orders", "worker-providers")
_NO_LENIENCY = Leniency(step=timedelta(0), grace=timedelta(0))
# Workflows close a moment after their order has ended, and are listed as closed a moment after that.
_SETTLING = 10.0


@dataclass(frozen=True, kw_only=True)
class Stand:
    """
    The stack, up and reachable.

    Attributes:
        plan: how its processes are started.
        logs: the folder their logs are in.
        supervisor: keeps them running.
        plans: what the proxies do.
        http: for the API and the sandbox.
        wired: variables that lead the workers through the proxies, by process.
    """

    plan: StackPlan
    logs: Path
    supervisor: Supervisor
    plans: Plans
    http: httpx2.AsyncClient
    wired: Mapping[str, Mapping[str, str]]

    @classmethod
    @asynccontextmanager
    async def up(cls, state: Path, *, patient: bool) -> AsyncIterator[Self]:
        """
        Start everything in a folder, and stop it; `patient` workers wait so long for providers that one can be killed
        meanwhile.

        Raises:
            StackError: it does not start.
        """
        async with AsyncExitStack() as stack:
            limits = httpx2.Limits(max_connections=100)
            http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=30, limits=limits))
            plan = StackPlan.make(
                StackOptions(state=state, free_ports=True, environment=_ALWAYS), state, http_probe(http)
            )
            log = StackLog(state / "logs", None)
            supervisor = Supervisor(log)
            stack.push_async_callback(supervisor.stop)
            plans = Plans()
            wired = await _proxies(stack, plan, plans)
            await supervisor.start(*plan.foundation(http_probe(http)))
            plan = await plan.prepared(log)
            stand = cls(plan=plan, logs=state / "logs", supervisor=supervisor, plans=plans, http=http, wired=wired)
            timing = _PATIENT if patient else _HURRIED
            await supervisor.start(plan.services.service("api"), *(stand._worker(name, timing) for name in _WORKERS))
            yield stand

    @property
    def api(self) -> str:
        return f"{self.plan.wiring.api_url}/v1"

    @property
    def sandbox(self) -> str:
        return self.plan.wiring.sandbox_url

    async def kill_workers(self) -> None:
        """Kill every worker as a crash would; those that come back are in a hurry."""
        for name in _WORKERS:
            process = self.supervisor.process(name)
            process.spec = self._worker(name, _HURRIED)
            process.kill()
        # The supervisor has to see the deaths first, or it would take the dead for ready.
        await asyncio.sleep(1)
        await asyncio.gather(*(self.supervisor.process(name).until_ready() for name in _WORKERS))

    async def checks(self) -> Sequence[Check]:
        """The verdicts on the invariants, asked for again for a while as long as one of them is bad."""
        database = connect(
            DatabaseSettings.model_validate({"url": self.plan.database.dsn, "pool_size": 1}), application="faults"
        )
        temporal = await Client.connect(self.plan.engine.address)
        ledger = SandboxLedger(self.http, self.sandbox)
        try:
            deadline = asyncio.get_running_loop().time() + _SETTLING
            while True:
                verdicts = await check(database, temporal, ledger, _NO_LENIENCY)
                settled = not any(verdict.violations for verdict in verdicts)
                if settled or asyncio.get_running_loop().time() > deadline:
                    return verdicts
                await asyncio.sleep(0.3)
        finally:
            await database.close()
            # A client that lives until the interpreter exits crashes one exit in three.
            del temporal
            gc.collect()

    def _worker(self, name: str, timing: Mapping[str, str]) -> ProcessSpec:
        spec = self.plan.services.service(name)
        return dataclasses.replace(spec, environment={**spec.environment, **self.wired[name], **timing})


async def _proxies(stack: AsyncExitStack, plan: StackPlan, plans: Plans) -> Mapping[str, Mapping[str, str]]:
    """Each worker is led through the proxy of what is to fail for it."""
    dsn = plan.database.dsn
    sockets = dsn.partition("?host=")[2]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-"))
    await stack.enter_async_context(database_proxy(plans, Path(folder), Path(sockets)))
    url = await stack.enter_async_context(provider_proxy(plans, plan.wiring.sandbox_url))
    return {
        "worker-orders": {"FULFILLMENT_DATABASE__URL": dsn.replace(sockets, folder)},
        "worker-providers": {"FULFILLMENT_PAYMENTS__URL": url, "FULFILLMENT_CARRIERS__URL": url},
    }
