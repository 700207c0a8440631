"""
Writing orders down as a worker would, without one.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import insert, update
from sqlalchemy.dialects.postgresql import insert as upsert

from fulfillment.activities.orders import SqlOrderActivities
from fulfillment.api.resources import ApiResources
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.orders import StartOrder, Terms
from fulfillment.contracts.steps import PlaceOrder
from fulfillment.db.tables import operations, orders, shipments, stock
from fulfillment.domain.approval_policy import NOBODY_IS_ASKED
from fulfillment.domain.ids import OrderId

TERMS = Terms(payment_window=timedelta(days=7), hand_over_window=timedelta(days=30), delivery_window=timedelta(days=30))


def id_in(answer: httpx2.Response) -> OrderId:
    """The order an answer is about."""
    return OrderId(UUID(answer.json()["id"]))


async def start_of(resources: ApiResources, answer: httpx2.Response) -> StartOrder:
    """What the workflow of a placed order was started with."""
    start = await resources.orders.unwritten(id_in(answer))
    assert start is not None
    return start


async def write(resources: ApiResources, start: StartOrder, *, in_stock: int = 10_000_000) -> None:
    """Place the order in the database; its articles exist with so many pieces."""
    rows = [{"sku": line.sku, "name": line.name, "on_hand": in_stock} for line in start.lines]
    async with resources.database.transaction() as connection:
        await connection.execute(upsert(stock).values(rows).on_conflict_do_nothing())
    cipher = Cipher(resources.settings.encryption.ring())
    activities = SqlOrderActivities(resources.database, cipher, TERMS, timedelta(days=1), NOBODY_IS_ASKED)
    await activities.place_order(PlaceOrder(order=start, run_id="run-1"))


async def change(resources: ApiResources, order_id: OrderId, **columns: Any) -> None:
    """Set columns of a written order; its version grows."""
    async with resources.database.transaction() as connection:
        await connection.execute(
            update(orders).where(orders.c.id == order_id).values(version=orders.c.version + 1, **columns)
        )


async def book(resources: ApiResources, order_id: OrderId, tracking_number: str) -> None:
    """A parcel of a written order."""
    async with resources.database.transaction() as connection:
        await connection.execute(
            insert(shipments).values(
                order_id=order_id, n=1, carrier="sandbox", tracking_number=tracking_number, status="booked"
            )
        )


async def note_operation(resources: ApiResources, order_id: OrderId, kind: str, n: int, **columns: Any) -> None:
    """An entry in the operations ledger of a written order."""
    values = {"state": "done", "provider": "sandbox", **columns}
    async with resources.database.transaction() as connection:
        await connection.execute(
            insert(operations).values(key=f"{order_id}:{kind}:{n}", order_id=order_id, kind=kind, n=n, **values)
        )
