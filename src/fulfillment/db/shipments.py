"""
Parcels of orders.
"""

from sqlalchemy import CTE, Integer, Text, bindparam, func, insert, literal, select, update

from fulfillment.db.changes import Effect
from fulfillment.db.tables import inbox, shipments
from fulfillment.domain.shipping import ShipmentStatus


def book(n: int, carrier: str, tracking_number: str) -> Effect:
    """Write parcel `n` of the changed order."""
    return Effect(_book, {"parcel": n, "parcel_carrier": carrier, "parcel_number": tracking_number})


def claim_early_events(carrier: str, tracking_number: str) -> Effect:
    """Events that came before we knew whose parcel it is belong to the changed order now."""
    return Effect(_claim, {"parcel_carrier": carrier, "parcel_number": tracking_number})


def track(n: int, status: ShipmentStatus) -> Effect:
    """Where parcel `n` of the changed order is."""
    return Effect(_track, {"parcel": n, "parcel_status": status})


_PARCEL = bindparam("parcel", type_=Integer)
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
            inbox.c.order_id.is_(None),
            inbox.c.signalled_at.is_(None),
        )
        .values(order_id=select(changed.c.id).scalar_subquery())
        .cte("claimed")
    )


def _track(changed: CTE) -> CTE:
    return (
        update(shipments)
        .where(shipments.c.order_id == changed.c.id, shipments.c.n == _PARCEL)
        .values(status=bindparam("parcel_status", type_=Text), updated_at=func.now())
        .cte("tracked")
    )
