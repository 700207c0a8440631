"""
What the state of a payment intent or of a refund says about what was asked for.
"""

import stripe

from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode
from fulfillment.domain.payments import NextAction
from fulfillment.gateways.answers import ALREADY_CAPTURED, Answer
from fulfillment.gateways.http import UnexpectedAnswer
from fulfillment.gateways.stripe_calls import MISSING
from fulfillment.gateways.stripe_money import NotExpressible, from_stripe

DECLINED = Answer(refusal=FailureCode.PAYMENT_DECLINED)

_ABOUT_THE_PAYMENT = {"payment_method", "amount", "currency"}
_USED_UP = "may not be used again"
_IMPOSSIBLE = {
    "charge_exceeds_source_limit",
    "charge_exceeds_transaction_limit",
    "payment_method_currency_mismatch",
    "payment_method_customer_decline",
    "payment_method_unactivated",
    "payment_method_unexpected_state",
    "payment_method_unsupported_type",
}


def authorization(intent: stripe.PaymentIntent) -> Answer | None:
    """
    None: it was never confirmed, so no money was asked for.

    Raises:
        OutcomeUnknown: Stripe does not know yet.
        UnexpectedAnswer: the customer has to do something no address leads to.
    """
    match intent.status:
        case "requires_capture" | "succeeded":
            return Answer(reference=intent.id)
        case "requires_action":
            return Answer(reference=intent.id, next_action=_next_action(intent))
        case "canceled" | "requires_payment_method" if intent.last_payment_error is not None:
            return Answer(refusal=_refusal(intent.last_payment_error))
        case "canceled":
            return DECLINED
        case "requires_payment_method" | "requires_confirmation":
            return None
    raise OutcomeUnknown("Stripe confirm")


def capture(intent: stripe.PaymentIntent) -> Answer | None:
    """None: the money was not taken, but may be."""
    match intent.status:
        case "succeeded":
            return Answer(reference=intent.id)
        case "canceled":
            return DECLINED
        case "requires_payment_method" if intent.last_payment_error is not None:
            return Answer(refusal=_refusal(intent.last_payment_error))
    return None


def void(intent: stripe.PaymentIntent) -> Answer | None:
    """None: something may still come of it, or has."""
    return Answer(reference=intent.id) if intent.status == "canceled" else None


def attempted_void(intent: stripe.PaymentIntent) -> Answer | None:
    """The same, after it was asked for: what was taken cannot be let go of."""
    return Answer(refusal=ALREADY_CAPTURED) if intent.status == "succeeded" else void(intent)


def refund(made: stripe.Refund) -> Answer:
    """A refund on its way counts as done: its failure is told by an event."""
    return DECLINED if made.status in ("failed", "canceled") else Answer(reference=made.id)


def declined(error: stripe.CardError) -> Answer:
    """Stripe's 402: the card's issuer, or Stripe's own rules, say no."""
    return Answer(refusal=_refusal(error.error, error.code))


def is_impossible(error: stripe.InvalidRequestError) -> bool:
    """
    Whether no such payment can ever be made, rather than that we asked in the wrong way.

    A payment method that was used up by another payment is refused with neither code nor parameter, and so are mistakes
    of our account, which must decline nobody: only the words tell them apart.
    """
    if error.param in _ABOUT_THE_PAYMENT or error.code in _IMPOSSIBLE:
        return True
    return error.http_status == 400 and _USED_UP in str(error)


def is_missing(error: stripe.InvalidRequestError) -> bool:
    """Whether Stripe says that it has no such object; any other 404 says that we asked the wrong place."""
    return error.code == MISSING


def expect(asked: Money, told: int, currency: str, status: int = 200) -> None:
    """
    Raises:
        UnexpectedAnswer: it was done with other money than was asked for; our books would be wrong.
    """
    try:
        same = from_stripe(told, currency) == asked
    except NotExpressible:
        same = False
    if not same:
        raise UnexpectedAnswer("another amount than was asked for", status)


def _next_action(intent: stripe.PaymentIntent) -> NextAction:
    action = intent.next_action
    redirect = None if action is None else getattr(action, "redirect_to_url", None)
    if action is None or redirect is None or not redirect.url:
        raise UnexpectedAnswer("an action without an address", 200)
    return NextAction(type=action.type, url=redirect.url)


def _refusal(error: object, code: str | None = None) -> str:
    codes = {code, getattr(error, "code", None), getattr(error, "decline_code", None)}
    return FailureCode.INSUFFICIENT_FUNDS if "insufficient_funds" in codes else FailureCode.PAYMENT_DECLINED
