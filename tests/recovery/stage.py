"""
The whole service, with workflows that can be shot and a database that can be put back to an earlier minute.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import Row, Table, delete, func, insert, select, update
from temporalio.client import Client

from fulfillment import bootstrap
from fulfillment.api.resignal import InboxSignals
from fulfillment.api.resources import ApiResources
from fulfillment.bootstrap import Activities
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import TaskQueue, order_workflow_id, payments_source
from fulfillment.contracts.steps import PlaceOrder
from fulfillment.db.engine import Database
from fulfillment.db.inbox import InboxEvent
from fulfillment.db.tables import (
    operations,
    order_events,
    order_lines,
    orders,
    payment_requests,
    shipments,
    stock,
    stock_movements,
)
from fulfillment.domain.ids import OrderId
from fulfillment.invariants import Leniency, check
from fulfillment.local.demo.providers import SandboxLedger
from fulfillment.settings import Settings
from fulfillment.worker.main import build_worker
from tests.api.bodies import a_key, an_order
from tests.api.carrier import AT_ONCE, Carrier, news
from tests.fakes.orders import a_line
from tests.fakes.orders import an_order as a_start
from tests.fixtures.api import serving
from tests.fixtures.waiting import until
from tests.sandbox.running import SandboxClient

TOTAL = 9900
PAID = [("authorize", "succeeded"), ("capture", "succeeded")]
_OF_ORDERS: tuple[Table, ...] = (order_lines, order_events, payment_requests, operations, shipments, stock_movements)

Minute = dict[Table, list[dict[str, Any]]]
"""The rows of one order as they were."""
NOTHING: Minute = {}
"""Before the order was written."""


@asynccontextmanager
async def open_stage(settings: Settings, server: str, sandbox: SandboxClient) -> AsyncIterator["Stage"]:
    """Everybody at work."""
    client = await Client.connect(server, data_converter=data_converter(settings.encryption.ring()))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(bootstrap.open_database(settings, application="tests"))
        wired = await stack.enter_async_context(bootstrap.activities(settings, database))
        for role in TaskQueue:
            await stack.enter_async_context(build_worker(client, role, wired, settings.worker))
        resources = ApiResources.of(settings, database, client)
        signals = InboxSignals(database, resources.orders, settings.orders.attention_window, AT_ONCE)
        api = await stack.enter_async_context(serving(replace(resources, inbox=signals)))
        outside = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        secret = settings.carriers.webhook_secret.get_secret_value()
        yield Stage(api, Carrier(api, secret), client, database, wired, sandbox, outside, signals)


@dataclass(frozen=True)
class Stage:
    """A shop, its customers, its operators, and what can happen to it."""

    api: httpx2.AsyncClient
    carrier: Carrier
    client: Client
    database: Database
    activities: Activities
    sandbox: SandboxClient
    outside: httpx2.AsyncClient
    inbox: InboxSignals

    async def stocked(self, on_hand: int) -> None:
        """So many pieces of each article, none of them held."""
        for sku in ("SKU-1", "SKU-2"):
            known = await self.api.get(f"/v1/inventory/{sku}")
            headers = {"If-Match": known.headers["etag"]} if known.is_success else {}
            answer = await self.api.put(f"/v1/inventory/{sku}", json={"on_hand": on_hand}, headers=headers)
            assert answer.is_success, answer.text

    async def place(self, **changes: Any) -> "Order":
        """An accepted order over 99.00 EUR."""
        answer = await self.api.post("/v1/orders", json=an_order(**changes), headers=a_key())
        assert answer.status_code == 202, answer.text
        return Order(self, OrderId(UUID(answer.json()["id"])))

    async def place_with_a_bank_that_asks(self) -> "Order":
        """An order whose bank asks the customer to agree first."""
        order = await self.place(payment={"method": "card", "token": "tok_action_required"})
        await order.becomes("awaiting_payment")
        return order

    async def known_to_the_database_alone(self) -> "Order":
        """An order whose history was deleted long ago."""
        start = a_start(a_line("SKU-1"), a_line("SKU-2"), accepted_at=datetime.now(UTC))
        await self.activities.orders.place_order(PlaceOrder(order=start, run_id="long gone"))
        return Order(self, start.order_id)

    def troubled(self, **faults: Any) -> None:
        """From now on these faults happen, and no others."""
        assert self.sandbox.put("/control", json=faults).status_code == 200

    async def is_even(self) -> None:
        """I1 to I8 hold, down to the last second."""

        async def nothing_is_violated() -> bool:
            ledger = SandboxLedger(self.outside, str(self.sandbox.base_url).rstrip("/"))
            found = await check(self.database, self.client, ledger, Leniency(grace=timedelta(0)))
            violated.clear()
            violated.update({verdict.name: verdict.examples for verdict in found if verdict.violations})
            return not violated

        # What Temporal lists lags behind what it knows.
        violated: dict[str, Any] = {}
        try:
            await until(nothing_is_violated, seconds=5)
        except TimeoutError:
            raise AssertionError(violated) from None


@dataclass(frozen=True)
class Order:
    """One order, seen from everywhere."""

    stage: Stage
    id: OrderId

    @property
    def path(self) -> str:
        return f"/v1/orders/{self.id}"

    async def read(self) -> dict[str, Any]:
        """As the service shows it."""
        answer = await self.stage.api.get(self.path)
        assert answer.is_success, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def becomes(self, status: str) -> dict[str, Any]:
        """The order, once it has this status."""

        async def has() -> bool:
            return bool((await self.read())["status"] == status)

        try:
            await until(has, seconds=20)
        except TimeoutError:
            order = await self.read()
            raise AssertionError(order["status"], order["attention"], order["failure"], await self.events()) from None
        return await self.read()

    async def asks(self, reason: str) -> None:
        """Until an operator is asked for this reason."""
        assert (await self.becomes("needs_attention"))["attention"]["reason"] == reason

    async def events(self) -> list[str]:
        """The kinds of its events."""
        page = (await self.stage.api.get(f"{self.path}/events", params={"limit": 200})).json()
        return [event["kind"] for event in page["items"]]

    async def ask(self, change: str, status: int = 202, **body: Any) -> dict[str, Any]:
        """Somebody wants something of it; what is answered with the expected status."""
        answer = await self.stage.api.post(f"{self.path}/{change}", json=body, headers=a_key())
        assert answer.status_code == status, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def recover(self, **more: Any) -> None:
        """An operator has it taken over; returns when a new run of its workflow owns its row."""
        before = await self._rows(orders)
        await self.ask("recover", reason="somebody shot it", **more)

        async def has_another_owner() -> bool:
            now = await self._rows(orders)
            return bool(now) and [row.run_id for row in now] != [row.run_id for row in before]

        await until(has_another_owner)

    async def pay(self) -> None:
        """A card, as soon as it waits for one."""

        async def is_taken() -> bool:
            card = {"method": "card", "token": "tok_visa"}
            return (await self.stage.api.post(f"{self.path}/payment", json=card, headers=a_key())).is_success

        await until(is_taken)

    async def hear(self, event: str) -> None:
        """The carrier says something about its newest parcel."""
        (*_, parcel) = self.stage.sandbox.parcels(str(self.id))
        data = {"tracking_number": parcel["tracking_number"]}
        answer = await self.stage.carrier.tell(news(str(self.id), type=f"parcel.{event}", data=data))
        assert answer.status_code == 202

    async def amend(self, *prices: int) -> None:
        """One piece of each article, at these prices."""
        lines = [
            {"sku": f"SKU-{n}", "name": "A lamp", "quantity": 1, "unit_price": {"amount": price, "currency": "EUR"}}
            for n, price in enumerate(prices, 1)
        ]
        answer = await self.stage.api.put(f"{self.path}/lines", json={"lines": lines})
        assert answer.is_success, answer.text

    async def customer_acts(self, *, agree: bool = True) -> int:
        """The customer does what the bank asks for, or refuses; the bank's answer to that."""
        path = f"/payments/authorizations/{await self._payment()}/action"
        return self.stage.sandbox.post(path, json={"agree": agree}).status_code

    async def told(self, news: str) -> None:
        """The payment provider says something of its newest payment."""
        event = InboxEvent(
            source=payments_source("sandbox"),
            event_id=str(uuid4()),
            type=f"payment.{news}",
            order_id=self.id,
            subject=await self._payment(),
            occurred_at=datetime.now(UTC),
        )
        await self.stage.inbox.receive(event)

    async def _payment(self) -> str:
        async def names() -> list[tuple[int, str]]:
            rows = await self._rows(operations)
            return [
                (row.n, row.provider_reference) for row in rows if row.kind == "authorize" and row.provider_reference
            ]

        await until(names)
        return max(await names())[1]

    async def shot(self) -> None:
        """Its workflow is terminated."""
        await self.stage.client.get_workflow_handle(order_workflow_id(self.id)).terminate()

    def done(self) -> list[tuple[str, str]]:
        """What the payment provider did, and declined."""
        return self.stage.sandbox.ledger(str(self.id))

    def balance(self) -> tuple[int, int, int]:
        """Authorised, captured and refunded."""
        return self.stage.sandbox.summary(str(self.id))

    def parcels(self) -> list[str]:
        """Where its parcels are, by the carrier's word."""
        return [parcel["status"] for parcel in self.stage.sandbox.parcels(str(self.id))]

    async def operations(self) -> dict[str, str]:
        """Our own ledger: the state of each operation, by kind and number."""
        return {f"{row.kind}:{row.n}": row.state for row in await self._rows(operations)}

    async def failed(self, operation: str) -> None:
        """Until a provider has failed an operation (`capture:1`)."""

        async def has() -> bool:
            rows = await self._rows(operations)
            return any(f"{row.kind}:{row.n}" == operation and row.failures for row in rows)

        await until(has)

    async def knows(self, operation: str, state: str) -> None:
        """Until our own ledger has this state of an operation."""

        async def does() -> bool:
            return (await self.operations()).get(operation) == state

        await until(does)

    async def attends(self, reason: str, actions: list[str]) -> None:
        """Until the list of open questions has one about it for this reason, with these answers."""

        async def does() -> bool:
            page = (await self.stage.api.get("/v1/attention", params={"reason": reason, "limit": 200})).json()
            asked = [entry for entry in page["items"] if entry["order_id"] == str(self.id)]
            return [[action["name"] for action in entry["actions"]] for entry in asked] == [actions]

        await until(does)

    async def forgets(self, *keys: str) -> None:
        """Our own ledger has lost operations (`capture:1`)."""
        lost = [f"{self.id}:{key}" for key in keys]
        async with self.stage.database.statement() as connection:
            await connection.execute(delete(operations).where(operations.c.key.in_(lost)))

    async def minute(self) -> Minute:
        """What the database knows of it now."""
        return {table: [dict(row._mapping) for row in await self._rows(table)] for table in (orders, *_OF_ORDERS)}

    async def put_back(self, minute: Minute) -> None:
        """The database is restored from a copy of that minute, stock and all."""
        held = await self._held()
        async with self.stage.database.transaction() as connection:
            for table in _OF_ORDERS:
                await connection.execute(delete(table).where(table.c.order_id == self.id))
            await connection.execute(delete(orders).where(orders.c.id == self.id))
            for table in (orders, *_OF_ORDERS):
                rows = minute.get(table, [])
                if rows:
                    await connection.execute(insert(table), [_without_identity(table, row) for row in rows])
        for sku, figures in (await self._held()).items():
            before = held.pop(sku, (0, 0))
            await self._count(sku, figures[0] - before[0], figures[1] - before[1])
        for sku, before in held.items():
            await self._count(sku, -before[0], -before[1])

    async def grows_old(self, by: timedelta) -> None:
        """It was placed so much earlier."""
        then = {"accepted_at": orders.c.accepted_at - by}
        async with self.stage.database.statement() as connection:
            await connection.execute(update(orders).where(orders.c.id == self.id).values(then))

    async def _held(self) -> dict[str, tuple[int, int]]:
        moved = stock_movements.c
        statement = (
            select(moved.sku, func.sum(moved.on_hand_delta), func.sum(moved.reserved_delta))
            .where(moved.order_id == self.id)
            .group_by(moved.sku)
        )
        async with self.stage.database.statement() as connection:
            return {row[0]: (row[1], row[2]) for row in await connection.execute(statement)}

    async def _count(self, sku: str, on_hand: int, reserved: int) -> None:
        figures = {"on_hand": stock.c.on_hand + on_hand, "reserved": stock.c.reserved + reserved}
        async with self.stage.database.statement() as connection:
            await connection.execute(update(stock).where(stock.c.sku == sku).values(figures))

    async def _rows(self, table: Table) -> list[Row[Any]]:
        column = orders.c.id if table is orders else table.c.order_id
        async with self.stage.database.statement() as connection:
            return list((await connection.execute(select(table).where(column == self.id))).all())


def _without_identity(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if table.c[name].identity is None}
