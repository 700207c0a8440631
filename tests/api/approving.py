"""
People who decide about orders, over HTTP: the whole service with rules that ask them.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from temporalio.client import Client

from fulfillment.db import approval_views
from fulfillment.domain.identity import Scope
from fulfillment.settings import Settings
from tests.api.access import Callers, staffed_shop
from tests.api.bodies import a_key
from tests.api.living import Shopper
from tests.fixtures.database import a_database
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.settings import settings_for as service_settings
from tests.fixtures.waiting import until
from tests.sandbox.running import running_sandbox, settings_for

ONE_LEVEL = 3
"""Pieces of 49.50 euros for which a manager is asked; for two nobody is."""
TWO_LEVELS = 21
"""Pieces for which a director is asked as well."""

SEQUENTIAL: Mapping[str, Any] = {
    "version": "sequential",
    "base_currency": "EUR",
    "levels": [{"role": "manager", "from": {"EUR": 10_000}}, {"role": "director", "from": {"EUR": 100_000}}],
}
TOGETHER: Mapping[str, Any] = {
    "version": "together",
    "mode": "parallel",
    "base_currency": "EUR",
    "levels": [
        {"role": "manager", "from": {"EUR": 10_000}, "quorum": 2},
        {"role": "director", "from": {"EUR": 100_000}},
    ],
}

_ROLES: Mapping[str, tuple[str, ...]] = {
    "mia": ("manager",),
    "max": ("manager",),
    "dora": ("director",),
    "vera": ("vp",),
    "both": ("manager", "director"),
    "otto": (),
}
_DECIDING = (Scope.APPROVALS_READ, Scope.APPROVALS_DECIDE)


@contextmanager
def office_settings(server: str, folder: Path, policy: Mapping[str, Any]) -> Iterator[Settings]:
    """A database of one's own on this PostgreSQL, a sandbox with its state in this folder, and these rules."""
    with running_sandbox(settings_for(folder / "state.db")) as sandbox, a_database(server) as url:
        provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
        yield service_settings(url, payments=provider, carriers=provider, approvals={"policy": policy})


@dataclass(frozen=True)
class Office:
    """
    The whole service and its people: `mia` and `max` are managers, `dora` is a director, `vera` a vp, `both` manager
    and director, `otto` is nobody; all of them may decide. The shopper may do everything.
    """

    shopper: Shopper
    people: Mapping[str, httpx2.AsyncClient]
    callers: Callers
    temporal: Client

    @property
    def api(self) -> httpx2.AsyncClient:
        """The shopper's client."""
        return self.shopper.api

    async def ask(self, pieces: int = ONE_LEVEL, **changes: Any) -> tuple[str, str]:
        """Where a new order is that waits for people, and where its approval is."""
        path = await self.shopper.place(**{**self.shopper.lines(pieces), **changes})
        order = await self.shopper.read(path)
        assert order["status"] == "awaiting_approval", order
        return path, self.approval_path(order)

    @staticmethod
    def approval_path(order: Mapping[str, Any]) -> str:
        """Where the newest approval of an order is."""
        return f"/v1/approvals/{order['approval']['id']}"

    async def owner(self, approval_id: UUID) -> str:
        """The workflow that runs a request; it claims its row a moment after the order has asked."""
        found: list[str] = []

        async def is_claimed() -> bool:
            async with self.callers.database.statement() as connection:
                view = await approval_views.approval(connection, approval_id)
            found.extend([view.owner] if view is not None and view.owner is not None else [])
            return bool(found)

        await until(is_claimed)
        return found[0]

    async def decide(
        self,
        person: str,
        approval: str,
        decision: str = "approve",
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx2.Response:
        """What somebody is answered."""
        return await self.decide_as(self.people[person], approval, decision, headers, **body)

    @staticmethod
    async def decide_as(
        client: httpx2.AsyncClient,
        approval: str,
        decision: str = "approve",
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx2.Response:
        """What a caller is answered."""
        return await client.post(
            f"{approval}/decisions", json={"decision": decision, **body}, headers={**a_key(), **(headers or {})}
        )

    async def approved(self, person: str, approval: str, **body: Any) -> dict[str, Any]:
        """Where an approval stands after a yes that counts."""
        answer = await self.decide(person, approval, **body)
        assert answer.status_code == 200, answer.text
        decided: dict[str, Any] = answer.json()
        return decided

    async def read(self, approval: str) -> dict[str, Any]:
        """The approval as it is now."""
        answer = await self.api.get(approval)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def inbox(self, person: str, **query: Any) -> list[str]:
        """The ids of all that somebody can decide now, page by page."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            parameters = {"mine": "true", **query, **cursor}
            page = (await self.people[person].get("/v1/approvals", params=parameters)).json()
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    async def becomes(self, approval: str, status: str) -> dict[str, Any]:
        """The approval, once it has this status."""

        async def has() -> bool:
            return bool((await self.read(approval))["status"] == status)

        await until(has)
        return await self.read(approval)


@asynccontextmanager
async def an_office(settings: Settings) -> AsyncIterator[Office]:
    """Everybody at work."""
    async with staffed_shop(settings) as (shopper, callers, temporal):
        await shopper.stock(100_000)
        people = {}
        for name, roles in _ROLES.items():
            scopes = (*_DECIDING, Scope.ORDERS_PLACE, Scope.ORDERS_READ, Scope.ORDERS_CHANGE)
            key = await a_caller(callers.database, name, *scopes, roles=roles)
            people[name] = calling(shopper.api, key)
        yield Office(shopper, people, callers, temporal)
