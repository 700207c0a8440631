"""
The stand: the whole service as real processes, the shop in front of it, the books behind it.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from fulfillment.invariants import Check
from fulfillment.local.stack import LocalStack, StackOptions
from tests.chaos.shop import Shop
from tests.fixtures.books import books

API = "api"
ORDERS_WORKER = "worker-orders"
PROVIDERS_WORKER = "worker-providers"
TEMPORAL = "temporal"
POSTGRES = "postgres"

PROVIDER_TIMEOUT = 2.0
"""How long the service waits for an answer of a provider, in seconds."""
FORGOTTEN_AFTER = 30.0
"""When the engine notices that an attempt died with its worker (start-to-close), in seconds."""

# What most scenarios order costs less than either.
ASKS_MANAGERS = 1_000_00
"""From this many cents on two managers decide about an order,"""
ASKS_A_DIRECTOR = 10_000_00
"""and from this many on a director as well."""

_POLICY = json.dumps(
    {
        "version": "chaos",
        "base_currency": "EUR",
        "levels": [
            {"role": "manager", "from": {"EUR": ASKS_MANAGERS}, "quorum": 2},
            {"role": "director", "from": {"EUR": ASKS_A_DIRECTOR}},
        ],
    }
)
_ENVIRONMENT = {
    "FULFILLMENT_APPROVALS__POLICY": _POLICY,
    "FULFILLMENT_SANDBOX__TRANSIT": "1",
    "FULFILLMENT_PAYMENTS__TIMEOUT": str(PROVIDER_TIMEOUT),
    "FULFILLMENT_CARRIERS__TIMEOUT": str(PROVIDER_TIMEOUT),
    # Longer than a provider that is still to do something takes here, shorter than the two minutes of real ones.
    "FULFILLMENT_ORDERS__SECOND_LOOK": "10",
    # The strict workflow sandbox imports the workflow's module for each order; without bytecode it would compile it.
    "PYTHONDONTWRITEBYTECODE": "",
}
_ANY_NUMBER = 10_000
# A workflow whose last task died with its worker closes when the engine has noticed, ten seconds later.
_SETTLING = 30.0


class Sandbox:
    """The providers, and their own records."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    @asynccontextmanager
    async def troubled(self, **operations: Mapping[str, Any]) -> AsyncIterator[None]:
        """Faults of operations until the block ends, or until they are replaced."""
        await self.trouble(**operations)
        try:
            yield
        finally:
            await self.trouble()

    async def trouble(self, **operations: Mapping[str, Any]) -> None:
        """Replace all faults in force."""
        (await self._http.put(f"{self._url}/control", json=operations)).raise_for_status()

    async def payments(self, ids: Collection[str]) -> list[tuple[str, str]]:
        """Order and operation of everything that was done for these orders, as often as it was done."""
        return [
            (entry["order_id"], entry["operation"])
            for entry in await self._all("/ledger")
            if entry["order_id"] in ids and entry["status"] == "succeeded"
        ]

    async def parcels(self, ids: Collection[str]) -> list[tuple[str, str]]:
        """Order and status of the parcels of these orders."""
        return [
            (parcel["order_id"], parcel["status"])
            for parcel in await self._all("/parcels")
            if parcel["order_id"] in ids
        ]

    async def _all(self, path: str) -> list[Mapping[str, Any]]:
        items, cursor = list[Mapping[str, Any]](), "0"
        while cursor is not None:
            answer = await self._http.get(f"{self._url}{path}", params={"cursor": cursor, "limit": 200})
            page = answer.raise_for_status().json()
            items += page["items"]
            cursor = page["next_cursor"]
        return items


@dataclass(frozen=True, kw_only=True)
class Stand:
    """
    A running service that may be broken at will.

    Attributes:
        stack: its processes.
        state: the folder of its data and logs.
        shop: whoever orders.
        sandbox: the providers.
        say: takes a line for whoever watches.
    """

    stack: LocalStack
    state: Path
    shop: Shop
    sandbox: Sandbox
    say: Callable[[str], None]

    @classmethod
    @asynccontextmanager
    async def up(cls, state: Path, say: Callable[[str], None] = lambda _: None) -> AsyncIterator["Stand"]:
        """
        Start everything in a state folder, and stop it.

        Raises:
            StackError: it does not start.
        """
        options = StackOptions(state=state, free_ports=True, environment=_ENVIRONMENT, deaths_allowed=_ANY_NUMBER)
        limits = httpx2.Limits(max_connections=None)
        async with (
            LocalStack(options) as stack,
            httpx2.AsyncClient(trust_env=False, timeout=30, limits=limits) as http,
        ):
            shop = Shop(http, stack.endpoints)
            sandbox = Sandbox(http, stack.endpoints.sandbox)
            yield cls(stack=stack, state=state, shop=shop, sandbox=sandbox, say=say)

    def kill(self, process: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a process as a crash would, unless it is down already; it comes back after a second."""
        pid = self.stack.pids.get(process)
        if pid:
            self.say(f"{process} (pid {pid}) gets {how.name}")
            with suppress(ProcessLookupError):
                os.kill(pid, how)

    async def back(self, process: str, pid: int) -> None:
        """Until another process than `pid` answers in its place."""
        while self.stack.pids.get(process) in {pid, None}:  # noqa: ASYNC110 - the stack tells nobody
            await asyncio.sleep(0.02)
        await self.stack.until_ready(process)
        self.say(f"{process} is back")

    async def break_down(self, process: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process and wait until it is back."""
        pid = self.stack.pids[process]
        self.kill(process, how)
        await self.back(process, pid)

    def log(self, process: str) -> str:
        """All that a process has said."""
        return (self.state / "logs" / f"{process}.log").read_text(errors="replace")

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """Rows of the service's database."""
        connection = await asyncpg.connect(self.stack.endpoints.database_dsn)
        try:
            rows: Sequence[Any] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    async def intended(self, kind: str, ids: Collection[str]) -> int:
        """How many of these orders are about to ask, or have asked, a provider for something."""
        statement = "SELECT 1 FROM operations WHERE kind = $1 AND order_id = ANY($2::uuid[])"
        return len(await self.fetch(statement, kind, list(ids)))

    async def books(self) -> Sequence[Check]:
        """The verdicts on I1 to I8 over all orders, asked for again for a while as long as one of them is bad."""
        return await books(self.stack.endpoints, _SETTLING)
