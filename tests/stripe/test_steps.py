"""
What each step does at Stripe, asked for once and asked for twice.
"""

import pytest

from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import FailureCode
from fulfillment.domain.payments import NextAction
from fulfillment.gateways.answers import ALREADY_CAPTURED, EXCEEDS_CAPTURED, UNKNOWN_PAYMENT, Answer
from fulfillment.gateways.http import UnexpectedAnswer
from tests.stripe.lacking import UNSUPPORTED_CURRENCY, USED_UP
from tests.stripe.proxy import Fault
from tests.stripe.stand import TOTAL, Stand

DECLINED = Answer(refusal=FailureCode.PAYMENT_DECLINED)


async def test_a_payment_is_named_before_money_is_set_aside(stand: Stand) -> None:
    first = await stand.open()
    again = await stand.open()
    (payment,) = stand.records.payments(stand.order_id)

    assert first == again == Answer(reference=payment["id"])
    assert payment["status"] == "requires_confirmation"
    assert payment["capture_method"] == "manual"
    assert payment["metadata"] == {
        "order_id": str(stand.order_id),
        "authorize": stand.key(OperationKind.AUTHORIZE),
    }
    assert stand.effects() == []


@pytest.mark.parametrize(
    ("token", "amount"),
    [
        pytest.param("pm_nobodyKnows", TOTAL, id="no such card"),
        pytest.param(USED_UP, TOTAL, id="a card that was used up elsewhere"),
        pytest.param("pm_card_visa", Money(49, "EUR"), id="too little"),
        pytest.param("pm_card_visa", Money(100_000_000, "EUR"), id="too much"),
        pytest.param("pm_card_visa", Money(3000, UNSUPPORTED_CURRENCY.upper()), id="not a currency of Stripe's"),
        pytest.param("pm_card_visa", Money(5125, "KWD"), id="finer than Stripe takes it"),
        pytest.param("pm_card_visa", Money(5000, "LYD"), id="digits nobody told us"),
    ],
)
async def test_a_payment_that_can_never_be_is_declined_at_once(token: str, amount: Money, stand: Stand) -> None:
    assert await stand.open(token, amount) == DECLINED
    assert await stand.open(token, amount) == DECLINED
    assert stand.records.payments(stand.order_id) == []


async def test_the_straight_path_takes_the_money_once_however_often_it_is_asked_for(stand: Stand) -> None:
    await stand.open()
    done = Answer(reference=stand.payment)

    assert [await stand.authorize(), await stand.authorize()] == [done, done]
    assert stand.effects() == ["succeeded 3000 eur"]
    assert [await stand.capture(), await stand.capture()] == [done, done]
    assert stand.effects() == ["captured 3000 eur"]
    first = await stand.refund()
    assert first.reference is not None
    assert first.reference.startswith("re_")
    assert await stand.refund() == first
    assert stand.effects() == ["captured 3000 eur", "refunded 3000 eur"]


async def test_an_authorisation_asked_for_after_the_capture_is_still_done(stand: Stand) -> None:
    payment = await stand.captured()

    assert await stand.authorize() == Answer(reference=payment)


async def test_money_is_let_go_of_once(stand: Stand) -> None:
    payment = await stand.authorized()
    done = Answer(reference=payment)

    assert [await stand.void(), await stand.void()] == [done, done]
    assert stand.effects() == ["released 3000 eur"]
    (noted,) = stand.records.payments(stand.order_id)
    assert noted["metadata"]["void"] == stand.key(OperationKind.VOID)


async def test_money_that_was_taken_cannot_be_let_go_of(stand: Stand) -> None:
    await stand.captured()

    assert await stand.void() == Answer(refusal=ALREADY_CAPTURED)
    assert stand.effects() == ["captured 3000 eur"]


async def test_a_customer_who_has_to_act_is_sent_to_the_bank_and_comes_back_authorised(stand: Stand) -> None:
    await stand.open(stand.records.card("asks the customer"))
    action = NextAction(type="redirect_to_url", url=f"https://bank.example/{stand.payment}")
    waiting = Answer(reference=stand.payment, next_action=action)

    assert [await stand.authorize(), await stand.authorize()] == [waiting, waiting]
    assert await stand.find(OperationKind.AUTHORIZE) == waiting
    assert stand.effects() == []
    stand.records.customer_acts(stand.payment, success=True)
    assert await stand.authorize() == await stand.find(OperationKind.AUTHORIZE) == Answer(reference=stand.payment)
    assert stand.effects() == ["succeeded 3000 eur"]


async def test_a_customer_who_fails_at_the_bank_has_not_paid(stand: Stand) -> None:
    await stand.open(stand.records.card("asks the customer"))
    await stand.authorize()
    stand.records.customer_acts(stand.payment, success=False)

    assert await stand.authorize() == await stand.find(OperationKind.AUTHORIZE) == DECLINED
    assert stand.effects() == []


async def test_a_card_may_be_declined_after_the_customer_has_acted(stand: Stand) -> None:
    token = stand.records.card("asks the customer, then declined", "insufficient_funds")
    await stand.open(token)
    await stand.authorize()
    stand.records.customer_acts(stand.payment, success=True)

    assert await stand.find(OperationKind.AUTHORIZE) == Answer(refusal=FailureCode.INSUFFICIENT_FUNDS)


async def test_nothing_comes_of_a_payment_that_waits_for_its_customer_once_it_is_let_go_of(stand: Stand) -> None:
    await stand.open(stand.records.card("asks the customer"))
    await stand.authorize()
    assert await stand.void() == Answer(reference=stand.payment)
    stand.records.customer_acts(stand.payment, success=True)

    assert await stand.authorize() == DECLINED
    assert stand.effects() == []


async def test_nothing_comes_of_a_payment_that_was_never_confirmed_once_it_is_let_go_of(stand: Stand) -> None:
    await stand.open()
    assert await stand.void() == Answer(reference=stand.payment)

    assert await stand.authorize() == DECLINED
    assert stand.effects() == []


@pytest.mark.parametrize(
    ("decline_code", "refusal"),
    [
        ("insufficient_funds", FailureCode.INSUFFICIENT_FUNDS),
        ("stolen_card", FailureCode.PAYMENT_DECLINED),
        (None, FailureCode.PAYMENT_DECLINED),
    ],
)
async def test_a_declined_card_keeps_its_reason_and_is_asked_once(
    decline_code: str | None, refusal: FailureCode, stand: Stand
) -> None:
    await stand.open(stand.records.card("declined", decline_code))

    assert await stand.authorize() == await stand.authorize() == Answer(refusal=refusal)
    assert await stand.find(OperationKind.AUTHORIZE) == Answer(refusal=refusal)
    assert stand.effects() == ["failed 3000 eur"]


async def test_money_that_is_not_set_aside_any_more_cannot_be_taken(stand: Stand) -> None:
    await stand.authorized()
    await stand.void()

    assert await stand.capture() == DECLINED
    assert stand.effects() == ["released 3000 eur"]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault.EXPIRED_BEFORE, DECLINED),
        (Fault.DECLINED_BEFORE, Answer(refusal=FailureCode.INSUFFICIENT_FUNDS)),
    ],
)
async def test_a_capture_stripe_has_no_money_for_is_refused(fault: Fault, answer: Answer, stand: Stand) -> None:
    await stand.authorized()
    stand.proxy.fails("capture", fault)

    assert await stand.capture() == answer


async def test_money_the_bank_has_taken_back_already_cannot_be_given_back(stand: Stand) -> None:
    await stand.captured()
    stand.proxy.fails("refund", Fault.DISPUTED_BEFORE)

    assert await stand.refund() == Answer(refusal=EXCEEDS_CAPTURED)


async def test_a_payment_nobody_knows_cannot_be_taken_let_go_of_or_given_back(stand: Stand) -> None:
    stand.payment = "pi_misspelt"

    assert await stand.capture() == DECLINED
    assert await stand.void() == Answer(refusal=UNKNOWN_PAYMENT)
    assert await stand.refund() == Answer(refusal=UNKNOWN_PAYMENT)


async def test_less_may_be_taken_than_was_set_aside_and_no_more_than_that_given_back(stand: Stand) -> None:
    await stand.authorized()
    less = Money(2000, "EUR")
    assert await stand.capture(less) == await stand.capture(less) == Answer(reference=stand.payment)

    assert await stand.refund(Money(2001, "EUR")) == Answer(refusal=EXCEEDS_CAPTURED)
    assert (await stand.refund(less, n=2)).refusal is None
    assert await stand.refund(less, n=3) == Answer(refusal=EXCEEDS_CAPTURED)
    assert stand.effects() == ["captured 3000 eur", "refunded 2000 eur"]


async def test_money_that_was_not_taken_cannot_be_given_back(stand: Stand) -> None:
    await stand.authorized()

    assert await stand.refund() == Answer(refusal=UNKNOWN_PAYMENT)


async def test_two_refunds_under_two_keys_are_two_refunds_of_no_more_than_was_taken(stand: Stand) -> None:
    await stand.captured()
    half = Money(1500, "EUR")
    await stand.refund(half)
    assert await stand.refund(Money(1501, "EUR"), n=2) == Answer(refusal=EXCEEDS_CAPTURED)
    await stand.refund(half, n=3)

    assert stand.effects() == ["captured 3000 eur", "refunded 1500 eur", "refunded 1500 eur"]


async def test_other_money_than_was_asked_for_is_never_booked(stand: Stand) -> None:
    await stand.open()
    with pytest.raises(UnexpectedAnswer, match="another amount"):
        await stand.authorize(Money(2999, "EUR"))
    await stand.capture()
    with pytest.raises(UnexpectedAnswer, match="another amount"):
        await stand.capture(Money(2999, "EUR"))


@pytest.mark.parametrize(("amount", "told"), [(Money(500, "JPY"), 500), (Money(500, "ISK"), 50_000)])
async def test_stripe_is_told_amounts_in_its_own_units(amount: Money, told: int, stand: Stand) -> None:
    await stand.captured(amount)

    assert stand.effects() == [f"captured {told} {amount.currency.lower()}"]


async def test_the_version_of_the_interface_is_the_one_the_package_was_made_for(stand: Stand) -> None:
    await stand.open()

    assert stand.proxy.versions == {"2026-10-28.endive"}
