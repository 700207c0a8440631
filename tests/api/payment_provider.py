"""
A payment provider that sends events, and the payments it knows.
"""

from typing import Any

from sqlalchemy import insert, update

from fulfillment.contracts.payments import PaymentNews
from fulfillment.db.engine import Database
from fulfillment.db.tables import inbox, operations, order_lines
from fulfillment.domain.ids import OrderId
from tests.api.carrier import Carrier, book, signals, store

PATH = "/v1/payment-providers/sandbox/events"
SOURCE = "payments:sandbox"


def payment_news(order_id: object = None, **changes: Any) -> dict[str, Any]:
    """The body of an event; `data` of the changes is merged."""
    data = {"payment": "auth_1", "reference": order_id and str(order_id), "occurred_at": "2026-11-22T10:00:00Z"}
    body = {"type": "payment.disputed", "timestamp": "2026-11-22T10:00:01Z", "data": data}
    return {**body, **changes, "data": {**data, **changes.get("data", {})}}


class PaymentProvider(Carrier):
    """A payment provider that knows our secret."""

    path = PATH


async def payment_signals(temporal: Any, handle: Any) -> list[PaymentNews]:
    """What the workflow was told of its payments."""
    return await signals(temporal, handle, PaymentNews)


async def authorize(database: Database, order_id: OrderId, payment: str = "auth_1", **order: Any) -> None:
    """An order with a payment, that can be read."""
    address = {"name": "Ada", "line1": "Weg 1", "city": "Berlin", "country": "DE"}
    await book(database, order_id, f"T-{order_id}", shipping_address=address, **order)
    line = {"order_id": order_id, "position": 1, "sku": "LAMP", "name": "Lamp", "quantity": 1, "unit_price": 0}
    made = {"key": f"{order_id}:authorize:1", "order_id": order_id, "kind": "authorize", "n": 1, "state": "done"}
    async with database.transaction() as connection:
        await connection.execute(insert(order_lines).values(line))
        await connection.execute(
            insert(operations).values({**made, "provider": "sandbox", "provider_reference": payment})
        )


async def lose_signal(database: Database, **values: Any) -> None:
    """A row whose signal was lost: the process died after its answer."""
    await store(database, **{"source": SOURCE, "type": "payment.disputed", "subject": "auth_1", **values})


async def free_leases(database: Database) -> None:
    """Whoever took an event is gone."""
    async with database.statement() as connection:
        await connection.execute(update(inbox).values(leased_until=None))
