"""
What a carrier's event means for an order.
"""

from dataclasses import dataclass
from enum import StrEnum

from fulfillment.domain.events import EventKind
from fulfillment.domain.orders import AttentionReason, OrderStatus


class ParcelEvent(StrEnum):
    """What a carrier says happened to a parcel."""

    PICKED_UP = "parcel.picked_up"
    IN_TRANSIT = "parcel.in_transit"
    DELIVERED = "parcel.delivered"
    LOST = "parcel.lost"
    RETURNED = "parcel.returned"


class ShipmentStatus(StrEnum):
    """Where a parcel is (`shipments[].status`)."""

    BOOKED = "booked"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    LOST = "lost"
    RETURNED = "returned"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ParcelOutcome:
    """
    What one event does to an order: the statuses it goes through (none: timeline only), the facts to record,
    whether the goods leave the warehouse now, and the question an operator must answer.
    """

    path: tuple[OrderStatus, ...]
    facts: tuple[EventKind, ...]
    shipment: ShipmentStatus
    stock_leaves: bool = False
    attention: AttentionReason | None = None


@dataclass(frozen=True, slots=True)
class LateOutcome:
    """
    What an event means that no running order waits for: where the parcel is, the fact to record, and whether an
    operator must look at it because goods are not where the order's end says they are.
    """

    fact: EventKind
    shipment: ShipmentStatus
    asks: bool


_LATE = {
    ParcelEvent.PICKED_UP: (EventKind.SHIPMENT_IN_TRANSIT, ShipmentStatus.IN_TRANSIT),
    ParcelEvent.IN_TRANSIT: (EventKind.SHIPMENT_IN_TRANSIT, ShipmentStatus.IN_TRANSIT),
    ParcelEvent.DELIVERED: (EventKind.ORDER_DELIVERED, ShipmentStatus.DELIVERED),
    ParcelEvent.LOST: (EventKind.PARCEL_LOST, ShipmentStatus.LOST),
    ParcelEvent.RETURNED: (EventKind.PARCEL_RETURNED, ShipmentStatus.RETURNED),
}
_STAYED = (ShipmentStatus.BOOKED, ShipmentStatus.CANCELLED)


def late_outcome_of(event: ParcelEvent, status: OrderStatus, parcel: ShipmentStatus) -> LateOutcome:
    """
    What `event` means for an order in `status` that does not wait for it; `parcel` is where its parcel was.

    After the end, a parcel that is lost or comes back is somebody's affair, and so is one that moves although its
    order was undone before it left. While an order is open, it is about a parcel that was replaced.
    """
    fact, shipment = _LATE[event]
    gone = event in (ParcelEvent.LOST, ParcelEvent.RETURNED)
    undone = status in (OrderStatus.CANCELLED, OrderStatus.REJECTED)
    return LateOutcome(fact, shipment, asks=status.is_final and (gone or (undone and parcel in _STAYED)))


_STRAIGHT = {
    ParcelEvent.DELIVERED: (OrderStatus.DELIVERED, EventKind.ORDER_DELIVERED, ShipmentStatus.DELIVERED, None),
    ParcelEvent.LOST: (OrderStatus.NEEDS_ATTENTION, EventKind.PARCEL_LOST, ShipmentStatus.LOST, AttentionReason.LOST),
    ParcelEvent.RETURNED: (
        OrderStatus.NEEDS_ATTENTION,
        EventKind.PARCEL_RETURNED,
        ShipmentStatus.RETURNED,
        AttentionReason.RETURNED,
    ),
}


def outcome_of(event: ParcelEvent, status: OrderStatus, *, picked_up: bool) -> ParcelOutcome:
    """
    What `event` means for an order in `status` whose parcel was (not yet) picked up.

    Delivered, lost and returned imply a pick-up nobody told us of; nothing a carrier says is refused.
    """
    if event is ParcelEvent.IN_TRANSIT or (event is ParcelEvent.PICKED_UP and picked_up):
        kind = (EventKind.SHIPMENT_IN_TRANSIT,) if event is ParcelEvent.IN_TRANSIT else ()
        return ParcelOutcome((), kind, ShipmentStatus.IN_TRANSIT)
    answers = (EventKind.ATTENTION_RESOLVED,) if status is OrderStatus.NEEDS_ATTENTION else ()
    path = () if picked_up else (OrderStatus.SHIPPED,)
    facts = answers if picked_up else (*answers, EventKind.ORDER_SHIPPED)
    if event is ParcelEvent.PICKED_UP:
        return ParcelOutcome(path, facts, ShipmentStatus.IN_TRANSIT, stock_leaves=True)
    target, fact, shipment, attention = _STRAIGHT[event]
    asked = (EventKind.ATTENTION_NEEDED,) if attention else ()
    return ParcelOutcome(
        (*path, target), (*facts, fact, *asked), shipment, stock_leaves=not picked_up, attention=attention
    )
