"""
Orders that are not going to be delivered because somebody says no, or is away for too long.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from fulfillment.contracts.payments import ReversePayment
from fulfillment.contracts.steps import BeginUndo, CloseOrder, PlacementOutcome, ReleaseStock
from fulfillment.domain.errors import (
    CarrierRefused,
    CarrierUnavailable,
    DomainError,
    InsufficientFunds,
    PaymentDeclined,
    PaymentUnavailable,
    StockShort,
)
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_order
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, BOTH, CAPTURE, GATE, PLACE, RELEASE, REVERSE, STOCK, begun

REJECTED = OrderStatus.REJECTED
UNPAID = [PLACE, "begin_undo", RELEASE, "close_order"]
DECLINED = PaymentDeclined()


@row("P03")
async def test_an_order_that_is_refused_when_it_is_placed_ends_there(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.REJECTED

    assert (await orders.run(an_order())).status is REJECTED
    assert script.steps == [PLACE]


@row("P04")
async def test_a_duplicate_of_an_order_touches_nothing(orders: RunningOrders, script: Script) -> None:
    script.outcome = PlacementOutcome.DUPLICATE

    assert (await orders.run(an_order())).duplicate
    assert script.steps == [PLACE]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        case("P05", PaymentDeclined(), FailureCode.PAYMENT_DECLINED),
        case("P06", InsufficientFunds(), FailureCode.INSUFFICIENT_FUNDS),
        case("P08", StockShort(), FailureCode.STOCK_SHORT),
    ],
)
async def test_a_refused_authorisation_frees_the_stock_and_leaves_nothing_to_reverse(
    refusal: DomainError, code: FailureCode, orders: RunningOrders, script: Script
) -> None:
    script.always_fail(AUTHORIZE, refusal)
    story = await begun(orders, an_order())

    assert await story.ends() is REJECTED
    assert script.steps == UNPAID
    assert len(script.attempts(AUTHORIZE)) == 1
    order_id = story.order.order_id
    assert script.requests("begin_undo") == [BeginUndo(order_id=order_id, n=1, failure=code, actor="system")]
    assert script.requests(RELEASE) == [ReleaseStock(order_id=order_id, n=1)]
    assert script.requests("close_order") == [CloseOrder(order_id=order_id, status=REJECTED, failure=code)]


@pytest.mark.parametrize(
    ("step", "refusal", "parcels"),
    [
        case("P07", AUTHORIZE, PaymentUnavailable(), []),
        case("P09", BOOK, CarrierRefused(), []),
        case("P11", BOOK, CarrierUnavailable(), [1]),
        case("P12", CAPTURE, PaymentDeclined(), [1]),
    ],
)
async def test_what_may_have_happened_is_undone(
    step: str, refusal: DomainError, parcels: list[int], orders: RunningOrders, script: Script
) -> None:
    script.always_fail(step, refusal)
    story = await begun(orders, an_order())

    assert await story.ends() is REJECTED
    assert story.closed_as == (REJECTED, FailureCode(refusal.code))
    assert story.undone() == BOTH
    reversal = ReversePayment(
        order_id=story.order.order_id,
        n=1,
        authorization=1,
        amount=Money(3000, "EUR"),
        patience=script.requests(REVERSE)[0].patience,
    )
    assert script.requests(REVERSE) == [reversal]
    assert [request.parcel for request in script.requests(GATE)] == parcels


@row("P10")
async def test_a_free_order_no_carrier_takes_frees_the_stock_only(orders: RunningOrders, script: Script) -> None:
    script.always_fail(BOOK, CarrierRefused())

    assert (await orders.run(an_order(a_line(price=0), token=None))).status is REJECTED
    assert script.steps == UNPAID


@row("P13")
async def test_an_order_nobody_pays_is_rejected_after_its_payment_window(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    days = await orders.pass_days_until("begin_undo")

    assert 7 <= days <= 8
    assert await story.ends() is REJECTED
    assert (script.steps, story.undone()) == (UNPAID, STOCK)
    assert story.closed_as == (REJECTED, FailureCode.PAYMENT_EXPIRED)


@row("P14")
async def test_another_card_may_be_given_where_the_setting_says_so(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, retry_payment=True)
    script.fail(AUTHORIZE, DECLINED)
    story = await begun(orders, an_order())
    await story.rests(AUTHORIZE)
    await story.pay("tok_another")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert [(request.n, request.another_card) for request in script.requests(AUTHORIZE)] == [(1, True), (2, True)]
    assert [request.authorization for request in script.requests(CAPTURE)] == [2]
    (taken,) = script.requests("take_payment")
    assert (taken.n, taken.payment.card.token) == (1, "tok_another")


@row("P15")
async def test_an_order_is_paid_later(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.pay()
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert script.steps[:5] == [PLACE, "take_payment", AUTHORIZE, BOOK, CAPTURE]


@row("P16")
async def test_a_later_card_that_is_declined_is_never_the_last(orders: RunningOrders, script: Script) -> None:
    script.fail(AUTHORIZE, DECLINED, InsufficientFunds())
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    for n, token in enumerate(("tok_first", "tok_second", "tok_third"), 1):
        await story.pay(token)
        await story.rests(AUTHORIZE, n)
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert [request.n for request in script.requests(AUTHORIZE)] == [1, 2, 3]
    assert "begin_undo" not in script.steps


@row("P17")
async def test_a_decline_does_not_give_more_time(orders: RunningOrders, script: Script) -> None:
    script.always_fail(AUTHORIZE, DECLINED)
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.later(timedelta(days=6))
    await story.pay()
    await story.rests(AUTHORIZE)
    days = await orders.pass_days_until("begin_undo")

    assert days <= 2
    assert await story.ends() is REJECTED
    assert story.closed_as == (REJECTED, FailureCode.PAYMENT_EXPIRED)


@row("P18")
async def test_a_card_that_is_declined_after_the_window_was_the_last(orders: RunningOrders, script: Script) -> None:
    script.terms = replace(TERMS, payment_window=timedelta(seconds=2))
    script.hold(AUTHORIZE)
    script.always_fail(AUTHORIZE, DECLINED)
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.pay()
    await script.reached(AUTHORIZE)
    await story.later(timedelta(seconds=3))
    script.release(AUTHORIZE)

    assert await story.ends() is REJECTED
    assert story.closed_as == (REJECTED, FailureCode.PAYMENT_EXPIRED)
