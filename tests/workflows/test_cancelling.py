"""
Somebody does not want the order any more: wherever it is, what happened is undone, or it is too late.
"""

from dataclasses import dataclass

import pytest
from temporalio.client import RPCError
from temporalio.service import RPCStatusCode

from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    CannotTell,
    CarrierRefused,
    OutcomeUnknown,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
)
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import an_order
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
    RELEASE,
    REVERSE,
    STOCK,
    begun,
    code_of_refusal,
)

# Three local attempts, during which an Update has to wait, and a remote one.
DATABASE_AWAY = [OSError("the database is away")] * 4
AWAY = ProviderUnavailable("provider")
UNKNOWN = CannotTell("key")


@dataclass(frozen=True)
class Undone:
    """What a cancellation undoes."""

    gate: bool
    rest: frozenset[str] = BOTH


STOCK_ONLY = Undone(gate=False, rest=STOCK)
NO_PARCEL = Undone(gate=False)
ALL = Undone(gate=True)


@row("C01")
async def test_an_order_cancelled_while_it_is_placed_is_placed_first(orders: RunningOrders, script: Script) -> None:
    script.fail(PLACE, *DATABASE_AWAY)
    story = await begun(orders, an_order())
    await script.reached(PLACE, len(DATABASE_AWAY))
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert script.steps == [PLACE, "begin_undo", RELEASE, "close_order"]


@row("C02")
async def test_an_order_that_is_refused_when_it_is_placed_stays_rejected(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.REJECTED
    script.fail(PLACE, *DATABASE_AWAY)
    story = await begun(orders, an_order())
    await script.reached(PLACE, len(DATABASE_AWAY))
    await story.cancel()

    assert await story.ends() is OrderStatus.REJECTED
    assert script.steps == [PLACE]


@row("C03")
async def test_an_order_that_waits_for_a_payment_frees_its_stock(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert script.steps == [PLACE, "begin_undo", RELEASE, "close_order"]
    (undo,) = script.requests("begin_undo")
    assert (undo.actor, undo.reason, undo.failure) == ("shop", "changed my mind", FailureCode.CANCELLED)


@pytest.mark.parametrize(
    ("step", "undone"), [case("C04", AUTHORIZE, NO_PARCEL), case("C05", BOOK, ALL), case("C06", CAPTURE, ALL)]
)
async def test_a_step_that_waits_for_its_next_attempt_is_not_attempted_again(
    step: str, undone: Undone, orders: RunningOrders, script: Script
) -> None:
    script.always_fail(step, AWAY)
    story = await begun(orders, an_order())
    await script.reached(step)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.attempts(step)) == 1
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (undone.rest, undone.gate, CANCELLED)


@pytest.mark.parametrize(
    ("step", "outcome", "undone"),
    [
        case("C07", AUTHORIZE, None, NO_PARCEL),
        case("C08", AUTHORIZE, PaymentDeclined(), STOCK_ONLY),
        case("C09", AUTHORIZE, UNKNOWN, NO_PARCEL),
        case("C11", BOOK, None, ALL),
        case("C12", BOOK, CarrierRefused(), NO_PARCEL),
        case("C13", BOOK, UNKNOWN, ALL),
        case("C15", CAPTURE, None, ALL),
        case("C16", CAPTURE, PaymentDeclined(), ALL),
        case("C17", CAPTURE, UNKNOWN, ALL),
        case("C28", CAPTURE, PaymentUnavailable(), ALL),
    ],
)
async def test_an_attempt_in_flight_is_awaited_and_what_happened_is_undone(
    step: str, outcome: Exception | None, undone: Undone, orders: RunningOrders, script: Script
) -> None:
    script.hold(step)
    if outcome:
        script.fail(step, outcome)
    story = await begun(orders, an_order())
    await script.reached(step)
    await story.cancel()
    script.release(step)

    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.attempts(step)) == 1
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (undone.rest, undone.gate, CANCELLED)


@pytest.mark.parametrize(
    ("step", "undone"), [case("C10", AUTHORIZE, NO_PARCEL), case("C14", BOOK, ALL), case("C18", CAPTURE, ALL)]
)
async def test_an_attempt_whose_answer_is_lost_is_the_last(
    step: str, undone: Undone, orders_in_real_time: RunningOrders, script: Script
) -> None:
    script.hold(step)
    script.fail(step, OutcomeUnknown(step))
    story = await begun(orders_in_real_time, an_order())
    await script.reached(step)
    await story.cancel()
    script.release(step)

    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.attempts(step)) == 1
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (undone.rest, undone.gate, CANCELLED)


@row("C19")
async def test_an_order_that_waits_for_the_carrier_is_undone(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (BOTH, True, CANCELLED)


@row("C20")
async def test_an_order_cancelled_twice_is_undone_once(orders: RunningOrders, script: Script) -> None:
    script.hold(GATE)
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()
    await script.reached(GATE)
    await story.cancel()
    script.release(GATE)

    assert await story.ends() is OrderStatus.CANCELLED
    assert [script.steps.count(step) for step in ("begin_undo", GATE, REVERSE, RELEASE, "close_order")] == [1] * 5


@row("C21")
async def test_the_undo_of_a_rejection_is_not_made_a_cancellation(orders: RunningOrders, script: Script) -> None:
    script.fail(BOOK, CarrierRefused())
    script.hold(REVERSE)
    story = await begun(orders, an_order())
    await script.reached(REVERSE)
    await story.cancel()
    script.release(REVERSE)

    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as == (OrderStatus.REJECTED, FailureCode.CARRIER_REFUSED)


@row("C22")
async def test_an_undo_that_is_tried_again_is_not_stopped(orders: RunningOrders, script: Script) -> None:
    script.fail(REVERSE, AWAY, AWAY)
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()
    await script.reached(REVERSE)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert [call.attempt for call in script.attempts(REVERSE)] == [1, 2, 3]


@row("C23")
async def test_a_parcel_that_has_left_is_not_called_back(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("picked_up")

    assert await code_of_refusal(story.cancel()) == "order_not_cancellable"
    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps


@row("C24")
async def test_an_order_that_has_ended_listens_no_more(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    assert await story.ends_delivered()

    with pytest.raises(RPCError) as refused:
        await story.cancel()
    assert refused.value.status is RPCStatusCode.NOT_FOUND


@row("C25")
async def test_a_question_that_offers_it_is_answered_by_a_cancellation(orders: RunningOrders, script: Script) -> None:
    script.fail(CAPTURE, PaymentUnavailable())
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.CAPTURE_OVERDUE)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (BOTH, True, CANCELLED)
    (answer,) = script.requests("resolve_attention")
    assert (answer.answer.action, answer.answer.actor, answer.status) == (
        Action.CANCEL,
        "shop",
        OrderStatus.CANCELLING,
    )


@row("C26")
async def test_a_question_that_does_not_offer_it_comes_first(orders: RunningOrders, script: Script) -> None:
    script.fail(BOOK, UNKNOWN)
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.OUTCOME_UNKNOWN)

    assert await code_of_refusal(story.cancel()) == "order_not_cancellable"
    await story.act(Action.RETRY_LOOKUP)
    assert await story.ends_delivered()


@row("C27")
async def test_another_parcel_that_is_being_booked_is_kept_and_the_money_goes_back(
    orders: RunningOrders, script: Script
) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("lost")
    script.hold(BOOK)
    await story.act(Action.RESHIP)
    await script.reached(BOOK, 2)
    await story.cancel()
    script.release(BOOK)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.gate_was_asked, story.closed_as) == (BOTH, True, CANCELLED)
    assert [request.parcel for request in script.requests(GATE)] == [2]
