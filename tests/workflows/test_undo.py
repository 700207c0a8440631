"""
The way back: the carrier is asked first, then everything else is undone; what will not be undone gets an operator.
"""

from datetime import timedelta

import pytest

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.providers import Told
from fulfillment.domain.attention import ACTIONS, AT_THE_GATE, Action
from fulfillment.domain.errors import CarrierUnavailable, PaymentDeclined, PaymentUnavailable, UndoRefused
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import an_order, tracking_number_of
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import (
    BOOK,
    BOTH,
    CANCELLED,
    CAPTURE,
    GATE,
    PAID_AND_BOOKED,
    RELEASE,
    REVERSE,
    Story,
    begun,
)

REFUSED = UndoRefused("key")
DECLINED = PaymentDeclined()


def the_cancellation(story: Story) -> str:
    """The key of what is asked of the carrier."""
    return operation_key(story.order.order_id, OperationKind.CANCEL, 1)


async def cancelled_before_the_pick_up(orders: RunningOrders) -> Story:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()
    return story


@row("U01")
async def test_a_parcel_that_has_left_before_the_money_was_taken_is_paid_then(
    orders: RunningOrders, script: Script
) -> None:
    script.too_late = True
    script.hold(BOOK)
    story = await begun(orders, an_order())
    await script.reached(BOOK)
    await story.cancel()
    script.release(BOOK)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    way = ["begin_undo", GATE, "continue_as_shipped", CAPTURE, "record_parcel_event"]
    assert script.steps == [*PAID_AND_BOOKED[:-1], *way]
    (capture,) = script.requests(CAPTURE)
    assert capture.shipped


@row("U02")
async def test_a_parcel_that_has_left_after_the_money_was_taken_goes_on(orders: RunningOrders, script: Script) -> None:
    script.too_late = True
    story = await cancelled_before_the_pick_up(orders)

    assert await story.ends_delivered()
    way = ["begin_undo", GATE, "continue_as_shipped", "record_parcel_event"]
    assert script.steps == [*PAID_AND_BOOKED, *way]
    (moment,) = script.requests("continue_as_shipped")
    assert (moment.status, moment.refused) == (OrderStatus.CANCELLING, True)


@pytest.mark.parametrize(
    ("trouble", "second", "captures"),
    [
        case("U03", DECLINED, Action.RETRY, [1, 2, 3]),
        case("U04", DECLINED, Action.RESOLVED_BY_HAND, [1, 2]),
        case("U05", PaymentUnavailable(), Action.RETRY, [1, 1, 1]),
    ],
)
async def test_a_parcel_that_has_left_and_is_not_paid_for_gets_an_operator(
    trouble: Exception, second: Action, captures: list[int], orders: RunningOrders, script: Script
) -> None:
    """U03, U04: declined before and after it was too late; U05: the provider stays away both times."""
    script.too_late = True
    script.fail(CAPTURE, trouble, trouble)
    story = await begun(orders, an_order())
    if not isinstance(trouble, PaymentDeclined):
        await story.asked(AttentionReason.CAPTURE_OVERDUE)
        await story.act(Action.CANCEL)
    await script.reached(CAPTURE, 2)
    await story.asked(AttentionReason.SHIPPED_UNPAID, times=len(script.requests("request_attention")) or 1)
    assert script.requests("request_attention")[-1].actions == ACTIONS[AttentionReason.SHIPPED_UNPAID]
    await story.act(second)

    assert await story.ends_delivered()
    assert [request.n for request in script.requests(CAPTURE)] == captures
    assert not BOTH & set(script.steps)


@pytest.mark.parametrize(
    ("answer", "asked"),
    [case("U06", Action.RETRY, 2), case("U07", Action.SKIP, 1), case("U08", Action.RESOLVED_BY_HAND, 1)],
)
async def test_a_carrier_that_refuses_to_cancel_stops_the_undo_before_any_money_moves(
    answer: Action, asked: int, orders: RunningOrders, script: Script
) -> None:
    script.fail(GATE, REFUSED)
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    assert script.requests("request_attention")[-1].actions == AT_THE_GATE
    assert not BOTH & set(script.steps)
    await story.act(answer)

    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.attempts(GATE)) == asked
    assert story.closed_as == CANCELLED
    assert set(script.steps) >= BOTH


@row("U09")
async def test_an_operator_finds_out_that_the_carrier_has_the_parcel(orders: RunningOrders, script: Script) -> None:
    script.fail(GATE, REFUSED)
    script.too_late = True
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.act(Action.CARRIER_HAS_IT)

    assert await story.ends_delivered()
    assert not BOTH & set(script.steps)
    assert script.requests(GATE)[1].told == Told(operation=the_cancellation(story), happened=False)
    (moment,) = script.requests("continue_as_shipped")
    assert (moment.status, moment.refused) == (OrderStatus.CANCELLING, True)


@row("U10")
async def test_the_pick_up_answers_whether_the_parcel_leaves(orders: RunningOrders, script: Script) -> None:
    script.fail(GATE, REFUSED)
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.hear("picked_up")
    await story.rests("record_parcel_event")

    assert await story.ends_delivered()
    assert not BOTH & set(script.steps)
    (moment,) = script.requests("continue_as_shipped")
    assert (moment.status, moment.refused) == (OrderStatus.NEEDS_ATTENTION, True)


@row("U11")
async def test_a_carrier_that_stays_away_is_asked_for_longer_when_an_operator_says_so(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(GATE, CarrierUnavailable())
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.act(Action.RETRY)

    assert await story.ends() is OrderStatus.CANCELLED
    first, second = script.requests(GATE)
    assert (first.n, second.n) == (1, 1)
    assert second.patience.failures == 2 * first.patience.failures == 2 * script.terms.undo_failures


@pytest.mark.parametrize(
    ("obstacle", "answer", "reversals"),
    [
        case("U12", REFUSED, Action.RETRY, [1, 2]),
        case("U13", REFUSED, Action.SKIP, [1]),
        case("U14", REFUSED, Action.RESOLVED_BY_HAND, [1]),
        case("U15", PaymentUnavailable(), Action.RETRY, [1, 1]),
        case("U16", PaymentUnavailable(), Action.SKIP, [1]),
        case("U17", PaymentUnavailable(), Action.RESOLVED_BY_HAND, [1]),
    ],
)
async def test_money_that_does_not_go_back_gets_an_operator_and_the_stock_is_free(
    obstacle: Exception, answer: Action, reversals: list[int], orders: RunningOrders, script: Script
) -> None:
    script.fail(REVERSE, obstacle)
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    assert script.requests("request_attention")[-1].actions == ACTIONS[AttentionReason.UNDO_FAILED]
    assert RELEASE in script.steps
    assert "close_order" not in script.steps
    await story.act(answer)

    assert await story.ends() is OrderStatus.CANCELLED
    assert [request.n for request in script.requests(REVERSE)] == reversals
    assert story.closed_as == CANCELLED


@pytest.mark.parametrize("step", [case("U18", GATE), case("U19", REVERSE)])
async def test_an_undo_that_finds_nothing_looks_again_before_that_is_final(
    step: str, orders: RunningOrders, script: Script
) -> None:
    script.nothing_found = {step}
    began = await orders.environment.get_current_time()
    story = await cancelled_before_the_pick_up(orders)

    assert await story.ends() is OrderStatus.CANCELLED
    assert [(request.n, request.last_look) for request in script.requests(step)] == [(1, False), (1, True)]
    assert await orders.environment.get_current_time() - began >= timedelta(minutes=2)


@row("U20")
async def test_a_parcel_found_at_the_second_look_may_have_left(orders: RunningOrders, script: Script) -> None:
    script.fail(BOOK, CarrierUnavailable())
    script.nothing_found, script.too_late = {GATE}, True
    story = await begun(orders, an_order())
    await script.reached(GATE)
    await story.later(timedelta(minutes=3))
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert [request.last_look for request in script.requests(GATE)] == [False, True]


@row("U21")
async def test_a_parcel_nobody_knew_of_is_followed_by_the_number_an_operator_finds(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(BOOK, CarrierUnavailable())
    script.fail(GATE, CarrierUnavailable())
    script.too_late = True
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.UNDO_FAILED)
    number = tracking_number_of(story.order.order_id)
    await story.act(Action.CARRIER_HAS_IT, number)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    told = Told(operation=the_cancellation(story), happened=False, reference=number)
    assert [request.told for request in script.requests(GATE)] == [None, told]
    assert not BOTH & set(script.steps)


async def test_what_somebody_decided_is_written_remotely_so_that_the_decision_is_in_the_history_first(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(GATE, REFUSED)
    story = await cancelled_before_the_pick_up(orders)
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.act(Action.SKIP)

    assert await story.ends() is OrderStatus.CANCELLED
    where = {call.step: call.is_local for call in script.calls}
    assert not any(where[step] for step in ("begin_undo", "request_attention", "resolve_attention"))
    assert all(where[step] for step in (RELEASE, "close_order"))
