"""
What crosses Temporal about parcels: provider steps, each with the key of its one intended effect.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from temporalio import activity

from fulfillment.domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class BookShipment:
    """
    Book parcel `n` to the order's address; `completes` when no payment follows (the order becomes
    `awaiting_shipment` with the booking).
    """

    order_id: OrderId
    n: int
    completes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentBooked:
    """The parcel's name at the carrier."""

    carrier: str
    tracking_number: str


class ShippingActivities(ABC):
    """The steps that reach the carrier; each records its intent before and its result after the call."""

    @activity.defn
    @abstractmethod
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        """
        Book a parcel.

        Raises:
            CarrierRefused: the carrier will not take it; final.
        """
