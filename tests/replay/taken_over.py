"""
The paths of orders that are taken over from an earlier run.
"""

import dataclasses
from datetime import timedelta

from fulfillment.contracts.orders import Resume
from fulfillment.contracts.recovery import Numbered, Standing
from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import CARRIER, an_order, tracking_number_of
from tests.fakes.recovery import LEFT_IN_PROCESSING
from tests.replay.stage import ORDER_ID, Path, Stage
from tests.workflows.stories import AUTHORIZE, CAPTURE, Story, begun

_BOOKED = dataclasses.replace(
    LEFT_IN_PROCESSING, last_event=4, authorization=Numbered(last=1), booking=Numbered(last=1)
)


async def taken_over(stage: Stage) -> Story:
    story = await _resumed(stage, undo=False)
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def taken_over_and_undone(stage: Stage) -> Story:
    return await _resumed(stage, undo=True)


async def taken_over_too_late(stage: Stage) -> Story:
    """The parcel has left, and is not paid for."""
    parcel = ShipmentBooked(carrier=CARRIER, tracking_number=tracking_number_of(ORDER_ID))
    left = dataclasses.replace(_BOOKED, status=OrderStatus.SHIPPED, last_event=6, picked_up=True, parcel=parcel)
    story = await _resumed(stage, undo=True, left=left)
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def taken_over_while_the_customer_is_asked(stage: Stage) -> Story:
    """Asked about at once; then another card takes its place."""
    waiting = dataclasses.replace(
        LEFT_IN_PROCESSING,
        status=OrderStatus.AWAITING_PAYMENT,
        last_event=4,
        authorization=Numbered(last=1),
        awaited=Money(3000, "EUR"),
        payment_due_in=timedelta(days=6),
    )
    stage.script.asks_customer = True
    story = await _resumed(stage, undo=False, left=waiting)
    await story.rests(AUTHORIZE)
    stage.script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)
    await story.hear("delivered")
    return story


async def _resumed(stage: Stage, *, undo: bool, left: Standing = _BOOKED) -> Story:
    stage.script.left = left
    resume = Resume(actor="operator", reason="it was shot", undo=undo)
    return await begun(stage.orders, an_order(order_id=ORDER_ID, resume=resume))


TAKEN_OVER: tuple[Path, ...] = (
    taken_over,
    taken_over_and_undone,
    taken_over_too_late,
    taken_over_while_the_customer_is_asked,
)
