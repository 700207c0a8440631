"""
A payment that waits for its customer at the real sandbox: it ends once, however often a step runs or is not heard.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fulfillment.contracts.payments import Authorization, Reversal
from fulfillment.domain.errors import OutcomeUnknown, PaymentDeclined, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from tests.activities.shop import TOTAL, Shop, patient_for

AWAITS = Authorization.AWAITS_CUSTOMER
DONE, DECLINED = ("authorize", "succeeded"), ("authorize", "declined")
CANCELLING = "cancelling"


@pytest.fixture
async def asked(shop: Shop) -> OrderId:
    """An order whose bank asks its customer for something."""
    order_id = await shop.placed(token="tok_action_required")
    assert await shop.authorize(order_id) is AWAITS
    return order_id


async def standing(shop: Shop, order_id: OrderId) -> tuple[str, str, bool]:
    """Status of the order and of its payment, and whether the customer is shown something to do."""
    row = await shop.warehouse.order(order_id)
    return row.status, row.payment_status, row.payment_next_action is not None


async def test_the_order_waits_and_tells_its_customer_where_to_go(shop: Shop, asked: OrderId) -> None:
    row = await shop.warehouse.order(asked)

    assert row.status == "awaiting_payment"
    assert row.payment_next_action["type"] == "redirect_to_url"
    assert "agree" in shop.sandbox.get(row.payment_next_action["url"]).text
    entry = await shop.entry(asked, OperationKind.AUTHORIZE)
    assert (entry.state, entry.provider_reference in row.payment_next_action["url"]) == ("intended", True)
    assert shop.ledger(asked) == []


async def test_an_attempt_whose_result_was_lost_asks_the_customer_for_nothing_new(shop: Shop, asked: OrderId) -> None:
    before = await shop.warehouse.order(asked)
    shop.nothing_but_look_ups()

    assert await shop.authorize(asked, attempt=2) is AWAITS
    assert (await shop.warehouse.order(asked)).version == before.version
    # The customer was faster than the attempt: the order still waits, until it is looked at again.
    await shop.customer(asked, agrees=True)
    assert await shop.authorize(asked, attempt=3) is AWAITS
    assert await standing(shop, asked) == ("awaiting_payment", "none", True)


async def test_a_lost_answer_that_asks_for_the_customer_is_looked_up(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_action_required")
    shop.control(authorize={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    shop.nothing_but_look_ups()

    assert await shop.authorize(order_id, attempt=2) is AWAITS
    assert await standing(shop, order_id) == ("awaiting_payment", "none", True)


async def test_a_customer_who_acts_before_the_lost_answer_is_looked_up_is_not_asked(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_action_required")
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    payment = shop.sandbox.waiting(key=key, order_id=str(order_id), amount=TOTAL.amount)
    shop.sandbox.settle(payment, agree=True)

    assert await shop.authorize(order_id, attempt=2) is None
    assert await standing(shop, order_id) == ("processing", "authorized", False)


async def test_an_order_whose_customer_agreed_goes_on_with_the_money(shop: Shop, asked: OrderId) -> None:
    await shop.customer(asked, agrees=True)
    for _ in range(2):
        assert await shop.look_again(asked) is None
        assert await standing(shop, asked) == ("processing", "authorized", False)
    await shop.capture(asked)

    assert shop.balance(asked) == (0, TOTAL.amount, 0)
    assert shop.ledger(asked) == [DONE, ("capture", "succeeded")]


async def test_an_order_whose_customer_does_nothing_goes_on_waiting(shop: Shop, asked: OrderId) -> None:
    before = await shop.warehouse.order(asked)
    for _ in range(2):
        assert await shop.look_again(asked) is AWAITS
    assert await shop.warehouse.order(asked) == before


async def test_a_look_nobody_answers_changes_nothing_and_is_repeated(shop: Shop, asked: OrderId) -> None:
    await shop.customer(asked, agrees=True)
    shop.control(lookup={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.look_again(asked)
    assert await standing(shop, asked) == ("awaiting_payment", "none", True)
    shop.control()

    assert await shop.look_again(asked, attempt=2) is None
    assert await standing(shop, asked) == ("processing", "authorized", False)


async def test_what_failed_before_the_customer_was_asked_is_forgiven(shop: Shop) -> None:
    order_id, patience = await shop.placed(token="tok_action_required"), patient_for(2)
    shop.control(authorize={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.authorize(order_id, patience=patience)
    shop.control()
    assert await shop.authorize(order_id, attempt=2, patience=patience) is AWAITS
    shop.control(lookup={"down": True})

    with pytest.raises(ProviderUnavailable):
        await shop.look_again(order_id, patience=patience)


async def test_a_customer_who_refused_pays_with_another_card(shop: Shop, asked: OrderId) -> None:
    await shop.customer(asked, agrees=False)
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await shop.look_again(asked)
        assert await standing(shop, asked) == ("awaiting_payment", "failed", False)
    await shop.pay(asked, "tok_visa")
    assert await shop.authorize(asked, n=2, another_card=True) is None

    assert shop.ledger(asked) == [DECLINED, DONE]
    assert shop.balance(asked) == (TOTAL.amount, 0, 0)


@pytest.mark.parametrize("amount", [TOTAL, Money(4200, "EUR")])
async def test_what_takes_its_place_comes_after_its_end(shop: Shop, asked: OrderId, amount: Money) -> None:
    for attempt in (1, 2):
        assert await shop.close(asked) is Reversal.DONE, attempt
        assert await standing(shop, asked) == ("awaiting_payment", "voided", False)
    assert await shop.customer(asked, agrees=True) == 409
    await shop.pay(asked, "tok_visa")
    assert await shop.authorize(asked, n=2, amount=amount, another_card=True) is None

    assert shop.ledger(asked) == [DECLINED, DONE]
    assert shop.balance(asked) == (amount.amount, 0, 0)
    assert await shop.state(asked, OperationKind.CLOSE) == "done"


async def test_a_customer_who_agrees_just_before_it_is_closed_gets_the_money_back(shop: Shop, asked: OrderId) -> None:
    await shop.customer(asked, agrees=True)
    assert await shop.close(asked) is Reversal.DONE

    assert await standing(shop, asked) == ("awaiting_payment", "voided", False)
    assert shop.ledger(asked) == [DONE, ("void", "succeeded")]
    assert shop.balance(asked) == (0, 0, 0)


@pytest.mark.parametrize("agrees", [True, False])
async def test_another_card_whose_bank_asks_too_is_the_only_one_that_lives(
    shop: Shop, asked: OrderId, agrees: bool
) -> None:
    await shop.close(asked)
    await shop.pay(asked, "tok_action_required")
    assert await shop.authorize(asked, n=2, another_card=True) is AWAITS
    assert await shop.customer(asked, agrees=True, n=1) == 409
    assert await shop.customer(asked, agrees=agrees, n=2) == 200

    if agrees:
        assert await shop.look_again(asked, n=2) is None
    else:
        with pytest.raises(PaymentDeclined):
            await shop.look_again(asked, n=2)
    assert shop.balance(asked) == (TOTAL.amount if agrees else 0, 0, 0)


async def test_an_order_cancelled_while_it_waits_leaves_nothing_to_agree_to(shop: Shop, asked: OrderId) -> None:
    for _ in range(2):
        assert await shop.reverse(asked) is Reversal.DONE
    assert await standing(shop, asked) == (CANCELLING, "voided", False)
    assert await shop.customer(asked, agrees=True) == 409
    assert shop.ledger(asked) == [DECLINED]
    assert await shop.state(asked, OperationKind.VOID) == "done"


@pytest.mark.parametrize("agrees", [True, False])
async def test_an_order_cancelled_after_its_customer_acted_holds_no_money(
    shop: Shop, asked: OrderId, agrees: bool
) -> None:
    await shop.customer(asked, agrees=agrees)
    assert await shop.reverse(asked, last_look=True) is Reversal.DONE
    assert shop.balance(asked) == (0, 0, 0)
    assert shop.ledger(asked) == ([DONE, ("void", "succeeded")] if agrees else [DECLINED])


ENDS: dict[str, Callable[[Shop], Callable[..., Awaitable[Any]]]] = {
    "closed": lambda shop: shop.close,
    "cancelled": lambda shop: shop.reverse,
}


@pytest.mark.parametrize("end", ENDS)
async def test_the_lost_answer_to_its_end_is_looked_up(shop: Shop, asked: OrderId, end: str) -> None:
    finish = ENDS[end](shop)
    shop.control(void={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await finish(asked)
    shop.nothing_but_look_ups()

    assert await finish(asked) is Reversal.DONE
    assert (await shop.warehouse.order(asked)).payment_status == "voided"
    assert shop.ledger(asked) == [DECLINED]
    assert await shop.customer(asked, agrees=True) == 409


@pytest.mark.parametrize("end", ENDS)
async def test_a_provider_that_is_away_at_its_end_is_asked_again(shop: Shop, asked: OrderId, end: str) -> None:
    finish = ENDS[end](shop)
    shop.control(void={"down": True})
    with pytest.raises(ProviderUnavailable):
        await finish(asked)
    shop.control()

    assert await finish(asked) is Reversal.DONE
    assert await shop.customer(asked, agrees=True) == 409


@pytest.mark.parametrize("agrees", [None, True, False], ids=["waits", "agreed", "declined"])
async def test_a_payment_nobody_may_use_can_be_ended_while_people_decide_about_the_order(
    agrees: bool | None, shop: Shop, asked: OrderId
) -> None:
    await shop.warehouse.become(asked, OrderStatus.AWAITING_APPROVAL)
    if agrees is not None:
        await shop.customer(asked, agrees=agrees)

    assert [await shop.close(asked) for _ in "12"] == [Reversal.DONE] * 2
    status, _, is_asked = await standing(shop, asked)
    assert (status, is_asked) == ("awaiting_approval", False)
    assert await shop.warehouse.settle(asked) is OrderStatus.AWAITING_PAYMENT
