"""
What a carrier does with parcels: pure rules.
"""

from dataclasses import dataclass
from typing import Literal

from fulfillment.sandbox.answers import Decline, Refused
from fulfillment.sandbox.schemas import ParcelEventType

ParcelStatus = Literal["booked", "picked_up", "in_transit", "delivered", "lost", "returned", "cancelled"]

_RANK: dict[ParcelStatus, int] = {
    "cancelled": 0,
    "booked": 0,
    "picked_up": 1,
    "in_transit": 2,
    "delivered": 3,
    "lost": 3,
    "returned": 3,
}
_NEXT: dict[ParcelStatus, ParcelEventType] = {
    "booked": "picked_up",
    "picked_up": "in_transit",
    "in_transit": "delivered",
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """
    A parcel as the carrier knows it; the scenario is its postal code, if that is one of the tests'.
    """

    tracking_number: str
    key: str
    order_id: str
    status: ParcelStatus
    scenario: str | None
    items: str
    booked_at: str
    updated_at: str


def refused_address(postal_code: str | None) -> Decline | None:
    """
    Why the carrier does not go there.
    """
    if postal_code == "TEST-REFUSED":
        return Decline("address_refused", "the carrier does not deliver to this address")
    return None


def next_step(parcel: Parcel) -> ParcelEventType | None:
    """
    What happens to the parcel next, if it is still on its way.
    """
    if parcel.status == "picked_up" and parcel.scenario == "TEST-LOST":
        return "lost"
    return _NEXT.get(parcel.status)


def status_after(status: ParcelStatus, event: ParcelEventType) -> ParcelStatus:
    """
    The status once an event is heard. Anything may happen to a parcel, but news of the past change nothing.
    """
    return event if _RANK[event] >= _RANK[status] else status


def leaves_before_cancel(parcel: Parcel) -> bool:
    """
    Whether the carrier picks the parcel up just before it hears of the cancel.
    """
    return parcel.status == "booked" and parcel.scenario == "TEST-TOO-LATE"


def check_cancellable(parcel: Parcel) -> None:
    """
    Raises:
        Refused: `already_picked_up`, `cancel_refused`.
    """
    if parcel.status not in ("booked", "cancelled"):
        raise Refused("already_picked_up", "the parcel is already picked up")
    if parcel.status == "booked" and parcel.scenario == "TEST-CANCEL-FAILS":
        raise Refused("cancel_refused", "the carrier refuses to cancel this parcel")
