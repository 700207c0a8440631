"""
A payment provider takes back what it said: an operator is asked as soon as nothing else is, and what is open after the
end is an entry of its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import UndoRefused
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import BOTH, CAPTURE, GATE, REVERSE, Story, begun, code_of_refusal

DISPUTE = AttentionReason.PROVIDER_DISPUTE
BY_HAND, CANCEL = Action.RESOLVED_BY_HAND, Action.CANCEL
LATE = "record_late_payment"


async def paid(orders: RunningOrders) -> Story:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    return story


async def disputed(orders: RunningOrders) -> Story:
    """An order that waits for the carrier, with an operator who is asked about its payment."""
    story = await paid(orders)
    await story.tell("disputed")
    await story.asked(DISPUTE)
    return story


def asked_about(script: Script) -> list[tuple[AttentionReason, Sequence[Action]]]:
    return [(request.reason, request.actions) for request in script.requests("request_attention")]


def put_aside(script: Script) -> list[str]:
    return [request.news.id for request in script.requests(LATE)]


@pytest.mark.parametrize(
    "news", [case("D01", "disputed"), case("D02", "capture_failed"), case("D03", "authorization_expired")]
)
async def test_before_the_pick_up_it_is_settled_by_hand(news: str, orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    await story.tell(news)
    await story.asked(DISPUTE)
    (question,) = script.requests("request_attention")
    await story.act(BY_HAND)

    assert (question.resume, question.actions) == (OrderStatus.AWAITING_SHIPMENT, (BY_HAND, CANCEL))
    assert (question.news.id, question.status) == (f"news-{news}", OrderStatus.AWAITING_SHIPMENT)
    assert [request.status for request in script.requests("resolve_attention")] == [OrderStatus.AWAITING_SHIPMENT]
    assert await story.ends_delivered()
    assert put_aside(script) == []


@pytest.mark.parametrize("cancel", [case("D04", lambda story: story.act(CANCEL)), case("D05", Story.cancel)])
async def test_before_the_pick_up_it_is_a_reason_to_cancel(
    cancel: Callable[[Story], Awaitable[None]], orders: RunningOrders, script: Script
) -> None:
    story = await disputed(orders)
    await cancel(story)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.closed_as) == (BOTH, (OrderStatus.CANCELLED, FailureCode.CANCELLED))
    assert (put_aside(script), "begin_undo" in script.steps) == ([], False)


@row("D06")
async def test_after_the_pick_up_it_can_only_be_settled(orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    await story.recorded("picked_up")
    await story.tell("disputed")
    await story.asked(DISPUTE)

    assert await code_of_refusal(story.act(CANCEL)) == "action_not_available"
    assert await code_of_refusal(story.cancel()) == "order_not_cancellable"
    await story.act(BY_HAND)
    assert await story.ends_delivered()
    assert asked_about(script) == [(DISPUTE, (BY_HAND,))]


@row("D07")
async def test_it_waits_for_the_answer_to_another_question(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, hand_over_window=timedelta(hours=1))
    story = await paid(orders)
    await story.later(timedelta(hours=2))
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    await story.tell("disputed")
    await story.act(Action.KEEP_WAITING)
    await story.asked(DISPUTE, 2)
    await story.act(BY_HAND)

    assert await story.ends_delivered()


@row("D08")
async def test_it_is_asked_again_when_a_lost_parcel_was_found(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.recorded("lost")
    await story.act(Action.FOUND)
    await story.asked(DISPUTE, 2)
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert asked_about(script) == [(DISPUTE, (BY_HAND, CANCEL)), (DISPUTE, (BY_HAND,))]


@row("D09")
async def test_of_two_each_has_its_answer(orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    await story.tell("disputed")
    await story.tell("capture_failed")
    for n in (1, 2):
        await story.asked(DISPUTE, n)
        await story.act(BY_HAND)

    assert await story.ends_delivered()
    questions = script.requests("request_attention")
    assert [(question.news.id, question.n) for question in questions] == [
        ("news-disputed", 1),
        ("news-capture_failed", 2),
    ]


@row("D10")
async def test_a_pick_up_is_no_answer_but_leaves_fewer_of_them(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.recorded("picked_up")
    await story.asked(DISPUTE, 2)
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert asked_about(script) == [(DISPUTE, (BY_HAND, CANCEL)), (DISPUTE, (BY_HAND,))]
    assert [request.resume for request in script.requests("request_attention")][1] is OrderStatus.SHIPPED


@row("D11")
async def test_what_nobody_answers_before_the_delivery_is_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)

    assert await story.ends_delivered()
    assert (put_aside(script), script.steps[-1]) == (["news-disputed"], LATE)


@row("D12")
async def test_a_parcel_under_way_changes_nothing(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.recorded("in_transit")
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert len(asked_about(script)) == 1


@row("D13")
async def test_during_an_undo_it_is_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    script.hold(REVERSE)
    await story.cancel()
    await script.reached(REVERSE)
    await story.tell("disputed")
    script.release(REVERSE)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (put_aside(script), asked_about(script)) == (["news-disputed"], [])


@row("D14")
async def test_while_an_undo_asks_it_is_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    script.fail(REVERSE, UndoRefused("key"))
    await story.cancel()
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.tell("disputed")
    await story.act(BY_HAND)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (put_aside(script), len(asked_about(script))) == (["news-disputed"], 1)


@row("D15")
async def test_it_is_asked_when_the_carrier_was_faster_than_the_undo(orders: RunningOrders, script: Script) -> None:
    script.too_late = True
    story = await paid(orders)
    script.hold(GATE)
    await story.cancel()
    await script.reached(GATE)
    await story.tell("disputed")
    script.release(GATE)
    await story.asked(DISPUTE)
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert asked_about(script) == [(DISPUTE, (BY_HAND,))]


@row("D16")
async def test_after_the_end_it_is_put_aside_while_the_workflow_is_open(orders: RunningOrders, script: Script) -> None:
    story = await paid(orders)
    await story.recorded("picked_up")
    script.hold("refuse_cancellation")
    await story.cancel_through_temporal()
    await script.reached("refuse_cancellation")
    await story.hear("delivered")
    await script.reached("record_parcel_event", 2)
    await story.tell("disputed")
    await script.reached(LATE)
    script.release("refuse_cancellation")

    assert await story.ends() is OrderStatus.DELIVERED
    assert put_aside(script) == ["news-disputed"]


@row("D17")
async def test_the_same_event_twice_is_one(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.tell("disputed")
    await story.act(BY_HAND)
    await story.tell("disputed")

    assert await story.ends_delivered()
    assert (len(asked_about(script)), put_aside(script)) == (1, [])


@row("D18")
async def test_before_the_capture_is_done_it_waits(orders: RunningOrders, script: Script) -> None:
    script.hold(CAPTURE)
    story = await begun(orders, an_order())
    await script.reached(CAPTURE)
    await story.tell("disputed")
    script.release(CAPTURE)
    await story.asked(DISPUTE)
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert script.steps.index(CAPTURE) < script.steps.index("request_attention")


@row("D19")
async def test_an_authorisation_that_expires_before_the_capture_is_the_captures_affair(
    orders: RunningOrders, script: Script
) -> None:
    script.hold(CAPTURE)
    story = await begun(orders, an_order())
    await script.reached(CAPTURE)
    await story.tell("authorization_expired")
    script.release(CAPTURE)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert (asked_about(script), put_aside(script)) == ([], [])


@row("D20")
async def test_what_a_refund_leaves_open_is_put_aside(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.recorded("lost")
    await story.act(Action.REFUND)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.closed_as[1], put_aside(script)) == (FailureCode.PARCEL_LOST, ["news-disputed"])


@row("D21")
async def test_the_answer_gives_the_carrier_its_time_anew(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, hand_over_window=timedelta(hours=1))
    story = await disputed(orders)
    await story.later(timedelta(hours=5))
    assert len(asked_about(script)) == 1
    await story.act(BY_HAND)
    await story.later(timedelta(hours=2))
    await story.asked(AttentionReason.HAND_OVER_OVERDUE, 2)

    assert await story.ends_delivered()


@row("D22")
async def test_cancelling_through_temporal_is_no_answer(orders: RunningOrders, script: Script) -> None:
    story = await disputed(orders)
    await story.cancel_through_temporal()
    await story.rests("refuse_cancellation")
    await story.act(BY_HAND)

    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps
