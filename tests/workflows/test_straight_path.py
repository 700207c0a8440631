"""
Orders that arrive, and those that end when they are placed.
"""

from fulfillment.contracts.orders import OrderResult, PlacementOutcome
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment
from fulfillment.contracts.shipping import BookShipment
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import a_line, an_event, an_order
from tests.workflows.running import RunningOrders

PAID_AND_BOOKED = ["place_order", "authorize_payment", "book_shipment", "capture_payment"]


async def test_an_order_is_paid_booked_and_followed_to_the_door(orders: RunningOrders, script: Script) -> None:
    order = an_order(a_line(quantity=2, price=1500), a_line("VASE", 1, 999))
    handle = await orders.start(order)
    await script.reached("capture_payment")
    for event in ("picked_up", "in_transit"):
        await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, event))
    result = await orders.deliver(order, handle)

    assert result == OrderResult(status=OrderStatus.DELIVERED)
    assert script.steps == [*PAID_AND_BOOKED, *["record_parcel_event"] * 3]
    total = Money(3999, "EUR")
    assert script.requests("authorize_payment") == [AuthorizePayment(order_id=order.order_id, n=1, amount=total)]
    assert script.requests("capture_payment") == [CapturePayment(order_id=order.order_id, n=1, amount=total)]
    seen = [(event.status, event.picked_up) for event in script.requests("record_parcel_event")]
    assert seen == [
        (OrderStatus.AWAITING_SHIPMENT, False),
        (OrderStatus.SHIPPED, True),
        (OrderStatus.SHIPPED, True),
    ]


async def test_database_steps_are_local_and_provider_steps_are_not(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    await orders.deliver(order, await orders.start(order))

    assert {call.step for call in script.calls if call.is_local} == {"place_order", "record_parcel_event"}


async def test_an_order_that_costs_nothing_is_booked_without_a_payment(orders: RunningOrders, script: Script) -> None:
    order = an_order(a_line(price=0), token=None)
    result = await orders.deliver(order, await orders.start(order))

    assert result.status is OrderStatus.DELIVERED
    assert script.steps == ["place_order", "book_shipment", "record_parcel_event"]
    assert script.requests("book_shipment") == [BookShipment(order_id=order.order_id, n=1, completes=True)]


async def test_an_order_that_is_refused_when_it_is_placed_ends_there(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.REJECTED
    result = await orders.run(an_order())

    assert result == OrderResult(status=OrderStatus.REJECTED)
    assert script.steps == ["place_order"]


async def test_a_duplicate_of_an_order_touches_nothing(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.DUPLICATE
    result = await orders.run(an_order())

    assert result.duplicate
    assert script.steps == ["place_order"]


async def test_placing_names_the_first_run_of_the_workflow(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.REJECTED
    order = an_order()
    handle = await orders.start(order)
    await handle.result()

    (request,) = script.requests("place_order")
    assert request.run_id == handle.first_execution_run_id
    assert request.order == order
