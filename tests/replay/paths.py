"""
Every sequence of commands an order can take, each played once: here those that lead to the door.
"""

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    CannotTell,
    PaymentDeclined,
    PaymentUnavailable,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason
from tests.fakes.orders import a_line
from tests.replay.approving import APPROVING
from tests.replay.stage import ORDER_ID, SOON, Path, Stage
from tests.replay.taken_over import TAKEN_OVER
from tests.replay.waiting import WAITING
from tests.replay.ways_back import WAYS_BACK
from tests.workflows.stories import AUTHORIZE, BOOK, CAPTURE, PLACE, Story

AWAY = OSError("the database is away")
DECLINED = PaymentDeclined()


async def delivered(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("picked_up", "in_transit", "delivered")
    return story


async def delivered_unannounced(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.hear("delivered")
    return story


async def delivered_before_it_was_booked(stage: Stage) -> Story:
    return await stage.begins(early="delivered")


async def delivered_for_nothing(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier(price=0)
    await story.recorded("picked_up", "delivered")
    return story


async def delivered_after_it_was_lost(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("picked_up", "lost", "delivered")
    return story


async def delivered_twice(stage: Stage) -> Story:
    """The second time is put aside."""
    story = await stage.waits_for_the_carrier()
    stage.script.fail("record_parcel_event", *[AWAY] * 4)
    await story.hear("delivered")
    await story.hear("delivered", id="again")
    return story


async def out_of_stock(stage: Stage) -> Story:
    stage.script.outcome = PlacementOutcome.REJECTED
    return await stage.begins()


async def duplicate(stage: Stage) -> Story:
    stage.script.outcome = PlacementOutcome.DUPLICATE
    return await stage.begins()


async def paid_later(stage: Stage) -> Story:
    story = await stage.waits_for_a_card()
    await story.pay()
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def paid_with_another_card(stage: Stage) -> Story:
    stage.lives_by(retry_payment=True)
    stage.script.fail(AUTHORIZE, DECLINED, DECLINED)
    story = await stage.begins()
    for n, token in enumerate(("tok_second", "tok_third"), 1):
        await story.rests(AUTHORIZE, n)
        await story.pay(token)
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def amended(stage: Stage) -> Story:
    story = await stage.waits_for_a_card()
    await story.amend()
    await story.readdress()
    await story.pay()
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def amended_to_nothing(stage: Stage) -> Story:
    story = await stage.waits_for_a_card()
    await story.amend(a_line(price=0))
    await story.rests(BOOK)
    await story.hear("delivered")
    return story


async def readdressed_while_authorising(stage: Stage) -> Story:
    stage.script.hold(AUTHORIZE)
    story = await stage.begins()
    await stage.script.reached(AUTHORIZE)
    await story.readdress()
    stage.script.release(AUTHORIZE)
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def capture_overdue(stage: Stage) -> Story:
    stage.script.fail(CAPTURE, PaymentUnavailable())
    story = await stage.is_asked(AttentionReason.CAPTURE_OVERDUE, None, Action.RETRY)
    await story.rests(CAPTURE, 2)
    await story.hear("delivered")
    return story


async def capture_overdue_picked_up(stage: Stage) -> Story:
    stage.script.fail(CAPTURE, PaymentUnavailable())
    story = await stage.begins()
    await story.asked(AttentionReason.CAPTURE_OVERDUE)
    await story.hear("picked_up")
    await story.rests("record_parcel_event")
    await story.hear("delivered")
    return story


async def captured_after_all(stage: Stage) -> Story:
    """An attempt everybody had given up took the money before anybody could be asked."""
    stage.script.fail(CAPTURE, PaymentUnavailable())
    stage.script.answers_itself = True
    story = await stage.begins()
    await story.rests("request_attention")
    await story.hear("delivered")
    return story


async def outcome_unknown(stage: Stage) -> Story:
    for step in (AUTHORIZE, BOOK, CAPTURE):
        kind = OperationKind(step.partition("_")[0])
        stage.script.fail(step, CannotTell(operation_key(OrderId(ORDER_ID), kind, 1)))
    answers = (Action.RETRY_LOOKUP, Action.IT_HAPPENED, Action.IT_DID_NOT)
    story = await stage.is_asked(AttentionReason.OUTCOME_UNKNOWN, None, *answers)
    await story.rests(CAPTURE, 2)
    await story.hear("delivered")
    return story


async def hand_over_overdue(stage: Stage) -> Story:
    stage.lives_by(hand_over_window=SOON)
    reason = AttentionReason.HAND_OVER_OVERDUE
    story = await stage.is_asked(reason, await stage.begins(), Action.KEEP_WAITING)
    await story.asked(reason, 2)
    await story.recorded("picked_up", "delivered")
    return story


async def delivery_overdue(stage: Stage) -> Story:
    stage.lives_by(delivery_window=SOON)
    story = await stage.waits_for_the_carrier()
    await story.hear("picked_up")
    reason = AttentionReason.DELIVERY_OVERDUE
    await stage.is_asked(reason, story, Action.FOUND)
    await story.asked(reason, 2)
    await story.hear("delivered")
    return story


async def reshipped(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.recorded("lost")
    await story.act(Action.RESHIP)
    await story.rests(BOOK, 2)
    await story.hear("delivered", id="of the first parcel")
    await story.rests("record_late_event")
    await story.hear("delivered", parcel=2)
    return story


async def database_away(stage: Stage) -> Story:
    stage.script.fail(PLACE, *[AWAY] * 3)
    story = await stage.waits_for_the_carrier()
    await story.hear("delivered")
    return story


PATHS: tuple[Path, ...] = (
    delivered,
    delivered_unannounced,
    delivered_before_it_was_booked,
    delivered_for_nothing,
    delivered_after_it_was_lost,
    delivered_twice,
    out_of_stock,
    duplicate,
    paid_later,
    paid_with_another_card,
    amended,
    amended_to_nothing,
    readdressed_while_authorising,
    capture_overdue,
    capture_overdue_picked_up,
    captured_after_all,
    outcome_unknown,
    hand_over_overdue,
    delivery_overdue,
    reshipped,
    database_away,
    *WAYS_BACK,
    *TAKEN_OVER,
    *WAITING,
    *APPROVING,
)
