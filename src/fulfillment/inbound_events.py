"""
What others tell us of themselves, once it is proven to be theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent


class BadSignature(Exception):
    """Not signed with the secret we share with the sender, altered on the way, or more than five minutes old."""


class UnreadableEvent(Exception):
    """Rightly signed, but no event as its sender documents them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEvent:
    """
    An event of a payment; `id` is unique per provider.

    `payment` is what the provider calls it, `order_id` the order the provider believes it to be for.
    """

    id: str
    type: PaymentEvent
    payment: str
    order_id: OrderId | None
    occurred_at: datetime


ReadEvent = Callable[[Mapping[str, str], bytes], ProvenEvent | None]
"""
Reads headers and body of a request; None: the event is the provider's, and none of our business.

Raises `BadSignature` and `UnreadableEvent`.
"""
