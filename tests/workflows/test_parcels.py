"""
What carriers say comes early, twice, late and in any order; nothing of it is refused.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.contracts.orders import OrderResult
from fulfillment.contracts.steps import RequestAttention
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.orders import AttentionReason, OrderStatus
from fulfillment.domain.shipping import ParcelEvent
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import an_event, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import BOOK, CAPTURE, Story, begun

DELIVERED = OrderResult(status=OrderStatus.DELIVERED)
MONTH = timedelta(days=30)


def recorded(script: Script) -> list[tuple[str, OrderStatus, bool]]:
    """What the carrier said, and what the order was when it was written down."""
    requests = script.requests("record_parcel_event")
    return [(request.event.type.removeprefix("parcel."), request.status, request.picked_up) for request in requests]


def put_aside(script: Script) -> list[ParcelEvent]:
    """What was said about no parcel of an open order."""
    return [request.event.type for request in script.requests("record_late_event")]


@row("E01")
async def test_events_before_the_booking_is_done_are_kept(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script) == [
        ("picked_up", OrderStatus.AWAITING_SHIPMENT, False),
        ("delivered", OrderStatus.SHIPPED, True),
    ]


@row("E02")
async def test_an_event_that_comes_again_is_ignored(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    for _ in range(3):
        await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert [event for event, *_ in recorded(script)] == ["picked_up", "delivered"]


@row("E03")
async def test_a_second_pick_up_under_another_id_counts_once(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "picked_up"))
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up", id="another"))

    assert await orders.deliver(order, handle) == DELIVERED
    assert [picked_up for *_, picked_up in recorded(script)] == [False, True, True]


@row("E04")
async def test_a_delivery_nobody_announced_implies_the_pick_up(orders: RunningOrders, script: Script) -> None:
    order = an_order()

    assert await orders.deliver(order, await orders.start(order)) == DELIVERED
    assert recorded(script) == [("delivered", OrderStatus.AWAITING_SHIPMENT, False)]


@row("E05")
async def test_a_pick_up_after_the_delivery_is_put_aside(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    handle = await orders.start(order, an_event(order.order_id, "delivered"))
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))

    assert await handle.result() == DELIVERED
    assert [event for event, *_ in recorded(script)] == ["delivered"]
    assert put_aside(script) == [ParcelEvent.PICKED_UP]


@pytest.mark.parametrize("parcel", [case("E06", {"tracking_number": "ANOTHER"}), case("E07", {"carrier": "another"})])
async def test_news_of_another_parcel_are_put_aside(
    parcel: dict[str, Any], orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order, replace(an_event(order.order_id, "delivered", id="e1"), **parcel))

    assert await orders.deliver(order, handle) == DELIVERED
    assert len(recorded(script)) == 1
    assert put_aside(script) == [ParcelEvent.DELIVERED]


@row("E08")
async def test_news_of_a_replaced_parcel_are_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("lost")
    await story.act(Action.RESHIP)
    await story.rests(BOOK, 2)
    await story.hear("delivered", parcel=1, id="it turned up")
    await story.rests("record_late_event")

    assert await story.ends_delivered(parcel=2)
    assert [event for event, *_ in recorded(script)] == ["lost", "delivered"]
    assert put_aside(script) == [ParcelEvent.DELIVERED]


@row("E09")
async def test_what_a_carrier_says_at_the_end_is_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    script.hold("close_order")
    await story.cancel()
    await script.reached("close_order")
    await story.hear("lost")
    script.release("close_order")

    assert await story.ends() is OrderStatus.CANCELLED
    assert recorded(script) == []
    assert put_aside(script) == [ParcelEvent.LOST]


@row("E10")
async def test_a_parcel_on_its_way_moves_no_order(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("in_transit")

    assert await story.ends_delivered()
    assert recorded(script) == [
        ("in_transit", OrderStatus.AWAITING_SHIPMENT, False),
        ("delivered", OrderStatus.AWAITING_SHIPMENT, False),
    ]


@pytest.mark.parametrize("news", [case("E11", "lost"), case("E12", "returned")])
async def test_a_loss_nobody_expected_implies_the_pick_up(news: str, orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded(news)

    assert await story.ends_delivered()
    assert recorded(script) == [
        (news, OrderStatus.AWAITING_SHIPMENT, False),
        ("delivered", OrderStatus.NEEDS_ATTENTION, True),
    ]
    assert script.requests("request_attention") == [], "it was written down with the event"


@row("E13")
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
        resume=OrderStatus.AWAITING_SHIPMENT,
        actions=ACTIONS[AttentionReason.HAND_OVER_OVERDUE],
    )
    assert script.requests("request_attention") == [question]
    await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "picked_up"))
    assert await orders.deliver(order, handle) == DELIVERED
    assert recorded(script) == [
        ("picked_up", OrderStatus.NEEDS_ATTENTION, False),
        ("delivered", OrderStatus.SHIPPED, True),
    ]


@row("E14")
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
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await _chatter(story, "before")
    await story.recorded("picked_up")
    await _chatter(story, "after")
    assert await story.ends_delivered()

    history = await story.handle.fetch_history()
    timers = [event for event in history.events if event.HasField("timer_started_event_attributes")]
    windows = [timer.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta() for timer in timers]
    assert windows == [MONTH, MONTH]


async def _chatter(story: Story, when: str) -> None:
    for n in range(5):
        await story.recorded("in_transit", id=f"{when}-{n}")
