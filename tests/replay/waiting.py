"""
The paths of orders whose bank asks the customer for something, or whose payment is disputed.
"""

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import PaymentDeclined, UndoRefused
from fulfillment.domain.orders import AttentionReason
from tests.fakes.orders import a_line
from tests.replay.stage import SOON, Path, Stage
from tests.workflows.stories import AUTHORIZE, BOOK, CAPTURE, REVERSE, Story


async def agreed(stage: Stage) -> Story:
    """Asked about twice: the first event is a stale one."""
    story = await _waits(stage)
    await story.tell("failed")
    await story.looked_again()
    await story.agrees()
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def not_agreed(stage: Stage) -> Story:
    story = await _waits(stage)
    stage.script.fail(AUTHORIZE, PaymentDeclined())
    await story.tell("failed")
    await story.looked_again()
    stage.script.asks_customer = False
    await story.pay()
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def never_agreed(stage: Stage) -> Story:
    stage.lives_by(payment_window=SOON)
    return await _waits(stage)


async def cancelled_while_looking_again(stage: Stage) -> Story:
    story = await _waits(stage)
    stage.script.hold(AUTHORIZE)
    await story.agrees()
    await stage.script.reached(AUTHORIZE, 2)
    await story.cancel()
    stage.script.release(AUTHORIZE)
    return story


async def replaced_by_another_card(stage: Stage) -> Story:
    story = await _waits(stage)
    stage.script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def replaced_by_another_amount(stage: Stage) -> Story:
    story = await _waits(stage)
    await story.amend()
    await story.rests(REVERSE)
    stage.script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def replaced_by_nothing(stage: Stage) -> Story:
    story = await _waits(stage)
    await story.amend(a_line(price=0))
    await story.rests(BOOK)
    await story.hear("delivered")
    return story


async def not_replaced(stage: Stage) -> Story:
    """What waits for the customer cannot be ended."""
    story = await _waits(stage)
    stage.script.fail(REVERSE, UndoRefused("key"))
    await story.pay("tok_another")
    return story


async def disputed(stage: Stage) -> Story:
    """Asked twice: the pick-up is no answer."""
    story = await _disputed(stage)
    await story.hear("picked_up")
    await story.asked(AttentionReason.PROVIDER_DISPUTE, 2)
    await story.act(Action.RESOLVED_BY_HAND)
    await story.hear("delivered")
    return story


async def disputed_and_cancelled(stage: Stage) -> Story:
    story = await _disputed(stage)
    await story.act(Action.CANCEL)
    return story


async def disputed_and_delivered(stage: Stage) -> Story:
    """Nobody answers: it is put aside."""
    story = await _disputed(stage)
    await story.hear("delivered")
    return story


async def _waits(stage: Stage) -> Story:
    stage.script.asks_customer = True
    story = await stage.begins()
    await story.rests(AUTHORIZE)
    return story


async def _disputed(stage: Stage) -> Story:
    story = await stage.waits_for_the_carrier()
    await story.tell("disputed")
    await story.asked(AttentionReason.PROVIDER_DISPUTE)
    return story


WAITING: tuple[Path, ...] = (
    agreed,
    not_agreed,
    never_agreed,
    cancelled_while_looking_again,
    replaced_by_another_card,
    replaced_by_another_amount,
    replaced_by_nothing,
    not_replaced,
    disputed,
    disputed_and_cancelled,
    disputed_and_delivered,
)
