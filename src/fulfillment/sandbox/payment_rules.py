"""
What a payment provider allows: pure rules, amounts in minor units.
"""

from dataclasses import dataclass, replace
from typing import Literal

from fulfillment.sandbox.answers import Decline, Refused

LATE_TOKEN = "tok_late"
_ACTION_TOKEN = "tok_action_required"

_ACCEPTED = frozenset(
    {
        "tok_visa",
        "tok_lost_answer",
        _ACTION_TOKEN,
        LATE_TOKEN,
        "tok_flaky",
        "tok_slow",
        "tok_down",
        "tok_capture_declined",
        "tok_undo_fails",
    }
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    Money held on a card. Live until it is captured or voided.

    One that is `waiting` holds nothing yet: its customer has to agree first; once they refuse it is `declined`.
    """

    id: str
    order_id: str
    token: str
    amount: int
    currency: str
    state: Literal["waiting", "declined", "live", "captured", "voided"] = "live"
    captured: int = 0
    refunded: int = 0


def authorized(authorization: Authorization) -> Authorization | Decline:
    """
    The authorization once the card was asked; unknown tokens are declined.
    """
    if authorization.token == _ACTION_TOKEN:
        return replace(authorization, state="waiting")
    if authorization.token in _ACCEPTED:
        return authorization
    if authorization.token == "tok_insufficient_funds":
        return Decline("insufficient_funds", "the card has not enough funds")
    return Decline("card_declined", "the card was declined")


def settled(authorization: Authorization, *, agree: bool) -> Authorization:
    """
    The authorization once its customer has agreed or refused.

    Raises:
        Refused: `nothing_to_agree_to`.
    """
    if authorization.state != "waiting":
        raise Refused("nothing_to_agree_to", f"the authorization is {authorization.state}: nothing is asked any more")
    return replace(authorization, state="live" if agree else "declined")


def captured(authorization: Authorization, amount: int, currency: str) -> Authorization | Decline:
    """
    The authorization once captured, in whole or in part.

    Raises:
        Refused: `not_capturable`, `currency_mismatch`, `exceeds_authorized`.
    """
    if authorization.state != "live":
        raise Refused("not_capturable", f"the authorization is {authorization.state}")
    _check_currency(authorization, currency)
    if amount > authorization.amount:
        raise Refused("exceeds_authorized", f"amount is above the {authorization.amount} authorized")
    if authorization.token == "tok_capture_declined":
        return Decline("capture_declined", "the capture was declined")
    return replace(authorization, state="captured", captured=amount)


def voided(authorization: Authorization) -> Authorization | Decline:
    """
    The authorization once its money is free again, or none is ever going to be held.

    Raises:
        Refused: `already_captured`.
    """
    if authorization.state == "captured":
        raise Refused("already_captured", "the authorization is captured; refund it")
    if authorization.token == "tok_undo_fails":
        return Decline("void_declined", "the void was declined for good")
    return replace(authorization, state="voided")


def refunded(authorization: Authorization, amount: int, currency: str) -> Authorization | Decline:
    """
    The authorization after money went back, never more than was captured.

    Raises:
        Refused: `currency_mismatch`, `exceeds_captured`.
    """
    _check_currency(authorization, currency)
    left = authorization.captured - authorization.refunded
    if amount > left:
        raise Refused("exceeds_captured", f"amount is above the {left} captured and not refunded")
    if authorization.token == "tok_undo_fails":
        return Decline("refund_declined", "the refund was declined for good")
    return replace(authorization, refunded=authorization.refunded + amount)


def _check_currency(authorization: Authorization, currency: str) -> None:
    if currency != authorization.currency:
        raise Refused("currency_mismatch", f"currency must be {authorization.currency}, as authorized")
