"""
What crosses Temporal about an order: what it is started with, what it lives by, what carriers tell it, how it ends.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money, total
from fulfillment.domain.orders import OrderStatus
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
class Resume:
    """
    The order was left by an earlier run: go on from where it is, or `undo` what happened.
    """

    actor: str
    reason: str = field(repr=False)
    undo: bool = False


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
    resume: Resume | None = None

    @property
    def total(self) -> Money:
        """What the lines add up to."""
        return total((line.unit_price.times(line.quantity) for line in self.lines), self.lines[0].unit_price.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    The deadlines, bounds and switches one order lives by, fixed when it is placed.

    A provider may fail a step so many times before it gives up: `provider_failures` for steps that can be undone,
    `capture_failures` and `undo_failures` for those. `key_memory` is how long providers remember a key; an undo that
    finds nothing looks again after `second_look`.
    """

    payment_window: timedelta
    hand_over_window: timedelta
    delivery_window: timedelta
    retry_payment: bool = False
    provider_failures: int = 64
    capture_failures: int = 1324
    undo_failures: int = 1324
    key_memory: timedelta = timedelta(hours=23)
    second_look: timedelta = timedelta(minutes=2)


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
class OrderResult:
    """How the workflow ended; `duplicate` means another run owns the order and this one touched nothing."""

    status: OrderStatus
    duplicate: bool = False
