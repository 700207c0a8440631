"""
What only a person can know or decide: the order waits for one of the answers it offers, and goes on from there.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.orders import Terms
from fulfillment.contracts.providers import Told
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.errors import CannotTell, CarrierRefused, PaymentUnavailable
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import (
    AUTHORIZE,
    BOOK,
    BOTH,
    CAPTURE,
    GATE,
    PAID_AND_BOOKED,
    RELEASE,
    REVERSE,
    STOCK,
    Story,
    begun,
    code_of_refusal,
)

SHORT = timedelta(hours=1)
QUICK: Terms = replace(TERMS, hand_over_window=SHORT, delivery_window=SHORT)
LOST = (OrderStatus.CANCELLED, FailureCode.PARCEL_LOST)
LOOK, HAPPENED, DID_NOT = Action.RETRY_LOOKUP, Action.IT_HAPPENED, Action.IT_DID_NOT
REFERENCE = "the provider's name of it"


def asked_again(script: Script, step: str) -> tuple[int, Told | None]:
    """The number and the knowledge a step was tried with after the answer."""
    request = script.requests(step)[1]
    return request.n, request.told


async def answered(story: Story, answer: Action) -> None:
    await story.act(answer, REFERENCE if answer is HAPPENED else None)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        case("Q01", AUTHORIZE, LOOK),
        case("Q02", AUTHORIZE, HAPPENED),
        case("Q03", AUTHORIZE, DID_NOT),
        case("Q04", BOOK, LOOK),
        case("Q05", BOOK, HAPPENED),
        case("Q06", BOOK, DID_NOT),
        case("Q07", CAPTURE, LOOK),
        case("Q08", CAPTURE, HAPPENED),
        case("Q09", CAPTURE, DID_NOT),
    ],
)
async def test_a_step_whose_outcome_nobody_knows_goes_on_with_what_an_operator_found(
    step: str, answer: Action, orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    doubtful = operation_key(order.order_id, OperationKind(step.partition("_")[0]), 1)
    script.fail(step, CannotTell(doubtful))
    story = await begun(orders, order)
    await story.asked(AttentionReason.OUTCOME_UNKNOWN)
    (question,) = script.requests("request_attention")
    assert (question.resume, question.actions) == (OrderStatus.PROCESSING, ACTIONS[AttentionReason.OUTCOME_UNKNOWN])
    assert question.operation == doubtful
    await answered(story, answer)

    parcel = 2 if (step, answer) == (BOOK, DID_NOT) else 1
    await story.rests(CAPTURE)
    told = Told(operation=doubtful, reference=REFERENCE)
    assert asked_again(script, step) == {LOOK: (1, None), HAPPENED: (1, told), DID_NOT: (2, None)}[answer]
    assert await story.ends_delivered(parcel=parcel)
    assert not BOTH & set(script.steps)


@pytest.mark.parametrize(
    ("step", "doubt", "answer"),
    [
        case("Q10", GATE, "book", LOOK),
        case("Q11", GATE, "book", HAPPENED),
        case("Q12", GATE, "book", DID_NOT),
        case("Q13", REVERSE, "void", LOOK),
        case("Q14", REVERSE, "void", HAPPENED),
        case("Q15", REVERSE, "void", DID_NOT),
        case("Q39", REVERSE, "authorize", HAPPENED),
        case("Q40", REVERSE, "authorize", DID_NOT),
    ],
)
async def test_an_undo_that_cannot_tell_asks_about_what_is_in_doubt_and_goes_on_with_what_an_operator_found(
    step: str, doubt: str, answer: Action, orders: RunningOrders, script: Script
) -> None:
    """What was to be undone may be in doubt, or the undo itself: only the latter is tried under the next number."""
    order = an_order()
    doubtful = operation_key(order.order_id, OperationKind(doubt), 1)
    script.fail(step, CannotTell(doubtful))
    story = await begun(orders, order)
    await story.rests(CAPTURE)
    await story.cancel()
    await story.asked(AttentionReason.OUTCOME_UNKNOWN)
    (question,) = script.requests("request_attention")
    assert (question.resume, question.operation) == (OrderStatus.CANCELLING, doubtful)
    assert (RELEASE in script.steps) is (step == REVERSE)
    await answered(story, answer)

    assert await story.ends() is OrderStatus.CANCELLED
    happened = (1, Told(operation=doubtful, reference=REFERENCE))
    did_not = (2, None) if doubt == "void" else (1, Told(operation=doubtful, happened=False))
    assert asked_again(script, step) == {LOOK: (1, None), HAPPENED: happened, DID_NOT: did_not}[answer]
    assert set(script.steps) >= BOTH


async def overdue_capture(orders: RunningOrders, script: Script, failures: int = 1) -> Story:
    script.fail(CAPTURE, *[PaymentUnavailable()] * failures)
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.CAPTURE_OVERDUE)
    return story


@row("Q16")
async def test_an_overdue_capture_is_tried_for_longer(orders: RunningOrders, script: Script) -> None:
    story = await overdue_capture(orders, script)
    await story.act(Action.RETRY)
    await story.rests(CAPTURE, 2)

    assert await story.ends_delivered()
    assert [(request.n, request.patience.failures) for request in script.requests(CAPTURE)] == [
        (1, script.terms.capture_failures),
        (1, 2 * script.terms.capture_failures),
    ]


@row("Q17")
async def test_an_order_whose_capture_is_overdue_is_cancelled(orders: RunningOrders, script: Script) -> None:
    story = await overdue_capture(orders, script)
    await story.act(Action.CANCEL)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked) == (BOTH, True)
    assert story.closed_as == (OrderStatus.CANCELLED, FailureCode.CANCELLED)
    assert "begin_undo" not in script.steps, "the answer began it"


@row("Q18")
async def test_the_pick_up_answers_an_overdue_capture_and_the_money_is_taken_then(
    orders: RunningOrders, script: Script
) -> None:
    story = await overdue_capture(orders, script)
    await story.hear("picked_up")
    await story.rests("record_parcel_event")

    assert await story.ends_delivered()
    (moment,) = script.requests("continue_as_shipped")
    assert not moment.refused
    assert [request.shipped for request in script.requests(CAPTURE)] == [False, True]


@row("Q19")
async def test_a_parcel_that_left_while_the_capture_was_overdue_may_stay_unpaid(
    orders: RunningOrders, script: Script
) -> None:
    story = await overdue_capture(orders, script, failures=2)
    await story.hear("picked_up")
    await script.reached("request_attention", 2)
    await story.asked(AttentionReason.SHIPPED_UNPAID, times=2)
    await story.act(Action.RESOLVED_BY_HAND)

    assert await story.ends_delivered()
    assert len(script.requests(CAPTURE)) == 2


@row("Q20")
async def test_a_hand_over_that_is_waited_for_has_its_time_again(orders: RunningOrders, script: Script) -> None:
    script.terms = QUICK
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.later(SHORT)
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    await story.act(Action.KEEP_WAITING)
    await story.later(SHORT)
    await story.asked(AttentionReason.HAND_OVER_OVERDUE, times=2)

    assert [request.n for request in script.requests("request_attention")] == [1, 2]
    assert await story.ends_delivered()


@row("Q21")
async def test_an_order_nobody_picks_up_is_cancelled(orders: RunningOrders, script: Script) -> None:
    script.terms = QUICK
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.later(SHORT)
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    await story.act(Action.CANCEL)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked) == (BOTH, True)


async def asked_about_a_parcel(orders: RunningOrders, script: Script, reason: AttentionReason) -> Story:
    """Its delivery is overdue, or the carrier says that it is lost or on its way back."""
    script.terms = QUICK
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("picked_up")
    if reason is AttentionReason.DELIVERY_OVERDUE:
        await story.later(SHORT)
        await story.asked(reason)
    else:
        await story.recorded(reason)
    return story


OVERDUE, GONE, BACK = AttentionReason.DELIVERY_OVERDUE, AttentionReason.LOST, AttentionReason.RETURNED


@pytest.mark.parametrize("reason", [case("Q22", OVERDUE), case("Q23", GONE), case("Q24", BACK)])
async def test_a_parcel_that_was_found_has_its_time_again(
    reason: AttentionReason, orders: RunningOrders, script: Script
) -> None:
    story = await asked_about_a_parcel(orders, script, reason)
    await story.act(Action.FOUND)
    before = len(script.requests("request_attention"))
    await story.later(SHORT)
    await story.asked(OVERDUE, before + 1)

    assert await story.ends_delivered()
    (answer,) = script.requests("resolve_attention")
    assert (answer.n, answer.status) == (1, OrderStatus.SHIPPED)


@pytest.mark.parametrize(
    ("reason", "end"),
    [case("Q25", OVERDUE, LOST), case("Q26", GONE, LOST), case("Q27", BACK, (OrderStatus.RETURNED, None))],
)
async def test_a_parcel_that_does_not_arrive_is_paid_back_without_asking_the_carrier(
    reason: AttentionReason, end: tuple[Any, Any], orders: RunningOrders, script: Script
) -> None:
    story = await asked_about_a_parcel(orders, script, reason)
    await story.act(Action.REFUND)

    assert await story.ends() is end[0]
    assert story.closed_as == end
    assert (story.undone(), story.gate_was_asked) == (BOTH, False)
    (answer,) = script.requests("resolve_attention")
    assert (answer.status, answer.failure) == (OrderStatus.CANCELLING, end[1])


@pytest.mark.parametrize("reason", [case("Q28", OVERDUE), case("Q29", GONE), case("Q30", BACK)])
async def test_another_parcel_is_sent_for_the_same_money(
    reason: AttentionReason, orders: RunningOrders, script: Script
) -> None:
    story = await asked_about_a_parcel(orders, script, reason)
    await story.act(Action.RESHIP)
    await story.rests(BOOK, 2)
    await story.recorded("picked_up", parcel=2, id="the second pick-up")

    assert await story.ends_delivered(parcel=2)
    assert [(request.n, request.completes) for request in script.requests(BOOK)] == [(1, False), (2, True)]
    assert [script.steps.count(step) for step in (AUTHORIZE, CAPTURE)] == [1, 1]
    last = script.requests("record_parcel_event")[-1]
    assert (last.n, last.status, last.picked_up) == (2, OrderStatus.SHIPPED, True)


@pytest.mark.parametrize("reason", [case("Q31", OVERDUE), case("Q32", GONE), case("Q33", BACK)])
async def test_a_parcel_that_arrives_all_the_same_answers_the_question(
    reason: AttentionReason, orders: RunningOrders, script: Script
) -> None:
    story = await asked_about_a_parcel(orders, script, reason)

    assert await story.ends_delivered()
    last = script.requests("record_parcel_event")[-1]
    assert (last.status, last.picked_up) == (OrderStatus.NEEDS_ATTENTION, True)
    assert script.requests("resolve_attention") == []


@row("Q34")
async def test_without_stock_for_another_parcel_the_question_stays(orders: RunningOrders, script: Script) -> None:
    story = await asked_about_a_parcel(orders, script, GONE)
    script.refusals["reship"] = "stock_short"
    assert await code_of_refusal(story.act(Action.RESHIP)) == "stock_short"
    del script.refusals["reship"]
    await story.act(Action.RESHIP)
    await story.rests(BOOK, 2)

    assert await story.ends_delivered(parcel=2)


@row("Q35")
async def test_another_parcel_no_carrier_takes_is_paid_back(orders: RunningOrders, script: Script) -> None:
    story = await asked_about_a_parcel(orders, script, BACK)
    script.fail(BOOK, CarrierRefused())
    await story.act(Action.RESHIP)

    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as == (OrderStatus.REJECTED, FailureCode.CARRIER_REFUSED)
    assert (story.undone(), story.gate_was_asked) == (BOTH, False)


@row("Q36")
async def test_another_parcel_may_get_lost_as_well(orders: RunningOrders, script: Script) -> None:
    story = await asked_about_a_parcel(orders, script, GONE)
    await story.act(Action.RESHIP)
    await story.rests(BOOK, 2)
    await story.recorded("lost", parcel=2, id="lost again")
    await story.act(Action.REFUND)

    assert await story.ends() is OrderStatus.CANCELLED
    assert story.closed_as == LOST
    assert [request.n for request in script.requests("resolve_attention")] == [2]


@row("Q37")
async def test_an_answer_the_question_does_not_offer_is_refused(orders: RunningOrders, script: Script) -> None:
    story = await asked_about_a_parcel(orders, script, GONE)

    assert await code_of_refusal(story.act(Action.KEEP_WAITING)) == "action_not_available"
    assert await story.ends_delivered()


@row("Q38")
async def test_a_free_order_that_is_cancelled_at_its_question_moves_no_money(
    orders: RunningOrders, script: Script
) -> None:
    script.terms = QUICK
    story = await begun(orders, an_order(a_line(price=0), token=None))
    await story.rests(BOOK)
    await story.later(SHORT)
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    await story.act(Action.CANCEL)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked) == (STOCK, True)
    assert set(PAID_AND_BOOKED) & set(script.steps) == {PAID_AND_BOOKED[0], BOOK}


@row("Q41")
async def test_an_overdue_capture_that_a_late_attempt_made_after_all_asks_nobody(
    orders: RunningOrders, script: Script
) -> None:
    script.fail(CAPTURE, PaymentUnavailable())
    script.answers_itself = True
    story = await begun(orders, an_order())
    await story.rests("request_attention")

    assert await story.ends_delivered()
    assert script.steps == [*PAID_AND_BOOKED[:-1], "request_attention", "record_parcel_event"]


@row("Q42")
async def test_a_capture_in_doubt_that_a_late_attempt_made_after_all_asks_nobody(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    script.fail(CAPTURE, CannotTell(operation_key(order.order_id, OperationKind.CAPTURE, 1)))
    script.answers_itself = True
    story = await begun(orders, order)
    await story.rests(CAPTURE, 2)

    assert await story.ends_delivered()
    assert asked_again(script, CAPTURE) == (1, None)
