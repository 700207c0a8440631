"""
A carrier that sends events, and what became of them.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import Row, insert, select
from standardwebhooks import Webhook
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.resignal import Pace
from fulfillment.contracts.naming import ORDER_WORKFLOW, order_workflow_id
from fulfillment.contracts.orders import CarrierEvent
from fulfillment.db.engine import Database
from fulfillment.db.tables import inbox, orders, shipments
from fulfillment.domain.ids import OrderId

PATH = "/v1/carriers/sandbox/events"
OTHER_SECRET = "whsec_" + "b3RoZXI" * 8
AT_ONCE = Pace(interval=timedelta(milliseconds=50), age=timedelta(0), lease=timedelta(seconds=30))


def news(order_id: object = None, **changes: Any) -> dict[str, Any]:
    """The body of an event; `data` of the changes is merged."""
    data = {"tracking_number": "T-1", "reference": str(order_id), "occurred_at": "2026-11-22T10:00:00Z"}
    if order_id is None:
        del data["reference"]
    body = {"type": "parcel.picked_up", "timestamp": "2026-11-22T10:00:01Z", "data": data}
    return {**body, **changes, "data": {**data, **changes.get("data", {})}}


def signed(
    secret: str, body: bytes | str, *, event_id: str | None = None, age: timedelta = timedelta(0)
) -> dict[str, str]:
    text_body = body if isinstance(body, str) else body.decode()
    event_id, at = event_id or f"evt_{uuid4()}", datetime.now(UTC) - age
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, text_body),
    }


class Carrier:
    """A carrier that knows our secret."""

    path = PATH

    def __init__(self, api: httpx2.AsyncClient, secret: str) -> None:
        self._api = api
        self.secret = secret

    async def tell(self, body: object, *, event_id: str | None = None) -> httpx2.Response:
        raw = body if isinstance(body, str) else json.dumps(body)
        return await self._api.post(self.path, content=raw, headers=signed(self.secret, raw, event_id=event_id))


async def start(temporal: Client, order_id: OrderId) -> WorkflowHandle[Any, Any]:
    return await temporal.start_workflow(ORDER_WORKFLOW, id=order_workflow_id(order_id), task_queue=str(uuid4()))


def order_of(handle: WorkflowHandle[Any, Any]) -> OrderId:
    return OrderId(UUID(handle.id.removeprefix("order/")))


async def signals(temporal: Client, handle: WorkflowHandle[Any, Any], kind: type[Any] = CarrierEvent) -> list[Any]:
    """What the workflow was told, all of one kind."""
    told: list[Any] = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            payloads = event.workflow_execution_signaled_event_attributes.input.payloads
            told += await temporal.data_converter.decode(payloads, [kind])
    return told


async def rows(database: Database) -> Sequence[Row[Any]]:
    async with database.statement() as connection:
        return (await connection.execute(select(inbox).order_by(inbox.c.id))).all()


async def settled(database: Database) -> Row[Any]:
    """The only row of the inbox, once it needs nobody any more."""
    while True:
        (row,) = await rows(database)
        if row.signalled_at is not None:
            return row
        await asyncio.sleep(0.02)


async def store(database: Database, **values: Any) -> None:
    """A row whose signal was lost: the process died after its answer."""
    row = {
        "source": "sandbox",
        "event_id": str(uuid4()),
        "type": "parcel.delivered",
        "subject": "T-1",
        "occurred_at": datetime(2026, 11, 22, tzinfo=UTC),
        **values,
    }
    async with database.statement() as connection:
        await connection.execute(insert(inbox).values(row))


async def book(database: Database, order_id: OrderId, tracking_number: str, **columns: Any) -> None:
    """An order with a parcel, as far as the inbox is concerned."""
    order = {
        "id": order_id,
        "run_id": "r",
        "caller": "key:shop",
        "customer_id": "C",
        "status": "awaiting_shipment",
        "currency": "EUR",
        "total": 0,
        "shipping_address": {},
        "metadata": {},
        "terms": {},
        "stock": "held",
        "fingerprint": "f",
        "fingerprint_key": "k",
        "accepted_at": datetime.now(UTC),
        **columns,
    }
    parcel = {"order_id": order_id, "n": 1, "carrier": "sandbox", "tracking_number": tracking_number}
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order))
        await connection.execute(insert(shipments).values({**parcel, "status": "booked"}))


def refusal(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]
