"""
What crosses Temporal about money: provider steps, each with the key of its one intended effect.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from temporalio import activity

from fulfillment.contracts.naming import payments_source
from fulfillment.contracts.providers import Patience, Told
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.payments import PaymentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizePayment:
    """
    Set aside `amount` on the card stored with the order; `n` counts intended authorisations.

    With `resumes` it was asked for before and the order waits for its customer: it is only asked about. After a decline
    the order is `awaiting_payment` again if `another_card` may be given.
    """

    order_id: OrderId
    n: int
    amount: Money
    patience: Patience
    another_card: bool = False
    told: Told | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """
    Take the money that authorisation number `authorization` set aside; `n` counts intended captures.

    The order becomes `awaiting_shipment`, unless it is `shipped` already.
    """

    order_id: OrderId
    n: int
    authorization: int
    amount: Money
    patience: Patience
    shipped: bool = False
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversePayment:
    """
    Undo authorisation number `authorization` and the captures of it: void it, or refund what was captured; `n` counts
    intended reversals.

    One that `replaces` it makes room for another card or amount while the order waits for a payment, or costs nothing
    any more; its number is that of the authorisation. Where nothing is found although something may have been asked,
    the `last_look` decides that it never happened. An operator may have been `told` about the reversal, or about the
    authorisation it is to undo.
    """

    order_id: OrderId
    n: int
    authorization: int
    amount: Money
    patience: Patience
    last_look: bool = False
    told: Told | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNews:
    """
    Signal `payment_event`: the provider told us something about the payment it calls `payment`; `id` is unique per
    provider.
    """

    id: str
    provider: str
    payment: str
    type: PaymentEvent
    occurred_at: datetime

    @property
    def name(self) -> str:
        """Names it among all that carriers and payment providers tell us, as its row in the inbox."""
        return f"{payments_source(self.provider)}:{self.id}"


class Authorization(StrEnum):
    """What is still to come before money is set aside."""

    AWAITS_CUSTOMER = "awaits_customer"
    """The bank asks the customer for something; the order waits for that, or for another card."""


class Reversal(StrEnum):
    """How the undo of an authorisation ended."""

    DONE = "done"
    """Reversed now or before, or nothing was ever asked: it is final."""
    LOOK_AGAIN = "look_again"
    """The provider knows of nothing yet, but was asked and may still do it."""


class PaymentActivities(ABC):
    """The steps that reach the payment provider; each records its intent before and its result after the call."""

    @activity.defn
    @abstractmethod
    async def authorize_payment(self, request: AuthorizePayment) -> Authorization | None:
        """
        Authorise; None: it is done (workers of releases that know nothing else to come expect just that).

        Raises:
            PaymentDeclined: or `InsufficientFunds`; final.
            PaymentUnavailable: patience is over; it may have happened all the same.
            CannotTell: nobody knows whether it happened.
        """

    @activity.defn
    @abstractmethod
    async def capture_payment(self, request: CapturePayment) -> None:
        """
        Capture.

        Raises:
            PaymentDeclined: the provider will not pay out; final.
            PaymentUnavailable: patience is over; it may have happened all the same.
            CannotTell: nobody knows whether it happened.
        """

    @activity.defn
    @abstractmethod
    async def reverse_payment(self, request: ReversePayment) -> Reversal:
        """
        Undo of `authorize_payment` and `capture_payment`; tolerates that neither happened.

        Raises:
            UndoRefused: the provider will not give the money back.
            PaymentUnavailable: patience is over.
            CannotTell: nobody knows whether it happened.
        """
