"""
The bank asks the customer for something: the order waits for that, or for another card, and never for both at once.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from fulfillment.domain.errors import (
    CannotTell,
    DomainError,
    InsufficientFunds,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
)
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, BOTH, CANCELLED, CAPTURE, PLACE, UNAVAILABLE, begun
from tests.workflows.waiting import asked_for, reversed_as, waiting


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
    assert asked_for(script) == [(1, False), (1, True)]


@row("W33")
async def test_a_customer_who_agreed_has_paid_although_nobody_told_us(orders: RunningOrders, script: Script) -> None:
    story = await waiting(orders)
    script.asks_customer = False
    assert 7 <= await orders.pass_days_until(CAPTURE) <= 8

    assert await story.ends_delivered()
    assert (asked_for(script), reversed_as(script)) == ([(1, False), (1, True)], [])


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


@pytest.mark.parametrize("failure", [case("W27", PaymentUnavailable()), case("W28", CannotTell("key"))])
async def test_a_payment_nobody_can_tell_about_is_undone(
    failure: DomainError, orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.always_fail(AUTHORIZE, failure)
    await story.tell("authorized")

    assert await story.ends() is OrderStatus.REJECTED
    assert (story.undone(), story.closed_as, reversed_as(script)) == (BOTH, UNAVAILABLE, [(1, False)])


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
