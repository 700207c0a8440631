"""
Orders whose parcels may be with either of two carriers.
"""

from typing import Any

import pytest
from sqlalchemy import select

from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.db.tables import order_events
from fulfillment.domain.errors import ProviderUnavailable
from fulfillment.domain.ids import OrderId
from tests.activities.shop import Shop
from tests.sandbox.running import SandboxClient

FAILURES = 2
"""Of the first carrier, before the second one is asked."""
DOWN = {"down": True}
ALL_DOWN = {"book": DOWN, "cancel": DOWN, "lookup": DOWN}


def at(carrier: SandboxClient, order_id: OrderId) -> list[str]:
    """Where the parcels of an order at this carrier are."""
    return [parcel["status"] for parcel in carrier.parcels(str(order_id))]


def control(carrier: SandboxClient, **faults: Any) -> None:
    assert carrier.put("/control", json=faults).status_code == 200


async def data_of(shop: Shop, order_id: OrderId, kind: str) -> dict[str, Any]:
    """What the timeline says with the only event of a kind."""
    statement = select(order_events.c.data).where(order_events.c.order_id == order_id, order_events.c.kind == kind)
    async with shop.warehouse.database.statement() as connection:
        data: dict[str, Any] = (await connection.execute(statement)).scalar_one()
        return data


async def fail(shop: Shop, order_id: OrderId, times: int = FAILURES, **more: Any) -> None:
    """The first carrier fails so often to book a parcel."""
    for _ in range(times):
        with pytest.raises(ProviderUnavailable):
            await shop.book(order_id, **more)


async def handed_on(shop: Shop, **order: Any) -> tuple[OrderId, ShipmentBooked]:
    """An order whose parcel is with the second carrier; the first one is away from now on."""
    order_id = await shop.placed(**order)
    shop.control(**ALL_DOWN)
    await fail(shop, order_id)
    return order_id, await shop.book(order_id)
