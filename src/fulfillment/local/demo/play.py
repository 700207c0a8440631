"""
A demo from its start to its report.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from temporalio.client import Client

from fulfillment.db.engine import Database, connect
from fulfillment.domain.orders import AttentionReason, FailureCode
from fulfillment.invariants import Check, Leniency, check
from fulfillment.local.callers import OPERATOR, SHOP
from fulfillment.local.demo.approvals import ApprovalDesk
from fulfillment.local.demo.display import following
from fulfillment.local.demo.errors import DemoError
from fulfillment.local.demo.figures import measure
from fulfillment.local.demo.orders_file import OrdersFile
from fulfillment.local.demo.policy import policy_for
from fulfillment.local.demo.providers import Parcels, PaymentProvider, SandboxLedger
from fulfillment.local.demo.report import Report
from fulfillment.local.demo.runner import Runner, Show
from fulfillment.local.demo.service import Refused, Service
from fulfillment.local.demo.shop import Shop
from fulfillment.local.demo.troubles import troubles
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.policies import POLICY_VARIABLE
from fulfillment.local.stack import LocalStack, StackOptions
from fulfillment.process import stop_signal
from fulfillment.settings import Database as DatabaseSettings

ENVIRONMENT = {
    # Parcels move when the demo says so.
    "FULFILLMENT_SANDBOX__TRANSIT": "0",
    # A provider that is away is given up after seconds; what it does late comes within them.
    "FULFILLMENT_ORDERS__PROVIDER_PATIENCE": "15",
    "FULFILLMENT_ORDERS__SECOND_LOOK": "4",
    "FULFILLMENT_SANDBOX__LATE_AFTER": "2",
    # An answer that was lost is looked up sooner; a slow provider takes 3 s.
    "FULFILLMENT_PAYMENTS__TIMEOUT": "6",
    "FULFILLMENT_CARRIERS__TIMEOUT": "6",
}

_SHORT_DEADLINE = "20"
# Only where the file wants to see them pass: a busy machine is to break no other.
_BOUNDS: dict[FailureCode | AttentionReason | None, Mapping[str, str]] = {
    FailureCode.PAYMENT_EXPIRED: {"FULFILLMENT_ORDERS__PAYMENT_WINDOW": _SHORT_DEADLINE},
    AttentionReason.HAND_OVER_OVERDUE: {"FULFILLMENT_ORDERS__HAND_OVER_WINDOW": _SHORT_DEADLINE},
    AttentionReason.DELIVERY_OVERDUE: {"FULFILLMENT_ORDERS__DELIVERY_WINDOW": _SHORT_DEADLINE},
    # Two attempts, a second apart.
    AttentionReason.CAPTURE_OVERDUE: {"FULFILLMENT_ORDERS__CAPTURE_PATIENCE": "3"},
    # Forgotten when it is looked up after a second, done (`tok_late`) when an operator has it looked up again.
    AttentionReason.OUTCOME_UNKNOWN: {
        "FULFILLMENT_ORDERS__KEY_MEMORY": "0.5",
        "FULFILLMENT_SANDBOX__LATE_AFTER": "3",
    },
}

_NO_LENIENCY = Leniency(step=timedelta(0), grace=timedelta(0))
# Workflows close a moment after their order has ended, and are listed as closed a moment after that.
_SETTLING = timedelta(seconds=10)
_REQUEST_TIMEOUT = 30.0


class Interrupted(Exception):
    """Somebody asked for the end; everything is stopped."""


async def play(file: OrdersFile, out: Console, state: Path | None = None) -> Report:
    """
    Start a stack, run the orders, check the books, stop the stack.

    Args:
        file: the orders.
        out: gets the progress.
        state: an empty folder to keep the stack's data in; without one they are thrown away.

    Raises:
        StackError: the stack cannot start, or one of its processes dies again and again.
        DemoError: the service does not answer, or `state` is in use.
        Interrupted: by SIGINT or SIGTERM.
    """
    with _folder(state) as folder:
        async with stop_signal() as stop:
            playing, stopping = asyncio.create_task(_play(file, out, folder)), asyncio.create_task(stop.wait())
            await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not playing.done():
                out.print("stopping")
                playing.cancel()
            try:
                report = await playing
            except asyncio.CancelledError:
                raise Interrupted from None
            except (DemoError, Refused) as error:
                raise DemoError("\n".join([str(error), *troubles(folder)])) from error
        if not report.is_good:
            for line in troubles(folder):
                out.print(line)
        return report


def environment(file: OrdersFile) -> dict[str, str]:
    """What the stack's processes are told, so that every scenario of the file ends soon."""
    scenarios = [order.scenario for order in file.orders]
    passing = {code for scenario in scenarios for code in (scenario.lets_pass, scenario.expected.code)}
    short = [bounds for what, bounds in _BOUNDS.items() if what in passing]
    told = {name: value for bounds in short for name, value in bounds.items()}
    return ENVIRONMENT | told | {POLICY_VARIABLE: policy_for(file)}


async def perform(endpoints: Endpoints, file: OrdersFile, show: Show) -> Report:
    """
    Run the orders against a running stack that has had none before, and check its books.

    Raises:
        DemoError: the service does not answer.
        Refused: the warehouse does not take the stock.
    """
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=_REQUEST_TIMEOUT) as http,
        _database(endpoints) as database,
        _temporal(endpoints) as temporal,
    ):
        service = Service(http, endpoints.api, endpoints.api_keys)
        parcels, payments = Parcels(http, endpoints.sandbox), PaymentProvider(http, endpoints.sandbox)
        board = await Runner(Shop(service), parcels, payments, ApprovalDesk(service), show).run(file)
        checks = await _checked(database, temporal, SandboxLedger(http, endpoints.sandbox))
        return Report(board=board, checks=checks, figures=await measure(board, database))


async def _play(file: OrdersFile, out: Console, folder: Path) -> Report:
    began = time.monotonic()
    out.print("starting PostgreSQL, Temporal, the sandbox, the API and the workers")
    async with LocalStack(StackOptions(state=folder, free_ports=True, environment=environment(file))) as stack:
        endpoints = stack.endpoints
        out.print(f"all of them answer after {time.monotonic() - began:.1f} s: API {endpoints.api}")
        out.print(f"Temporal UI while it runs: {endpoints.temporal_ui}")
        out.print(f"the API is called with throw-away keys of this stack: {SHOP} orders, {OPERATOR} counts and answers")
        with following(out) as show:
            performing = asyncio.create_task(perform(endpoints, file, show))
            try:
                either: set[asyncio.Future[Any]] = {performing, stack.failure}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if stack.failure.done():
                    stack.failure.result()
                return await performing
            finally:
                performing.cancel()
                await asyncio.wait({performing})


async def _checked(database: Database, temporal: Client, ledger: SandboxLedger) -> Sequence[Check]:
    """The verdicts, asked for again for a while as long as one of them is bad."""
    deadline = time.monotonic() + _SETTLING.total_seconds()
    while True:
        checks = await check(database, temporal, ledger, _NO_LENIENCY)
        if not any(check.violations for check in checks) or time.monotonic() > deadline:
            return checks
        await asyncio.sleep(0.3)


@contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    if state is None:
        with tempfile.TemporaryDirectory(prefix="fulfillment-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        msg = f"{state} is not an empty folder: a demo begins with empty books; choose another one with --state"
        raise DemoError(msg)
    yield state


@asynccontextmanager
async def _database(endpoints: Endpoints) -> AsyncIterator[Database]:
    settings = DatabaseSettings.model_validate({"url": endpoints.database_dsn, "pool_size": 1})
    database = connect(settings, application="fulfillment-demo")
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _temporal(endpoints: Endpoints) -> AsyncIterator[Client]:
    client = await Client.connect(endpoints.temporal, namespace=endpoints.temporal_namespace)
    try:
        yield client
    finally:
        # A client that lives until the interpreter exits crashes one exit in three.
        del client
        gc.collect()
