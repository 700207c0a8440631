"""
What carriers say comes early, twice, late and in any order; nothing of it is refused.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.contracts.orders import CarrierEvent, OrderResult, RequestAttention
from fulfillment.domain.orders import AttentionReason, OrderStatus
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import an_event, an_order
from tests.workflows.running import OrderHandle, RunningOrders

DELIVERED = OrderResult(status=OrderStatus.DELIVERED)
MONTH = timedelta(days=30)


def recorded(script: Script) -> list[tuple[str, OrderStatus, bool]]:
    """What the carrier said, and what the order was when it was written down."""
    requests = script.requests("record_parcel_event")
    return [(request.event.type.removeprefix("parcel."), request.status, request.picked_up) for request in requests]


async def test_events_before_the_booking_is_done_are_kept(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script) == [
        ("picked_up", OrderStatus.AWAITING_SHIPMENT, False),
        ("delivered", OrderStatus.SHIPPED, True),
    ]


async def test_an_event_that_comes_again_is_ignored(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    for _ in range(3):
        await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert [event for event, *_ in recorded(script)] == ["picked_up", "delivered"]


async def test_a_second_pick_up_under_another_id_counts_once(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up", id="another"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert [picked_up for *_, picked_up in recorded(script)] == [False, True, True]


async def test_a_delivery_nobody_announced_implies_the_pick_up(orders: RunningOrders, script: Script) -> None:
    order = an_order()

    assert await orders.deliver(order, await orders.start(order)) == DELIVERED
    assert recorded(script) == [("delivered", OrderStatus.AWAITING_SHIPMENT, False)]


@pytest.mark.parametrize("parcel", [{"tracking_number": "ANOTHER"}, {"carrier": "another"}])
async def test_news_of_another_parcel_are_ignored(
    parcel: dict[str, Any], orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order, replace(an_event(order.order_id, "delivered", id="e1"), **parcel))

    assert await orders.deliver(order, handle) == DELIVERED
    assert len(recorded(script)) == 1


async def test_a_parcel_nobody_picks_up_gets_an_operator_and_a_late_pick_up_answers(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order)
    days = await orders.pass_days_until("request_attention")

    assert 30 <= days <= 31
    question = RequestAttention(
        order_id=order.order_id,
        n=1,
        reason=AttentionReason.HAND_OVER_OVERDUE,
        status=OrderStatus.AWAITING_SHIPMENT,
    )
    assert script.requests("request_attention") == [question]
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))
    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script) == [
        ("picked_up", OrderStatus.NEEDS_ATTENTION, False),
        ("delivered", OrderStatus.SHIPPED, True),
    ]


async def test_a_parcel_that_does_not_arrive_gets_an_operator_and_its_delivery_answers(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    days = await orders.pass_days_until("request_attention")

    assert 30 <= days <= 31
    (question,) = script.requests("request_attention")
    assert (question.reason, question.status) == (AttentionReason.DELIVERY_OVERDUE, OrderStatus.SHIPPED)
    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script)[-1] == ("delivered", OrderStatus.NEEDS_ATTENTION, True)


@pytest.mark.parametrize("news", ["lost", "returned"])
async def test_a_parcel_that_turns_up_again_answers_the_question_it_raised(
    news: str, orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, news))

    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script)[1:] == [
        (news, OrderStatus.SHIPPED, True),
        ("delivered", OrderStatus.NEEDS_ATTENTION, True),
    ]
    assert script.requests("request_attention") == []


async def test_a_lost_parcel_is_not_asked_about_again_when_its_delivery_is_overdue(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "lost"))
    await script.reached("record_parcel_event")
    await orders.environment.sleep(3 * MONTH)

    assert await orders.deliver(order, handle) == DELIVERED
    assert script.requests("request_attention") == []


async def test_each_phase_has_one_timer_however_much_the_carrier_has_to_say(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order)
    await script.reached("capture_payment")
    for n in range(5):
        await _hear(handle, script, an_event(order.order_id, "in_transit", id=f"before-{n}"))
    await _hear(handle, script, an_event(order.order_id, "picked_up"))
    for n in range(5):
        await _hear(handle, script, an_event(order.order_id, "in_transit", id=f"after-{n}"))
    await orders.deliver(order, handle)

    history = await handle.fetch_history()
    timers = [event for event in history.events if event.HasField("timer_started_event_attributes")]
    windows = [timer.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta() for timer in timers]
    assert windows == [MONTH, MONTH]


async def _hear(handle: OrderHandle, script: Script, event: CarrierEvent) -> None:
    heard = len(script.attempts("record_parcel_event"))
    await handle.signal(OrderWorkflow.carrier_event, event)
    await script.reached("record_parcel_event", heard + 1)
