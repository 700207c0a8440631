"""
The bank asks the customer for something: the order waits for that, or for another card, and never for both at once.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    CannotTell,
    DomainError,
    InsufficientFunds,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
    UndoRefused,
)
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, BOTH, CAPTURE, PLACE, REVERSE, Story, begun, code_of_refusal

CANCELLED = (OrderStatus.CANCELLED, FailureCode.CANCELLED)
UNAVAILABLE = (OrderStatus.REJECTED, FailureCode.PAYMENT_UNAVAILABLE)


async def waiting(orders: RunningOrders) -> Story:
    """An order whose customer is asked to agree to its first card."""
    orders.script.asks_customer = True
    story = await begun(orders, an_order())
    await story.rests(AUTHORIZE)
    return story


def asked_for(script: Script) -> list[tuple[int, bool]]:
    """The numbers of the authorisations, and which were only asked about."""
    return [(request.n, request.resumes) for request in script.requests(AUTHORIZE)]


def reversed_as(script: Script) -> list[tuple[int, bool]]:
    """The authorisations that were reversed, and whether something took their place."""
    return [(request.authorization, request.replaces) for request in script.requests(REVERSE)]


@row("W01")
async def test_an_order_whose_customer_agrees_is_delivered(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert script.steps[:5] == [PLACE, AUTHORIZE, AUTHORIZE, BOOK, CAPTURE]
    assert asked_for(script) == [(1, False), (1, True)]
    assert [request.authorization for request in script.requests(CAPTURE)] == [1]


@pytest.mark.parametrize("refusal", [case("W02", PaymentDeclined()), case("W03", InsufficientFunds())])
async def test_a_customer_who_refuses_may_give_another_card(
    refusal: DomainError, orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.fail(AUTHORIZE, refusal)
    await story.tell("failed")
    await story.looked_again()
    script.asks_customer = False
    await story.pay("tok_another")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert asked_for(script) == [(1, False), (1, True), (2, False)]
    assert (reversed_as(script), "begin_undo" in script.steps) == ([], False)


@row("W04")
async def test_a_stale_event_changes_nothing(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.tell("failed", id="of long ago")
    await story.looked_again()
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert asked_for(script) == [(1, False), (1, True), (1, True)]


@row("W05")
async def test_what_the_customer_ignores_is_reversed_after_the_payment_window(
    orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    days = await orders.pass_days_until("begin_undo")

    assert 7 <= days <= 8
    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as == (OrderStatus.REJECTED, FailureCode.PAYMENT_EXPIRED)
    assert (story.undone(), reversed_as(script)) == (BOTH, [(1, False)])


@row("W06")
async def test_news_give_the_customer_no_more_time(orders: RunningOrders) -> None:
    story = await waiting(orders)
    await story.later(timedelta(days=6))
    await story.tell("failed")
    await story.looked_again()

    assert await orders.pass_days_until("begin_undo") <= 2
    assert await story.ends() is OrderStatus.REJECTED


@row("W07")
async def test_a_customer_who_agreed_in_time_is_heard_after_the_window(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, payment_window=timedelta(seconds=2))
    script.hold(AUTHORIZE)
    script.asks_customer = True
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)
    script.release(AUTHORIZE)
    await story.rests(AUTHORIZE)
    script.hold(AUTHORIZE)
    await story.agrees()
    await script.reached(AUTHORIZE, 2)
    await story.later(timedelta(seconds=3))
    script.release(AUTHORIZE)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()


@row("W08")
async def test_it_is_cancelled_while_it_waits(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), story.closed_as, story.gate_was_asked) == (BOTH, CANCELLED, False)
    assert reversed_as(script) == [(1, False)]


@pytest.mark.parametrize("answer", [case("W09", None), case("W10", PaymentDeclined())])
async def test_it_is_cancelled_while_somebody_looks_again(
    answer: DomainError | None, orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.hold(AUTHORIZE)
    if answer:
        script.always_fail(AUTHORIZE, answer)
    await story.agrees()
    await script.reached(AUTHORIZE, 2)
    await story.cancel()
    script.release(AUTHORIZE)

    assert await story.ends() is OrderStatus.CANCELLED
    # What was declined needs no undo.
    assert reversed_as(script) == ([] if answer else [(1, False)])
    assert (story.closed_as, BOOK in script.steps) == (CANCELLED, False)


@row("W11")
async def test_it_is_cancelled_while_the_next_look_is_waited_for(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    story = await waiting(orders_in_real_time)
    script.always_fail(AUTHORIZE, ProviderUnavailable("payment provider"))
    await story.agrees()
    await script.reached(AUTHORIZE, 2)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert (reversed_as(script), len(script.attempts(AUTHORIZE))) == ([(1, False)], 2)


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


@row("W20")
async def test_of_two_events_at_once_none_is_acted_on_twice(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    script.asks_customer = False
    for news in ("failed", "authorized"):
        await story.tell(news)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert (script.steps.count(BOOK), script.steps.count(CAPTURE)) == (1, 1)


@pytest.mark.parametrize(
    "news", [case("W21", "authorized"), case("W22", "failed"), case("W23", "authorization_expired")]
)
async def test_an_event_that_is_faster_than_the_answer_is_a_reason_to_look(
    news: str, orders: RunningOrders, script: Script
) -> None:
    script.asks_customer = True
    script.hold(AUTHORIZE)
    story = await begun(orders, an_order())
    await script.reached(AUTHORIZE)
    await story.tell(news)
    script.release(AUTHORIZE)
    await story.looked_again()
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert asked_for(script) == [(1, False), (1, True), (1, True)]
    assert "request_attention" not in script.steps


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


@pytest.mark.parametrize("failure", [case("W27", PaymentUnavailable()), case("W28", CannotTell("key"))])
async def test_a_payment_nobody_can_tell_about_is_undone(
    failure: DomainError, orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.always_fail(AUTHORIZE, failure)
    await story.tell("authorized")

    assert await story.ends() is OrderStatus.REJECTED
    assert (story.undone(), story.closed_as, reversed_as(script)) == (BOTH, UNAVAILABLE, [(1, False)])


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


@row("W30")
async def test_it_is_cancelled_through_temporal_while_it_waits(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.cancel_through_temporal()

    assert await story.ends_as_cancelled_by_temporal()
    assert (story.undone(), story.closed_as, reversed_as(script)) == (BOTH, CANCELLED, [(1, False)])


@row("W31")
async def test_a_signal_without_its_argument_does_nothing(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    await story.handle.signal("payment_event")
    await story.rests(AUTHORIZE)
    await story.agrees()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert asked_for(script) == [(1, False), (1, True)]


@row("W32")
async def test_an_authorisation_nobody_waits_for_is_no_news(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.tell("authorized")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert asked_for(script) == [(1, False)]
    assert not {"request_attention", "record_late_payment"} & set(script.steps)
