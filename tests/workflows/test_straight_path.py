"""
Orders that arrive.
"""

from typing import Any

from fulfillment.contracts.orders import OrderResult
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment
from fulfillment.contracts.providers import Patience
from fulfillment.contracts.shipping import BookShipment
from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_event, an_order
from tests.workflows.rows import row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import PAID_AND_BOOKED


def patience(failures: int) -> Patience:
    return Patience(failures=failures, memory=TERMS.key_memory)


@row("P01")
async def test_an_order_is_paid_booked_and_followed_to_the_door(orders: RunningOrders, script: Script) -> None:
    order = an_order(a_line(quantity=2, price=1500), a_line("VASE", 1, 999))
    handle = await orders.start(order)
    await script.reached("capture_payment")
    for event in ("picked_up", "in_transit"):
        await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, event))
    result = await orders.deliver(order, handle)

    assert result == OrderResult(status=OrderStatus.DELIVERED)
    assert script.steps == [*PAID_AND_BOOKED, *["record_parcel_event"] * 3]
    what: dict[str, Any] = {"order_id": order.order_id, "n": 1, "amount": Money(3999, "EUR")}
    authorization = AuthorizePayment(**what, patience=patience(TERMS.provider_failures))
    assert script.requests("authorize_payment") == [authorization]
    capture = CapturePayment(**what, authorization=1, patience=patience(TERMS.capture_failures))
    assert script.requests("capture_payment") == [capture]
    seen = [(event.status, event.picked_up) for event in script.requests("record_parcel_event")]
    assert seen == [
        (OrderStatus.AWAITING_SHIPMENT, False),
        (OrderStatus.SHIPPED, True),
        (OrderStatus.SHIPPED, True),
    ]


@row("P02")
async def test_an_order_that_costs_nothing_is_booked_without_a_payment(orders: RunningOrders, script: Script) -> None:
    order = an_order(a_line(price=0), token=None)
    result = await orders.deliver(order, await orders.start(order))

    assert result.status is OrderStatus.DELIVERED
    assert script.steps == ["place_order", "book_shipment", "record_parcel_event"]
    booking = BookShipment(order_id=order.order_id, n=1, completes=True, patience=patience(TERMS.provider_failures))
    assert script.requests("book_shipment") == [booking]


async def test_database_steps_are_local_and_provider_steps_are_not(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    await orders.deliver(order, await orders.start(order))

    assert {call.step for call in script.calls if call.is_local} == {"place_order", "record_parcel_event"}


async def test_placing_names_the_first_run_of_the_workflow(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.REJECTED
    order = an_order()
    handle = await orders.start(order)
    await handle.result()

    (request,) = script.requests("place_order")
    assert request.run_id == handle.first_execution_run_id
    assert request.order == order
