"""
What crosses Temporal when an order is taken over by a new run of its workflow: the old one was terminated, or the
database was put back to an earlier minute.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity

from fulfillment.contracts.orders import StartOrder
from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.contracts.steps import Placement
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """
    Make run `run_id` the owner of the row; a row that is missing is written anew from `order`.

    An open question is closed by it: whatever is still in the way asks again.
    """

    order: StartOrder
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOperations:
    """
    Ask a provider for the keys n = 1, 2, … of an order until two in a row are not done, and enter what it did into the
    ledger as `unknown`: the steps look it up and write down what it means.
    """

    order_id: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """The newest effect of one kind in the ledger: its number (0: none), and whether it may still count."""

    last: int = 0
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    Where an order was left. `last_event` is greater than any number its facts were counted with; `payment_due_in` is
    what is left of the time for a payment, `question` what an operator was asked about its journey. An order that
    `is_being_undone` is so at its providers, although its row knows nothing of it. `awaited` is what a payment that
    waits for its customer is to set aside.
    """

    status: OrderStatus
    failure: FailureCode | None
    last_event: int
    authorization: Numbered
    capture: Numbered
    reversal: Numbered
    booking: Numbered
    cancellation: Numbered
    is_captured: bool
    picked_up: bool
    parcel: ShipmentBooked | None = None
    payment_due_in: timedelta | None = None
    question: AttentionReason | None = None
    is_being_undone: bool = False
    awaited: Money | None = None


class RecoveryActivities(ABC):
    """How an order is taken over; each step may run twice."""

    @activity.defn
    @abstractmethod
    async def take_over(self, request: TakeOver) -> Placement:
        """
        Own the row (queue `orders`). Stock that cannot be held for a row that is written anew makes the order
        `cancelling` with that failure, because providers may have done something for it.
        """

    @activity.defn
    @abstractmethod
    async def find_payments(self, request: FindOperations) -> None:
        """What the payment provider did for the order (queue `payments`)."""

    @activity.defn
    @abstractmethod
    async def find_shipments(self, request: FindOperations) -> None:
        """What the carrier did for the order (queue `shipping`)."""

    @activity.defn
    @abstractmethod
    async def read_standing(self, request: FindOperations) -> Standing:
        """Where the order was left (queue `orders`)."""
