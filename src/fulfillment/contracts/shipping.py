"""
What crosses Temporal about parcels: provider steps, each with the key of its one intended effect.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from temporalio import activity

from fulfillment.contracts.providers import Patience, Told
from fulfillment.domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class BookShipment:
    """
    Book parcel `n` to the order's address; `completes` when no capture follows (the order becomes
    `awaiting_shipment` with the booking).
    """

    order_id: OrderId
    n: int
    patience: Patience
    completes: bool = False
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentBooked:
    """The parcel's name at the carrier."""

    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelShipment:
    """
    Keep parcel number `parcel` from leaving; `n` counts intended cancellations.

    Where nothing is found although a booking may have been asked for, the `last_look` decides that there is none. An
    operator may have been `told` about the booking, or that the carrier has the parcel (there was no cancellation).
    """

    order_id: OrderId
    n: int
    parcel: int
    patience: Patience
    last_look: bool = False
    told: Told | None = None


class ShipmentCancellation(StrEnum):
    """What the carrier makes of a cancellation."""

    DONE = "done"
    """The parcel does not leave: cancelled now or before, or never booked."""
    LOOK_AGAIN = "look_again"
    """The carrier knows of no parcel yet, but was asked and may still make one."""
    TOO_LATE = "too_late"
    """The carrier has it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledShipment:
    """What became of a cancellation, and the parcel's name if the carrier knows of one."""

    outcome: ShipmentCancellation
    parcel: ShipmentBooked | None = None


class ShippingActivities(ABC):
    """The steps that reach the carrier; each records its intent before and its result after the call."""

    @activity.defn
    @abstractmethod
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        """
        Book a parcel.

        Raises:
            CarrierRefused: the carrier will not take it; final.
            CarrierUnavailable: patience is over; it may have happened all the same.
            CannotTell: nobody knows whether it happened.
        """

    @activity.defn
    @abstractmethod
    async def cancel_shipment(self, request: CancelShipment) -> CancelledShipment:
        """
        Undo of `book_shipment`; tolerates that it never happened.

        Raises:
            UndoRefused: the carrier will not cancel a parcel it does not have yet.
            CarrierUnavailable: patience is over.
            CannotTell: nobody knows whether it happened.
        """
