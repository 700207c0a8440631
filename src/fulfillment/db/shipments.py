"""
Parcels of orders.
"""

from sqlalchemy import CTE, Integer, Text, bindparam, func, insert, literal, or_, select, update

from fulfillment.db.changes import Effect
from fulfillment.db.tables import inbox, shipments
from fulfillment.domain.shipping import ShipmentStatus


def book(n: int, carrier: str, tracking_number: str) -> Effect:
    """Write parcel `n` of the changed order."""
    return Effect(_book, {"parcel": n, "parcel_carrier": carrier, "parcel_number": tracking_number})


def claim_early_events(carrier: str, tracking_number: str) -> Effect:
    """
    Events of the parcel that came before we knew whose it is, or were taken for another order's, are to be signalled
    to the changed order.
    """
    return Effect(_claim, {"parcel_carrier": carrier, "parcel_number": tracking_number})


def track(n: int, status: ShipmentStatus) -> Effect:
    """Where parcel `n` of the changed order is."""
    return Effect(_track, {"parcel": n, "parcel_status": status})


_PARCEL = bindparam("parcel", type_=Integer)
_STATUS = bindparam("parcel_status", type_=Text)
_UNDER_WAY = (ShipmentStatus.BOOKED.value, ShipmentStatus.IN_TRANSIT.value)
_CARRIER = bindparam("parcel_carrier", type_=Text)
_TRACKING_NUMBER = bindparam("parcel_number", type_=Text)


def _book(changed: CTE) -> CTE:
    return (
        insert(shipments)
        .from_select(
            ["order_id", "n", "carrier", "tracking_number", "status"],
            select(changed.c.id, _PARCEL, _CARRIER, _TRACKING_NUMBER, literal(ShipmentStatus.BOOKED.value)),
        )
        .cte("booked")
    )


def _claim(changed: CTE) -> CTE:
    return (
        update(inbox)
        .where(
            inbox.c.source == _CARRIER,
            inbox.c.tracking_number == _TRACKING_NUMBER,
            inbox.c.order_id.is_distinct_from(changed.c.id),
        )
        .values(order_id=changed.c.id, signalled_at=None, outcome=None)
        .cte("claimed")
    )


def _track(changed: CTE) -> CTE:
    return (
        update(shipments)
        .where(
            shipments.c.order_id == changed.c.id,
            shipments.c.n == _PARCEL,
            # Late news of a journey do not hide how it ended.
            or_(shipments.c.status.in_(_UNDER_WAY), _STATUS.is_distinct_from(ShipmentStatus.IN_TRANSIT.value)),
        )
        .values(status=_STATUS, updated_at=func.now())
        .cte("tracked")
    )
