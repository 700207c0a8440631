"""
How much one order takes: its history has an end, and a stolen card is not to be found by trying.
"""

from fulfillment.domain.errors import PaymentDeclined
from fulfillment.domain.orders import MOST_CARDS, MOST_CHANGES, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import an_order
from tests.workflows.rows import row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, PLACE, begun, code_of_refusal

TOO_MANY = "too_many_changes"


@row("A17")
async def test_an_order_is_changed_a_hundred_times_and_can_be_cancelled_then(
    orders: RunningOrders, script: Script
) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    for _ in range(MOST_CHANGES):
        await story.readdress()

    assert await code_of_refusal(story.readdress()) == TOO_MANY
    assert await code_of_refusal(story.amend()) == TOO_MANY
    await story.cancel()
    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.requests("readdress_order")) == MOST_CHANGES


@row("A18")
async def test_an_order_takes_twenty_cards(orders: RunningOrders, script: Script) -> None:
    script.always_fail(AUTHORIZE, PaymentDeclined())
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    for n in range(1, MOST_CARDS + 1):
        await story.pay()
        await story.rests(AUTHORIZE, n)

    assert await code_of_refusal(story.pay()) == TOO_MANY
    await story.cancel()
    assert await story.ends() is OrderStatus.CANCELLED
    assert len(script.requests(AUTHORIZE)) == MOST_CARDS


@row("A19")
async def test_who_cancels_again_and_again_fills_no_history(orders: RunningOrders, script: Script) -> None:
    script.hold(AUTHORIZE)
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)
    for _ in range(MOST_CHANGES):
        await story.cancel()

    assert await code_of_refusal(story.cancel()) == TOO_MANY
    script.release(AUTHORIZE)
    assert await story.ends() is OrderStatus.CANCELLED
