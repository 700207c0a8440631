"""
What crosses Temporal about an order: the start of its workflow, its database steps, its signals.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import activity

from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money, total
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.domain.shipping import ParcelEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """So many pieces of one article at a price for one piece."""

    sku: Sku
    name: str
    quantity: int
    unit_price: Money


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Address:
    """Where the parcel goes; `country` is ISO 3166-1 alpha-2. Never printed: it says where somebody lives."""

    name: str
    line1: str
    city: str
    country: str
    line2: str | None = None
    region: str | None = None
    postal_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A token of the payment provider standing for a card."""

    token: str = field(repr=False)
    method: str = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrder:
    """
    An accepted order: the input of its workflow and the single durable write of placing it.

    `caller` is the principal whose key made `order_id`; `fingerprint` recognises a repeat of the same request.
    """

    order_id: OrderId
    caller: str
    accepted_at: datetime
    fingerprint: str
    fingerprint_key: str
    customer_id: str
    lines: tuple[Line, ...]
    shipping_address: Address
    payment: Card | None = None
    email: str | None = field(default=None, repr=False)
    reference: str | None = None
    requested_by: str | None = field(default=None, repr=False)
    metadata: dict[str, str] = field(default_factory=dict, repr=False)
    test: bool = False

    @property
    def total(self) -> Money:
        """What the lines add up to."""
        return total((line.unit_price.times(line.quantity) for line in self.lines), self.lines[0].unit_price.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Write the order down and hold its stock; `run_id` is the first run of the workflow that asks."""

    order: StartOrder
    run_id: str


class PlacementOutcome(StrEnum):
    """How placing ended."""

    PLACED = "placed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The deadlines and switches one order lives by, fixed when it is placed."""

    payment_window: timedelta
    hand_over_window: timedelta
    delivery_window: timedelta
    retry_payment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """
    The stored result of placing: repeated for the same run, `duplicate` for a run that is not the row's.
    """

    outcome: PlacementOutcome
    status: OrderStatus
    total: Money
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEvent:
    """
    Signal `carrier_event`: a carrier told us something about a parcel; `id` is the carrier's, unique per carrier.
    """

    id: str
    carrier: str
    tracking_number: str
    type: ParcelEvent
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordParcelEvent:
    """A carrier's event for parcel `n` of an order whose workflow last knew it as `status`."""

    order_id: OrderId
    n: int
    event: CarrierEvent
    status: OrderStatus
    picked_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAttention:
    """Ask an operator; `n` counts the questions of one order."""

    order_id: OrderId
    n: int
    reason: AttentionReason
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStock:
    """Free what the order holds; nothing to do when it holds nothing."""

    order_id: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectOrder:
    """Begin (`cancelling`) or end (`rejected`) the rejection of an order."""

    order_id: OrderId
    failure: FailureCode


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """How the workflow ended; `duplicate` means another run owns the order and this one touched nothing."""

    status: OrderStatus
    duplicate: bool = False


class OrderActivities(ABC):
    """The database steps of an order; each is one transaction and may run twice."""

    @activity.defn
    @abstractmethod
    async def place_order(self, request: PlaceOrder) -> Placement:
        """
        Write the row, hold the stock (all or nothing), decide what comes next; a refusal is an outcome, not an error.
        """

    @activity.defn
    @abstractmethod
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        """Write down what a carrier says and what it does to the order, its parcel and the stock."""

    @activity.defn
    @abstractmethod
    async def request_attention(self, request: RequestAttention) -> None:
        """Park the order as `needs_attention`."""

    @activity.defn
    @abstractmethod
    async def begin_rejection(self, request: RejectOrder) -> None:
        """The order becomes `cancelling` with the failure it will end with."""

    @activity.defn
    @abstractmethod
    async def release_stock(self, request: ReleaseStock) -> None:
        """Undo of holding stock; tolerates that nothing is held."""

    @activity.defn
    @abstractmethod
    async def reject_order(self, request: RejectOrder) -> None:
        """The order becomes `rejected`: everything is undone."""
