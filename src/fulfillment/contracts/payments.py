"""
What crosses Temporal about money: provider steps, each with the key of its one intended effect.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from temporalio import activity

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizePayment:
    """Set aside `amount` on the card stored with the order; `n` counts intended authorisations."""

    order_id: OrderId
    n: int
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """Take the money that authorisation `n` set aside."""

    order_id: OrderId
    n: int
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversePayment:
    """Undo authorisation `n`: void it, or refund it if it was captured; nothing to do if it never happened."""

    order_id: OrderId
    n: int
    amount: Money


class PaymentActivities(ABC):
    """The steps that reach the payment provider; each records its intent before and its result after the call."""

    @activity.defn
    @abstractmethod
    async def authorize_payment(self, request: AuthorizePayment) -> None:
        """
        Authorise.

        Raises:
            PaymentDeclined: or `InsufficientFunds`; final.
        """

    @activity.defn
    @abstractmethod
    async def capture_payment(self, request: CapturePayment) -> None:
        """
        Capture; the order becomes `awaiting_shipment`.

        Raises:
            PaymentDeclined: the provider will not pay out; final.
        """

    @activity.defn
    @abstractmethod
    async def reverse_payment(self, request: ReversePayment) -> None:
        """Undo of `authorize_payment` and `capture_payment`; tolerates that neither happened."""
