"""
What a payment provider tells us of itself, and what a customer has to do before a card can be used.
"""

from dataclasses import dataclass
from enum import StrEnum


class PaymentEvent(StrEnum):
    """What a payment provider says happened to a payment, long after it was asked."""

    AUTHORIZED = "payment.authorized"
    """The customer did what was asked: the money is set aside."""
    FAILED = "payment.failed"
    """The customer could not do it, or the issuer says no all the same."""
    CAPTURE_FAILED = "payment.capture_failed"
    """Money that was taken is not going to arrive."""
    AUTHORIZATION_EXPIRED = "payment.authorization_expired"
    """The money is not set aside any more."""
    DISPUTED = "payment.disputed"
    """The customer asks their bank for the money back."""

    @property
    def is_a_dispute(self) -> bool:
        """A person has to look at it: whatever the provider did to the money, our books know nothing of it."""
        return self not in (PaymentEvent.AUTHORIZED, PaymentEvent.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What the customer has to do before the card can be used: usually a page of the bank, at `url`."""

    type: str
    url: str
