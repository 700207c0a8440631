"""
Nothing that is sent to an order makes it hang.
"""

from typing import Any

import pytest

from fulfillment.contracts.orders import OrderResult
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import an_event, an_order
from tests.workflows.running import RunningOrders

WRONG: dict[str, list[Any]] = {
    "nothing": [],
    "null": [None],
    "two arguments": [None, "and more"],
    "a text": ["delivered"],
    "an unknown type": [{"id": "1", "carrier": "c", "tracking_number": "t", "type": "parcel.eaten"}],
    "a time that is none": [
        {"id": "1", "carrier": "c", "tracking_number": "t", "type": "parcel.lost", "occurred_at": "yesterday"}
    ],
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_carrier_event_that_cannot_be_read_is_dropped(
    wrong: str, orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order)
    await script.reached("capture_payment")
    await handle.signal("carrier_event", args=WRONG[wrong])

    assert await orders.deliver(order, handle) == OrderResult(status=OrderStatus.DELIVERED)
    assert len(script.requests("record_parcel_event")) == 1


async def test_a_field_of_a_newer_release_is_no_obstacle(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    event = an_event(order.order_id, "delivered")
    newer = {
        "id": event.id,
        "carrier": event.carrier,
        "tracking_number": event.tracking_number,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "weight": 7,
    }
    handle = await orders.start(order)
    await handle.signal("carrier_event", newer)

    assert await handle.result() == OrderResult(status=OrderStatus.DELIVERED)


async def test_an_unknown_signal_is_no_obstacle(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order)
    await handle.signal("sing", "a song")
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))

    assert await orders.deliver(order, handle) == OrderResult(status=OrderStatus.DELIVERED)
