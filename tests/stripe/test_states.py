"""
States localstripe never gets into, as Stripe's documentation describes them.
"""

from typing import Any

import pytest
import stripe

from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.orders import FailureCode
from fulfillment.gateways import stripe_answers
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.http import UnexpectedAnswer

DECLINED = Answer(refusal=FailureCode.PAYMENT_DECLINED)


def an_intent(**values: Any) -> stripe.PaymentIntent:
    plain = {"id": "pi_1", "status": "requires_capture", "last_payment_error": None, "next_action": None}
    intent = stripe.PaymentIntent.construct_from({**plain, **values}, "sk_test")
    assert isinstance(intent, stripe.PaymentIntent)
    return intent


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("pending", Answer(reference="re_1")),
        ("requires_action", Answer(reference="re_1")),
        ("succeeded", Answer(reference="re_1")),
        ("failed", DECLINED),
        ("canceled", DECLINED),
    ],
)
def test_a_refund_on_its_way_is_done_and_one_that_failed_is_refused(status: str, answer: Answer) -> None:
    made = stripe.Refund.construct_from({"id": "re_1", "status": status}, "sk_test")
    assert isinstance(made, stripe.Refund)

    assert stripe_answers.refund(made) == answer


def test_nobody_knows_what_becomes_of_a_payment_in_progress() -> None:
    with pytest.raises(OutcomeUnknown):
        stripe_answers.authorization(an_intent(status="processing"))


def test_a_payment_without_a_card_that_was_never_tried_was_never_asked_for() -> None:
    assert stripe_answers.authorization(an_intent(status="requires_payment_method")) is None


def test_a_capture_the_issuer_declined_is_declined_however_often_it_is_looked_up() -> None:
    failed = an_intent(status="requires_payment_method", last_payment_error={"code": "card_declined"})

    assert stripe_answers.capture(failed) == DECLINED


@pytest.mark.parametrize(
    "action",
    [
        {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
        {"type": "redirect_to_url", "redirect_to_url": {"url": None}},
        None,
    ],
)
def test_an_action_that_leads_nowhere_is_never_shown_to_a_customer(action: dict[str, Any] | None) -> None:
    with pytest.raises(UnexpectedAnswer):
        stripe_answers.authorization(an_intent(status="requires_action", next_action=action))


@pytest.mark.parametrize(
    ("param", "code", "status", "impossible"),
    [
        ("payment_method", "resource_missing", 400, True),
        ("amount", "amount_too_small", 400, True),
        ("currency", None, 400, True),
        (None, "payment_method_currency_mismatch", 400, True),
        (None, None, 400, False),
        (None, None, 404, False),
        ("intent", "resource_missing", 404, False),
        ("metadata", "parameter_unknown", 400, False),
        (None, "payment_method_types_no_longer_supported", 400, False),
    ],
)
def test_a_call_we_make_wrongly_is_no_refusal_of_the_payment(
    param: str | None, code: str | None, status: int, impossible: bool
) -> None:
    error = stripe.InvalidRequestError("said by Stripe", param, code, http_status=status)  # type: ignore[no-untyped-call]

    assert stripe_answers.is_impossible(error) is impossible


@pytest.mark.parametrize(
    ("said", "impossible"),
    [
        ("The provided PaymentMethod was previously used with a PaymentIntent. It may not be used again.", True),
        ("This PaymentMethod was detached from a Customer, and may not be used again.", True),
        ("Your account cannot currently make live charges.", False),
    ],
)
def test_a_card_that_is_used_up_is_declined_and_a_mistake_of_our_account_declines_nobody(
    said: str, *, impossible: bool
) -> None:
    error = stripe.InvalidRequestError(said, None, None, http_status=400)  # type: ignore[no-untyped-call]

    assert stripe_answers.is_impossible(error) is impossible
