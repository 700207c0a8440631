"""
Two things at once: whichever comes second meets a decision that is made already.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import CannotTell, PaymentDeclined, PaymentUnavailable
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.domain.shipping import ParcelEvent
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import (
    AUTHORIZE,
    BOOK,
    BOTH,
    CANCELLED,
    CAPTURE,
    GATE,
    PLACE,
    REVERSE,
    Story,
    begun,
    code_of_refusal,
)

RECORD, REFUSE = "record_parcel_event", "refuse_cancellation"
# Longer than the local attempts of what is written down: only the remote ones let messages in.
AWAY = [OSError("the database is away")] * 4


async def booked(orders: RunningOrders) -> Story:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    return story


@row("R01")
async def test_cancel_and_pick_up_at_once_and_the_carrier_was_faster(orders: RunningOrders, script: Script) -> None:
    script.too_late = True
    story = await booked(orders)
    await asyncio.gather(story.cancel(), story.hear("picked_up"), return_exceptions=True)
    await story.rests(RECORD)

    assert await story.ends_delivered()
    assert not BOTH & set(script.steps)


@row("R02")
async def test_a_pick_up_during_the_undo_decides_nothing(orders: RunningOrders, script: Script) -> None:
    script.hold(GATE)
    story = await booked(orders)
    await story.cancel()
    await script.reached(GATE)
    await story.hear("picked_up")
    script.release(GATE)

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.undone() == BOTH
    assert [request.event.type for request in script.requests("record_late_event")] == [ParcelEvent.PICKED_UP]


@row("R03")
async def test_a_cancellation_while_the_pick_up_is_written_down_is_refused(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(RECORD, *AWAY)
    story = await booked(orders)
    await story.hear("picked_up")
    await script.reached(RECORD, len(AWAY))
    await story.cancel()
    await story.rests(REFUSE)

    assert await story.ends_delivered()
    (refusal,) = script.requests(REFUSE)
    assert (refusal.actor, refusal.reason) == ("shop", "changed my mind")
    assert "begin_undo" not in script.steps


@row("R04")
async def test_of_two_operators_at_once_one_is_heard(orders: RunningOrders, script: Script) -> None:
    script.fail(CAPTURE, PaymentUnavailable())
    script.hold("resolve_attention")
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.CAPTURE_OVERDUE)
    retry = asyncio.create_task(story.act(Action.RETRY))
    await script.reached("resolve_attention")

    assert await code_of_refusal(story.act(Action.CANCEL)) == "action_not_available"
    script.release("resolve_attention")
    await retry
    await story.rests(CAPTURE, 2)
    assert await story.ends_delivered()


@row("R05")
async def test_an_answer_after_the_carriers_is_refused(orders: RunningOrders, script: Script) -> None:
    story = await booked(orders)
    await story.recorded("lost")
    script.fail(RECORD, *AWAY)
    await story.hear("delivered")
    await script.reached(RECORD, 1 + len(AWAY))

    assert await code_of_refusal(story.act(Action.REFUND)) == "action_not_available"
    assert await story.ends() is OrderStatus.DELIVERED
    assert script.requests("resolve_attention") == []


@row("R06")
async def test_a_cancellation_that_was_to_answer_a_question_the_carrier_answers_is_refused(
    orders: RunningOrders, script: Script
) -> None:
    script.terms = replace(TERMS, hand_over_window=timedelta(hours=1))
    story = await booked(orders)
    await story.later(timedelta(hours=1))
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    script.fail(RECORD, *AWAY)
    await story.hear("picked_up")
    await script.reached(RECORD, len(AWAY))
    await story.cancel()
    await story.rests(REFUSE)

    assert await story.ends_delivered()
    assert script.requests("resolve_attention") == []


@row("R07")
async def test_a_card_that_comes_as_the_window_closes_is_not_taken(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, payment_window=timedelta(hours=1))
    script.hold("begin_undo")
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.later(timedelta(hours=1))
    await script.reached("begin_undo")

    assert await code_of_refusal(story.pay()) == "payment_not_awaited"
    assert await code_of_refusal(story.amend()) == "order_not_amendable"
    script.release("begin_undo")
    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as == (OrderStatus.REJECTED, FailureCode.PAYMENT_EXPIRED)


@row("R08")
async def test_of_cancel_and_payment_at_once_the_cancellation_counts(orders: RunningOrders, script: Script) -> None:
    script.hold("take_payment")
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.pay()
    await script.reached("take_payment")
    await story.cancel()
    script.release("take_payment")

    assert await story.ends() is OrderStatus.CANCELLED
    assert AUTHORIZE not in script.steps
    assert story.closed_as == CANCELLED


@row("R09")
async def test_of_cancel_and_amendment_at_once_both_are_answered(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    cancelled, amended = await asyncio.gather(story.cancel(), story.amend(), return_exceptions=True)

    assert cancelled is None
    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.requests("amend_order")) == (not isinstance(amended, WorkflowUpdateFailedError))


@row("R10")
async def test_the_pick_up_and_the_answer_at_once_and_the_carrier_decides(
    orders: RunningOrders, script: Script
) -> None:
    script.too_late = True
    script.terms = replace(TERMS, hand_over_window=timedelta(hours=1))
    script.hold("resolve_attention")
    story = await booked(orders)
    await story.later(timedelta(hours=1))
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    answer = asyncio.create_task(story.act(Action.CANCEL))
    await script.reached("resolve_attention")
    await story.hear("picked_up")
    script.release("resolve_attention")
    await answer
    await story.rests(RECORD)

    assert await story.ends_delivered()
    assert not BOTH & set(script.steps)


@row("R11")
async def test_a_readdressing_as_the_card_is_declined_leaves_the_order_where_it_is(
    orders: RunningOrders, script: Script
) -> None:
    script.hold(AUTHORIZE)
    script.fail(AUTHORIZE, PaymentDeclined())
    script.hold("readdress_order")
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.pay("tok_declined")
    await script.reached(AUTHORIZE)
    change = asyncio.create_task(story.readdress())
    await script.reached("readdress_order")
    script.release(AUTHORIZE)
    script.release("readdress_order")
    changed = await change
    await story.pay("tok_visa")
    await story.rests(CAPTURE)

    assert changed.status is OrderStatus.AWAITING_PAYMENT
    assert await story.ends_delivered()


@row("R12")
async def test_a_cancellation_as_the_money_goes_back_changes_nothing(orders: RunningOrders, script: Script) -> None:
    script.hold(REVERSE)
    story = await booked(orders)
    await story.recorded("lost")
    await story.act(Action.REFUND)
    await script.reached(REVERSE)
    await story.cancel()
    script.release(REVERSE)

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.closed_as == (OrderStatus.CANCELLED, FailureCode.PARCEL_LOST)


@row("R13")
async def test_another_address_while_a_question_is_written_down_does_not_wait_for_its_answer(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(AUTHORIZE, CannotTell("key"))
    script.hold("request_attention")
    story = await begun(orders, an_order())
    await script.reached("request_attention")

    change = asyncio.create_task(code_of_refusal(story.readdress()))
    await story.took_up(1)
    script.release("request_attention")
    assert await change == "order_not_amendable"
    await story.act(Action.RETRY_LOOKUP)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert "readdress_order" not in script.steps


@row("R14")
async def test_of_an_answer_and_the_carriers_word_at_once_the_carriers_counts(
    orders: RunningOrders, script: Script
) -> None:
    script.terms = replace(TERMS, hand_over_window=timedelta(hours=1))
    story = await booked(orders)
    await story.later(timedelta(hours=1))
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    script.fail(RECORD, *AWAY)
    await story.hear("in_transit")
    await script.reached(RECORD, len(AWAY))
    answer = asyncio.create_task(code_of_refusal(story.act(Action.CANCEL)))
    await story.took_up(1)
    await story.hear("picked_up")

    assert await answer == "action_not_available"
    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps


@pytest.mark.parametrize(
    ("step", "event", "then"),
    [
        case("R15", CAPTURE, "picked_up", [RECORD]),
        case("R16", CAPTURE, "picked_up", [RECORD, REFUSE]),
        case("R17", BOOK, "picked_up", [RECORD, REFUSE]),
        case("R18", CAPTURE, "delivered", [RECORD, REFUSE]),
    ],
)
async def test_what_the_carrier_said_during_the_last_step_comes_first_cancelled_or_not(
    step: str, event: str, then: list[str], orders: RunningOrders, script: Script
) -> None:
    """
    It is written down by a local step: a worker that dies after it, before the end of its task, does it again
    together with a cancellation that came meanwhile, which must not overtake it.
    """
    script.hold(step)
    order = an_order(a_line(price=0), token=None) if step == BOOK else an_order()
    story = await begun(orders, order)
    await script.reached(step)
    await story.hear(event)
    if REFUSE in then:
        await story.cancel()
    script.release(step)
    await story.rests(then[-1])

    after = script.calls[script.calls.index(script.attempts(step)[-1]) + 1 :]
    assert [call.step for call in after] == then
    assert after[0].is_local
    if event == "picked_up":
        await story.hear("delivered")
    assert await story.ends() is OrderStatus.DELIVERED
    assert "begin_undo" not in script.steps
