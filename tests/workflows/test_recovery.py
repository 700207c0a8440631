"""
An order that is taken over: everything is looked up first, then it goes on with the numbers it had, or is undone.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.contracts.orders import Resume
from fulfillment.contracts.recovery import Numbered, Standing
from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import ProviderUnavailable
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import CARRIER, a_line, an_order, tracking_number_of
from tests.fakes.recovery import LEFT_IN_PROCESSING
from tests.workflows.running import RunningOrders
from tests.workflows.stories import (
    AUTHORIZE,
    BOOK,
    BOTH,
    CAPTURE,
    GATE,
    RELEASE,
    REVERSE,
    Story,
    begun,
    code_of_refusal,
)

LOOK_UP = ["find_payments", "find_shipments"]
FIRST = Numbered(last=1)
BOOKED = replace(LEFT_IN_PROCESSING, last_event=4, authorization=FIRST, booking=FIRST)
PAID = replace(BOOKED, status=OrderStatus.AWAITING_SHIPMENT, last_event=5, capture=FIRST, is_captured=True)
WAITING = replace(
    LEFT_IN_PROCESSING,
    status=OrderStatus.AWAITING_PAYMENT,
    last_event=3,
    authorization=FIRST,
    awaited=Money(3000, "EUR"),
    payment_due_in=timedelta(days=2),
)
SHIPPED = replace(PAID, status=OrderStatus.SHIPPED, last_event=6, picked_up=True)


async def taken_over(orders: RunningOrders, left: Standing, *, undo: bool = False, **order: Any) -> Story:
    """An order whose earlier run left it like this; its parcel, if it has one, is the first."""
    resumed = an_order(**order, resume=Resume(actor="operator", reason="it was shot", undo=undo))
    if left.status in (OrderStatus.AWAITING_SHIPMENT, OrderStatus.SHIPPED):
        number = tracking_number_of(resumed.order_id)
        left = replace(left, parcel=ShipmentBooked(carrier=CARRIER, tracking_number=number))
    orders.script.left = left
    return await begun(orders, resumed)


async def test_providers_are_asked_before_anything_is_done(orders: RunningOrders, script: Script) -> None:
    script.fail("find_payments", *[ProviderUnavailable("payment provider")] * 3)
    story = await taken_over(orders, LEFT_IN_PROCESSING)
    await story.rests(CAPTURE)

    assert script.steps[0] == "take_over"
    assert sorted(script.steps[1:3]) == LOOK_UP
    assert script.steps[3:] == ["read_standing", AUTHORIZE, BOOK, CAPTURE]
    assert await story.ends_delivered()


@pytest.mark.parametrize(("refused", "n"), [(False, 1), (True, 2)], ids=["may still count", "refused"])
async def test_what_may_still_count_keeps_its_number(
    orders: RunningOrders, script: Script, *, refused: bool, n: int
) -> None:
    newest = Numbered(last=1, is_refused=refused)
    story = await taken_over(orders, replace(BOOKED, authorization=newest, booking=newest, capture=newest))
    await story.rests(CAPTURE)

    assert [request.n for step in (AUTHORIZE, BOOK, CAPTURE) for request in script.requests(step)] == [n, n, n]
    assert await story.ends_delivered(parcel=n)


@pytest.mark.parametrize("left", [LEFT_IN_PROCESSING, BOOKED, PAID], ids=["placed", "booked", "paid"])
async def test_it_is_undone_under_numbers_nobody_used(orders: RunningOrders, script: Script, left: Standing) -> None:
    story = await taken_over(orders, left, undo=True)

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.gate_was_asked == (left is not LEFT_IN_PROCESSING)
    assert story.undone() == (BOTH if story.gate_was_asked else frozenset({RELEASE}))
    (begin,) = script.requests("begin_undo")
    assert (begin.actor, begin.n > left.last_event) == ("operator", True)
    assert not {AUTHORIZE, BOOK, CAPTURE} & set(script.steps)


async def test_it_is_undone_when_its_providers_have_begun_to(orders: RunningOrders) -> None:
    story = await taken_over(orders, replace(PAID, reversal=FIRST, is_being_undone=True))

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.undone() == BOTH


@pytest.mark.parametrize(
    ("failure", "end"),
    [
        (None, OrderStatus.RETURNED),
        (FailureCode.CANCELLED, OrderStatus.CANCELLED),
        (FailureCode.PARCEL_LOST, OrderStatus.CANCELLED),
        (FailureCode.PAYMENT_DECLINED, OrderStatus.REJECTED),
    ],
)
async def test_an_undo_under_way_is_finished_as_it_was_begun(
    orders: RunningOrders, script: Script, failure: FailureCode | None, end: OrderStatus
) -> None:
    left = replace(BOOKED, status=OrderStatus.CANCELLING, failure=failure, cancellation=FIRST, reversal=FIRST)
    story = await taken_over(orders, left)

    assert await story.ends() is end
    assert story.closed_as == (end, failure)
    assert not script.requests("begin_undo")
    assert [request.n for step in (GATE, REVERSE) for request in script.requests(step)] == [1, 1]


async def test_the_time_to_pay_is_what_was_left_of_it(orders: RunningOrders, script: Script) -> None:
    left = replace(LEFT_IN_PROCESSING, status=OrderStatus.AWAITING_PAYMENT, payment_due_in=timedelta(days=2))
    story = await taken_over(orders, left, token=None)
    await story.rests("read_standing")

    assert await orders.pass_days_until("begin_undo") in (2, 3)
    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as[1] is FailureCode.PAYMENT_EXPIRED


async def test_what_was_asked_about_the_parcel_is_asked_again(orders: RunningOrders, script: Script) -> None:
    story = await taken_over(orders, replace(SHIPPED, question=AttentionReason.LOST))
    await story.asked(AttentionReason.LOST)
    await story.act(Action.FOUND)

    assert script.requests("request_attention")[0].n > SHIPPED.last_event
    assert await story.ends_delivered()


async def test_a_hand_over_that_is_overdue_is_undone_without_asking_again(
    orders: RunningOrders, script: Script
) -> None:
    story = await taken_over(orders, replace(PAID, question=AttentionReason.HAND_OVER_OVERDUE), undo=True)

    assert await story.ends() is OrderStatus.CANCELLED
    assert not script.requests("request_attention")


async def test_what_has_left_is_not_undone(orders: RunningOrders, script: Script) -> None:
    story = await taken_over(orders, SHIPPED, undo=True)
    await story.rests("refuse_cancellation")

    assert await story.ends_delivered()
    assert not script.requests("begin_undo")


async def test_another_parcel_of_a_paid_order_is_not_paid_again(orders: RunningOrders, script: Script) -> None:
    story = await taken_over(
        orders, replace(SHIPPED, status=OrderStatus.PROCESSING, picked_up=False, booking=Numbered(last=2))
    )
    await story.rests(BOOK)

    (booking,) = script.requests(BOOK)
    assert (booking.n, booking.completes) == (2, True)
    assert await story.ends_delivered(parcel=2)
    assert not {AUTHORIZE, CAPTURE} & set(script.steps)


@pytest.mark.parametrize("undo", [True, False], ids=["to be undone", "cancelled meanwhile"])
async def test_what_has_left_and_is_not_paid_for_is_not_undone_but_paid_for(
    orders: RunningOrders, script: Script, *, undo: bool
) -> None:
    script.hold("read_standing")
    story = await taken_over(orders, replace(SHIPPED, is_captured=False), undo=undo)
    await script.reached("read_standing")
    if not undo:
        await story.cancel()
    script.release("read_standing")
    await story.rests(CAPTURE)

    (refusal,) = script.requests("refuse_cancellation")
    assert refusal.actor == ("operator" if undo else "shop")
    assert [(request.n, request.shipped) for request in script.requests(CAPTURE)] == [(1, True)]
    assert await story.ends_delivered()
    assert not {"begin_undo", REVERSE, RELEASE} & set(script.steps)


@pytest.mark.parametrize("step", [AUTHORIZE, BOOK, CAPTURE])
async def test_an_address_that_is_on_a_label_already_stays(step: str, orders: RunningOrders, script: Script) -> None:
    script.hold(step)
    story = await taken_over(orders, BOOKED)
    await script.reached(step)

    assert await code_of_refusal(story.readdress()) == "order_not_amendable"
    script.release(step)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert not script.requests("readdress_order")


async def test_a_payment_that_waits_for_its_customer_is_asked_about_at_once(
    orders: RunningOrders, script: Script
) -> None:
    story = await taken_over(orders, WAITING)
    await story.rests(CAPTURE)

    assert [(request.n, request.resumes) for request in script.requests(AUTHORIZE)] == [(1, True)]
    assert [request.authorization for request in script.requests(CAPTURE)] == [1]
    assert await story.ends_delivered()


async def test_another_card_ends_a_payment_of_the_earlier_run(orders: RunningOrders, script: Script) -> None:
    script.asks_customer = True
    story = await taken_over(orders, WAITING)
    await story.rests(AUTHORIZE)
    script.asks_customer = False
    await story.pay()
    await story.rests(CAPTURE)

    assert [(request.authorization, request.replaces) for request in script.requests(REVERSE)] == [(1, True)]
    assert [(request.n, request.resumes) for request in script.requests(AUTHORIZE)] == [(1, True), (2, False)]
    assert await story.ends_delivered()


@pytest.mark.parametrize("total", [4000, 0], ids=["another total", "nothing"])
async def test_an_amendment_of_the_earlier_run_ends_its_payment_first(
    orders: RunningOrders, script: Script, total: int
) -> None:
    left = replace(WAITING, status=OrderStatus.AWAITING_PAYMENT if total else OrderStatus.PROCESSING)
    order = an_order(a_line(quantity=1, price=total))
    story = await taken_over(orders, left, lines=order.lines)
    await story.rests(REVERSE)
    if total:
        await story.pay()
    await story.rests(CAPTURE if total else BOOK)

    assert [(request.authorization, request.replaces) for request in script.requests(REVERSE)] == [(1, True)]
    assert [(request.n, request.amount.amount) for request in script.requests(AUTHORIZE)] == [(2, total)][: bool(total)]
    assert await story.ends_delivered()


async def test_a_payment_that_waits_is_undone_if_that_is_wanted(orders: RunningOrders, script: Script) -> None:
    story = await taken_over(orders, WAITING, undo=True)

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.undone() == BOTH
    assert [(request.authorization, request.replaces) for request in script.requests(REVERSE)] == [(1, False)]


async def test_a_customer_has_no_more_time_than_before(orders: RunningOrders, script: Script) -> None:
    script.asks_customer = True
    story = await taken_over(orders, WAITING)
    await story.rests(AUTHORIZE)

    assert await orders.pass_days_until("begin_undo") <= 3
    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as[1] is FailureCode.PAYMENT_EXPIRED
