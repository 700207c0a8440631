"""
The whole service for tests over HTTP: API, all workers, the sandbox, and a Temporal server of one's own.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
from temporalio.client import Client

from fulfillment import bootstrap
from fulfillment.api.changes import OrderChanges
from fulfillment.api.resources import ApiResources
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import TaskQueue
from fulfillment.db.engine import Database
from fulfillment.fingerprint import FingerprintRing
from fulfillment.orchestrator import OrderOrchestrator
from fulfillment.settings import Settings
from fulfillment.worker.main import build_worker
from tests.api.bodies import a_key, an_order
from tests.api.carrier import Carrier, news
from tests.fixtures.api import serving
from tests.fixtures.waiting import until


@asynccontextmanager
async def all_workers(client: Client, settings: Settings, database: Database) -> AsyncIterator[None]:
    """Every role, wired as in production."""
    async with AsyncExitStack() as stack:
        wired = await stack.enter_async_context(bootstrap.activities(settings, database))
        for role in TaskQueue:
            await stack.enter_async_context(build_worker(client, role, wired, settings.worker))
        yield


def impatient(resources: ApiResources, client: Client, patience: timedelta) -> ApiResources:
    """The same, waiting so long for a worker to answer."""
    ring = FingerprintRing(resources.settings.api.fingerprint_ring())
    return replace(resources, changes=OrderChanges(resources.database, OrderOrchestrator(client, patience), ring))


@asynccontextmanager
async def open_shop(settings: Settings, server: str) -> AsyncIterator["Shopper"]:
    """The whole service, everybody at work on a Temporal server of its own."""
    client = await Client.connect(server, data_converter=data_converter(settings.encryption.ring()))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(bootstrap.open_database(settings, application="tests"))
        await stack.enter_async_context(all_workers(client, settings, database))
        api = await stack.enter_async_context(serving(ApiResources.of(settings, database, client)))
        yield Shopper(api, settings.carriers.webhook_secret.get_secret_value())


@dataclass(frozen=True)
class Shopper:
    """Somebody who orders an article of their own; knows what carriers sign with."""

    api: httpx2.AsyncClient
    secret: str
    sku: str = field(default_factory=lambda: f"KETTLE-{uuid4()}")

    async def stock(self, on_hand: int) -> None:
        """So many pieces of the article."""
        path, body = f"/v1/inventory/{self.sku}", {"on_hand": on_hand}
        answer = await self.api.put(path, json=body)
        if answer.status_code == 428:
            answer = await self.api.put(path, json=body, headers={"If-Match": "*"})
        assert answer.is_success, answer.text

    def lines(self, quantity: int, **changes: Any) -> dict[str, Any]:
        """A body that replaces the lines of an order by pieces at 49.50 EUR."""
        line = {"sku": self.sku, "name": "Kettle", "quantity": quantity}
        return {"lines": [{**line, "unit_price": {"amount": 4950, "currency": "EUR"}, **changes}]}

    async def place(self, **changes: Any) -> str:
        """Where a new order of two pieces is, once there is something to tell."""
        body = an_order(**{**self.lines(2), **changes})
        answer = await self.api.post("/v1/orders", json=body, headers={**a_key(), "Prefer": "wait=20"})
        assert answer.status_code == 200, answer.text
        return str(answer.headers["location"])

    async def read(self, path: str) -> dict[str, Any]:
        """The order as it is now."""
        order: dict[str, Any] = (await self.api.get(path)).json()
        return order

    async def becomes(self, path: str, status: str) -> dict[str, Any]:
        """The order, once it has this status."""

        async def has() -> bool:
            return bool((await self.read(path))["status"] == status)

        await until(has)
        return await self.read(path)

    async def kinds(self, path: str) -> list[str]:
        """The kinds of its events."""
        return [
            event["kind"] for event in (await self.api.get(f"{path}/events", params={"limit": 200})).json()["items"]
        ]

    async def hear(self, path: str, event: str) -> None:
        """The carrier says something about the latest parcel of an order."""
        parcel = (await self.read(path))["shipments"][-1]["tracking_number"]
        body = news(path.rpartition("/")[2], type=f"parcel.{event}", data={"tracking_number": parcel})
        assert (await Carrier(self.api, self.secret).tell(body)).status_code == 202
