"""
An operator cancels the workflow through Temporal: a cancellation like any other, and the workflow ends as cancelled.
"""

import pytest

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import CannotTell, CarrierRefused, ProviderUnavailable
from fulfillment.domain.orders import AttentionReason, OrderStatus
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
)


@row("T01")
async def test_while_it_is_placed(orders: RunningOrders, script: Script) -> None:
    script.fail(PLACE, *[OSError("the database is away")] * 4)
    story = await begun(orders, an_order())
    await script.reached(PLACE, 4)
    await story.cancel_through_temporal()

    assert await story.ends_as_cancelled_by_temporal()
    assert script.steps == [PLACE, "begin_undo", RELEASE, "close_order"]


@row("T02")
async def test_while_it_waits_for_a_payment(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.cancel_through_temporal()

    assert await story.ends_as_cancelled_by_temporal()
    assert (story.undone(), story.closed_as) == (STOCK, CANCELLED)
    (undo,) = script.requests("begin_undo")
    assert undo.actor == "temporal"


@pytest.mark.parametrize("step", [case("T03", AUTHORIZE), case("T04", BOOK), case("T05", CAPTURE)])
async def test_while_a_step_waits_for_its_next_attempt(step: str, orders: RunningOrders, script: Script) -> None:
    script.always_fail(step, ProviderUnavailable("provider"))
    story = await begun(orders, an_order())
    await script.reached(step)
    await story.cancel_through_temporal()

    assert await story.ends_as_cancelled_by_temporal()
    assert len(script.attempts(step)) == 1
    assert (story.undone(), story.gate_was_asked) == (BOTH, step != AUTHORIZE)


@pytest.mark.parametrize("step", [case("T06", AUTHORIZE), case("T07", BOOK), case("T08", CAPTURE)])
async def test_while_an_attempt_is_in_flight(step: str, orders: RunningOrders, script: Script) -> None:
    script.hold(step)
    story = await begun(orders, an_order())
    await script.reached(step)
    await story.cancel_through_temporal()
    script.release(step)

    assert await story.ends_as_cancelled_by_temporal()
    assert (story.undone(), story.gate_was_asked) == (BOTH, step != AUTHORIZE)


@row("T09")
async def test_while_it_waits_for_the_carrier(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel_through_temporal()

    assert await story.ends_as_cancelled_by_temporal()
    assert (story.undone(), story.gate_was_asked) == (BOTH, True)


@row("T10")
async def test_while_it_is_undone(orders: RunningOrders, script: Script) -> None:
    script.hold(GATE)
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()
    await script.reached(GATE)
    await story.cancel_through_temporal()
    script.release(GATE)

    assert await story.ends_as_cancelled_by_temporal()
    assert script.steps.count("close_order") == 1


@row("T11")
async def test_while_it_is_undone_because_it_is_rejected(orders: RunningOrders, script: Script) -> None:
    script.fail(BOOK, CarrierRefused())
    script.hold(REVERSE)
    story = await begun(orders, an_order())
    await script.reached(REVERSE)
    await story.cancel_through_temporal()
    script.release(REVERSE)

    assert await story.ends() is OrderStatus.REJECTED


@row("T12")
async def test_from_the_pick_up_on_it_is_refused_and_written_down(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.recorded("picked_up")
    await story.cancel_through_temporal()
    await story.rests("refuse_cancellation")

    assert await story.ends_delivered()
    (refusal,) = script.requests("refuse_cancellation")
    assert (refusal.actor, refusal.n) == ("temporal", 1)


@row("T13")
async def test_while_an_operator_is_asked_it_is_refused_and_written_down(orders: RunningOrders, script: Script) -> None:
    script.fail(BOOK, CannotTell("key"))
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.OUTCOME_UNKNOWN)
    await story.cancel_through_temporal()
    await story.rests("refuse_cancellation")
    await story.act(Action.RETRY_LOOKUP)

    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps


@row("T14")
async def test_what_the_carrier_has_already_is_delivered(orders: RunningOrders, script: Script) -> None:
    script.too_late = True
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel_through_temporal()
    await story.rests("continue_as_shipped")

    assert await story.ends_delivered()
    assert story.script.requests("refuse_cancellation") == []
    (moment,) = script.requests("continue_as_shipped")
    assert moment.refused


@row("T15")
async def test_while_the_money_is_taken_and_the_parcel_is_picked_up(orders: RunningOrders, script: Script) -> None:
    script.hold(CAPTURE)
    story = await begun(orders, an_order())
    await script.reached(CAPTURE)
    await story.hear("picked_up")
    await story.cancel_through_temporal()
    script.release(CAPTURE)
    await story.rests("refuse_cancellation")

    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps
