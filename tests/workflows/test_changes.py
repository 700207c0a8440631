"""
What a customer may change, and until when: the lines until the payment, the address until the booking.
"""

import asyncio

import pytest

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import CannotTell
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import a_line, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, CAPTURE, ELSEWHERE, PLACE, Story, begun, code_of_refusal

TOO_LATE = "order_not_amendable"


async def unpaid(orders: RunningOrders) -> Story:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    return story


@row("A01")
async def test_new_lines_are_held_anew_and_paid_for(orders: RunningOrders, script: Script) -> None:
    story = await unpaid(orders)
    changed = await story.amend(a_line(quantity=5))
    await story.pay()
    await story.rests(CAPTURE)

    assert (changed.status, changed.total) == (OrderStatus.AWAITING_PAYMENT, Money(7500, "EUR"))
    assert await story.ends_delivered()
    (amendment,) = script.requests("amend_order")
    assert (amendment.n, amendment.change.expected_version) == (1, 6)
    amounts = [script.requests(step)[0].amount for step in (AUTHORIZE, CAPTURE)]
    assert amounts == [Money(7500, "EUR")] * 2


@pytest.mark.parametrize(
    "refusal", [case("A02", "stock_short"), case("A03", "unknown_sku"), case("A04", "precondition_failed")]
)
async def test_lines_that_cannot_be_had_change_nothing(refusal: str, orders: RunningOrders, script: Script) -> None:
    script.refusals["amend_order"] = refusal
    story = await unpaid(orders)

    assert await code_of_refusal(story.amend()) == refusal
    await story.pay()
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert script.requests(AUTHORIZE)[0].amount == Money(3000, "EUR")


@row("A05")
async def test_an_order_that_costs_nothing_any_more_goes_on_without_a_payment(
    orders: RunningOrders, script: Script
) -> None:
    story = await unpaid(orders)
    changed = await story.amend(a_line(price=0))
    await story.rests(BOOK)

    assert changed.status is OrderStatus.PROCESSING
    assert await story.ends_delivered()
    assert script.steps == [PLACE, "amend_order", BOOK, "record_parcel_event"]


@row("A20")
async def test_another_address_does_not_open_the_lines_of_an_order_that_is_being_paid_for(
    orders: RunningOrders, script: Script
) -> None:
    script.hold(AUTHORIZE)
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)
    # An attempt has written it down, and its worker died before anybody heard.
    script.standing = OrderStatus.AWAITING_PAYMENT
    await story.readdress()

    assert await code_of_refusal(story.amend()) == TOO_LATE
    script.release(AUTHORIZE)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()


@pytest.mark.parametrize("step", [case("A06", AUTHORIZE), case("A07", CAPTURE)])
async def test_lines_are_fixed_once_the_order_is_paid_for(step: str, orders: RunningOrders, script: Script) -> None:
    script.hold(step)
    story = await begun(orders, an_order())
    await script.reached(step)

    assert await code_of_refusal(story.amend()) == TOO_LATE
    script.release(step)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert "amend_order" not in script.steps


@row("A08")
async def test_an_order_that_waits_for_a_payment_is_sent_elsewhere(orders: RunningOrders, script: Script) -> None:
    story = await unpaid(orders)
    changed = await story.readdress()
    await story.pay()
    await story.rests(CAPTURE)

    assert changed.status is OrderStatus.AWAITING_PAYMENT
    assert await story.ends_delivered()
    (request,) = script.requests("readdress_order")
    assert (request.n, request.change.address) == (1, ELSEWHERE)


@row("A09")
async def test_an_address_is_changed_while_the_payment_is_under_way(orders: RunningOrders, script: Script) -> None:
    script.hold(AUTHORIZE)
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)
    changed = await story.readdress()
    script.release(AUTHORIZE)
    await story.rests(CAPTURE)

    assert changed.status is OrderStatus.PROCESSING
    assert await story.ends_delivered()
    assert script.steps[:4] == [PLACE, AUTHORIZE, "readdress_order", BOOK]


@pytest.mark.parametrize("step", [case("A10", BOOK), case("A11", CAPTURE)])
async def test_an_address_is_fixed_once_the_booking_began(step: str, orders: RunningOrders, script: Script) -> None:
    script.hold(step)
    story = await begun(orders, an_order())
    await script.reached(step)

    assert await code_of_refusal(story.readdress()) == TOO_LATE
    script.release(step)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()


@row("A12")
async def test_an_address_is_fixed_while_an_operator_is_asked(orders: RunningOrders, script: Script) -> None:
    script.fail(AUTHORIZE, CannotTell("key"))
    story = await begun(orders, an_order())
    await story.asked(AttentionReason.OUTCOME_UNKNOWN)

    assert await code_of_refusal(story.readdress()) == TOO_LATE
    await story.act(Action.RETRY_LOOKUP)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()


@row("A13")
async def test_an_order_that_is_paid_for_wants_no_card(orders: RunningOrders, script: Script) -> None:
    script.hold(AUTHORIZE)
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)

    assert await code_of_refusal(story.pay()) == "payment_not_awaited"
    script.release(AUTHORIZE)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert "take_payment" not in script.steps


@row("A14")
async def test_a_test_order_wants_no_card_and_is_cancelled(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None, test=True))
    await story.rests(PLACE)

    assert await code_of_refusal(story.pay()) == "payment_not_awaited"
    await story.cancel()
    assert await story.ends() is OrderStatus.CANCELLED
    assert AUTHORIZE not in script.steps


@row("A15")
async def test_two_changes_at_once_are_made_one_after_the_other(orders: RunningOrders, script: Script) -> None:
    story = await unpaid(orders)
    await asyncio.gather(story.amend(), story.readdress())
    await story.pay()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    changes = [*script.requests("amend_order"), *script.requests("readdress_order")]
    assert sorted(request.n for request in changes) == [1, 2]


@row("A16")
async def test_a_test_order_keeps_its_line(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None, test=True))
    await story.rests(PLACE)

    assert await code_of_refusal(story.amend(a_line(price=0))) == TOO_LATE
    await story.cancel()
    assert await story.ends() is OrderStatus.CANCELLED
    assert not {"amend_order", BOOK} & set(script.steps)
