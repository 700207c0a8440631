"""
Something takes the place of a payment that waits for its customer: that payment is ended first.
"""

import asyncio

import pytest

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    CannotTell,
    DomainError,
    PaymentUnavailable,
    ProviderUnavailable,
    UndoRefused,
)
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import a_line
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, CANCELLED, CAPTURE, PLACE, REVERSE, UNAVAILABLE, code_of_refusal
from tests.workflows.waiting import asked_for, reversed_as, waiting


@row("W12")
async def test_another_card_takes_the_place_of_the_payment_that_waits(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert script.steps[:6] == [PLACE, AUTHORIZE, REVERSE, "take_payment", AUTHORIZE, BOOK]
    assert (asked_for(script), reversed_as(script)) == ([(1, False), (2, False)], [(1, True)])
    assert [request.authorization for request in script.requests(CAPTURE)] == [2]


@row("W13")
async def test_another_card_may_ask_its_customer_too(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.pay("tok_another")
    await story.rests(AUTHORIZE, 2)
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert (asked_for(script), reversed_as(script)) == ([(1, False), (2, False), (2, True)], [(1, True)])


@row("W14")
async def test_another_card_is_refused_while_somebody_looks_and_nothing_is_lost(
    orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.hold(AUTHORIZE)
    await story.agrees()
    await script.reached(AUTHORIZE, 2)

    assert await code_of_refusal(story.pay("tok_another")) == "payment_not_awaited"
    script.release(AUTHORIZE)
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert ("take_payment" in script.steps, reversed_as(script)) == (False, [])


@row("W15")
async def test_nobody_agrees_to_an_amount_the_order_does_not_cost(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.amend()
    await story.rests(REVERSE)
    await story.tell("authorized", id="of the old amount")
    script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert reversed_as(script) == [(1, True)]
    assert [(request.n, request.amount) for request in script.requests(AUTHORIZE)] == [
        (1, Money(3000, "EUR")),
        (2, Money(7500, "EUR")),
    ]


@row("W16")
async def test_an_amendment_that_costs_the_same_is_agreed_to_already(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.amend(a_line(quantity=1, price=3000))
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert reversed_as(script) == []


@row("W17")
async def test_an_order_that_is_amended_to_nothing_lets_go_of_its_payment(
    orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    await story.amend(a_line(price=0))
    await story.rests(BOOK)

    assert await story.ends_delivered()
    assert (reversed_as(script), CAPTURE in script.steps) == ([(1, True)], False)


@row("W18")
async def test_the_customer_may_move_meanwhile(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.readdress()
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert (len(script.requests("readdress_order")), reversed_as(script)) == (1, [])


@row("W19")
async def test_new_lines_wait_until_somebody_has_looked(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    script.hold(AUTHORIZE)
    await story.agrees()
    await script.reached(AUTHORIZE, 2)
    amended = asyncio.create_task(code_of_refusal(story.amend()))
    await story.took_up(1)
    script.release(AUTHORIZE)

    assert await amended == "order_not_amendable"
    await story.rests(CAPTURE)
    assert await story.ends_delivered()
    assert "amend_order" not in script.steps


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        case("W24", UndoRefused("key"), AttentionReason.UNDO_FAILED),
        case("W25", PaymentUnavailable(), AttentionReason.UNDO_FAILED),
        case("W26", CannotTell("key"), AttentionReason.OUTCOME_UNKNOWN),
    ],
)
async def test_nothing_takes_the_place_of_a_payment_that_cannot_be_ended(
    failure: DomainError, reason: AttentionReason, orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.always_fail(REVERSE, failure)
    await story.pay("tok_another")
    await story.asked(reason)
    script.fail(REVERSE)
    await story.act(Action.RESOLVED_BY_HAND if reason is AttentionReason.UNDO_FAILED else Action.RETRY_LOOKUP)

    assert await story.ends() is OrderStatus.REJECTED
    assert (story.closed_as, "take_payment" in script.steps) == (UNAVAILABLE, False)
    assert reversed_as(script)[:2] == [(1, True), (1, False)]


@row("W29")
async def test_it_is_cancelled_while_its_payment_is_ended(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    script.always_fail(REVERSE, ProviderUnavailable("payment provider"))
    await story.pay("tok_another")
    await script.reached(REVERSE)
    await story.cancel()
    script.fail(REVERSE)

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.closed_as, "take_payment" in script.steps) == (CANCELLED, False)
    assert reversed_as(script)[-1] == (1, False)
