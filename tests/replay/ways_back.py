"""
Orders that are not wanted any more, are refused, or come back; each sequence of commands is played once.
"""

from fulfillment.contracts.naming import operation_key
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    CannotTell,
    CarrierRefused,
    CarrierUnavailable,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
    UndoRefused,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason
from tests.replay.stage import ORDER_ID, SOON, Path, Stage
from tests.workflows.stories import AUTHORIZE, BOOK, CAPTURE, GATE, REVERSE, Story

AWAY = OSError("the database is away")
DECLINED, REFUSED = PaymentDeclined(), UndoRefused("key")


async def payment_declined(stage: Stage) -> Story:
    stage.script.fail(AUTHORIZE, DECLINED)
    return await stage.begins()


async def payment_unavailable(stage: Stage) -> Story:
    stage.script.fail(AUTHORIZE, PaymentUnavailable())
    return await stage.begins()


async def payment_expired(stage: Stage) -> Story:
    stage.lives_by(payment_window=SOON)
    return await stage.begins(token=None)


async def carrier_refused(stage: Stage) -> Story:
    stage.script.fail(BOOK, CarrierRefused())
    return await stage.begins()


async def carrier_unavailable(stage: Stage) -> Story:
    stage.script.fail(BOOK, CarrierUnavailable())
    return await stage.begins()


async def capture_declined(stage: Stage) -> Story:
    stage.script.fail(CAPTURE, DECLINED)
    return await stage.begins()


async def capture_overdue_cancelled(stage: Stage) -> Story:
    stage.script.fail(CAPTURE, PaymentUnavailable())
    return await stage.is_asked(AttentionReason.CAPTURE_OVERDUE, None, Action.CANCEL)


async def outcome_of_the_undo_unknown(stage: Stage) -> Story:
    for step, kind in ((GATE, OperationKind.BOOK), (REVERSE, OperationKind.VOID)):
        stage.script.fail(step, CannotTell(operation_key(OrderId(ORDER_ID), kind, 1)))
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    return await stage.is_asked(AttentionReason.OUTCOME_UNKNOWN, story, Action.IT_HAPPENED, Action.IT_DID_NOT)


async def hand_over_overdue_cancelled(stage: Stage) -> Story:
    stage.lives_by(hand_over_window=SOON)
    story = await stage.begins()
    await story.asked(AttentionReason.HAND_OVER_OVERDUE)
    await story.cancel()
    return story


async def lost(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("lost")
    await story.act(Action.REFUND)
    return story


async def returned(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("picked_up", "returned")
    await story.act(Action.REFUND)
    return story


async def cancelled_awaiting_payment(stage: Stage) -> Story:
    story = await stage.waits_for_a_card()
    await story.cancel()
    return story


async def cancelled_between_attempts(stage: Stage) -> Story:
    stage.script.always_fail(BOOK, ProviderUnavailable("carrier"))
    story = await stage.begins()
    await stage.script.reached(BOOK)
    await story.cancel()
    return story


async def cancelled_in_flight(stage: Stage) -> Story:
    stage.script.hold(CAPTURE)
    story = await stage.begins()
    await stage.script.reached(CAPTURE)
    await story.cancel()
    stage.script.release(CAPTURE)
    return story


async def cancelled_twice(stage: Stage) -> Story:
    stage.script.hold(GATE)
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    await stage.script.reached(GATE)
    await story.cancel()
    stage.script.release(GATE)
    return story


async def cancelled_through_temporal(stage: Stage) -> Story:
    stage.script.hold(AUTHORIZE)
    story = await stage.begins()
    await stage.script.reached(AUTHORIZE)
    await story.cancel_through_temporal()
    stage.script.release(AUTHORIZE)
    return story


async def cancelled_through_temporal_too_late(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("picked_up")
    await story.cancel_through_temporal()
    await story.rests("refuse_cancellation")
    await story.hear("delivered")
    return story


async def picked_up_and_cancelled(stage: Stage) -> Story:
    """The cancellation comes while the pick-up is written down."""
    story = await stage.waits_for_the_carrier()
    stage.script.fail("record_parcel_event", *[AWAY] * 4)
    await story.hear("picked_up")
    await stage.script.reached("record_parcel_event", 4)
    await story.cancel()
    await story.rests("refuse_cancellation")
    await story.hear("delivered")
    return story


async def picked_up_and_cancelled_while_capturing(stage: Stage) -> Story:
    stage.script.hold(CAPTURE)
    story = await stage.begins()
    await stage.script.reached(CAPTURE)
    await story.hear("picked_up")
    await story.cancel()
    stage.script.release(CAPTURE)
    await story.rests("refuse_cancellation")
    await story.hear("delivered")
    return story


async def too_late_before_the_capture(stage: Stage) -> Story:
    stage.script.too_late = True
    stage.script.hold(BOOK)
    story = await stage.begins()
    await stage.script.reached(BOOK)
    await story.cancel()
    stage.script.release(BOOK)
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def too_late_after_the_capture(stage: Stage) -> Story:
    stage.script.too_late = True
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    await story.rests("continue_as_shipped")
    await story.hear("delivered")
    return story


async def shipped_unpaid(stage: Stage) -> Story:
    stage.script.too_late = True
    stage.script.fail(CAPTURE, *[DECLINED] * 3)
    answers = (Action.RETRY, Action.RESOLVED_BY_HAND)
    story = await stage.is_asked(AttentionReason.SHIPPED_UNPAID, None, *answers)
    await story.hear("delivered")
    return story


async def gate_refused(stage: Stage) -> Story:
    stage.script.fail(GATE, REFUSED, CarrierUnavailable())
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    return await stage.is_asked(AttentionReason.UNDO_FAILED, story, Action.RETRY, Action.SKIP)


async def gate_refused_carrier_has_it(stage: Stage) -> Story:
    stage.script.fail(GATE, REFUSED)
    stage.script.too_late = True
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    await stage.is_asked(AttentionReason.UNDO_FAILED, story, Action.CARRIER_HAS_IT)
    await story.hear("delivered")
    return story


async def gate_refused_picked_up(stage: Stage) -> Story:
    stage.script.fail(GATE, REFUSED)
    story = await stage.waits_for_the_carrier()
    await story.cancel()
    await story.asked(AttentionReason.UNDO_FAILED)
    await story.hear("picked_up")
    await story.rests("record_parcel_event")
    await story.hear("delivered")
    return story


async def reversal_refused(stage: Stage) -> Story:
    stage.script.fail(REVERSE, REFUSED, PaymentUnavailable())
    stage.script.fail(BOOK, CarrierRefused())
    answers = (Action.RETRY, Action.RESOLVED_BY_HAND)
    return await stage.is_asked(AttentionReason.UNDO_FAILED, None, *answers)


async def looked_again(stage: Stage) -> Story:
    stage.lives_by(second_look=SOON)
    stage.script.nothing_found = {GATE, REVERSE}
    stage.script.fail(BOOK, CarrierUnavailable())
    return await stage.begins()


WAYS_BACK: tuple[Path, ...] = (
    payment_declined,
    payment_unavailable,
    payment_expired,
    carrier_refused,
    carrier_unavailable,
    capture_declined,
    capture_overdue_cancelled,
    outcome_of_the_undo_unknown,
    hand_over_overdue_cancelled,
    lost,
    returned,
    cancelled_awaiting_payment,
    cancelled_between_attempts,
    cancelled_in_flight,
    cancelled_twice,
    cancelled_through_temporal,
    cancelled_through_temporal_too_late,
    picked_up_and_cancelled,
    picked_up_and_cancelled_while_capturing,
    too_late_before_the_capture,
    too_late_after_the_capture,
    shipped_unpaid,
    gate_refused,
    gate_refused_carrier_has_it,
    gate_refused_picked_up,
    reversal_refused,
    looked_again,
)
