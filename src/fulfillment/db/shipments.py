"""
Parcels of orders.
"""

from sqlalchemy import CTE, Integer, Text, Uuid, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.changes import Effect
from fulfillment.db.engine import Reading
from fulfillment.db.tables import inbox, shipments
from fulfillment.domain.ids import OrderId
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


def found() -> Effect:
    """The newest parcel of the changed order is under way again, wherever it was thought to be."""
    return Effect(_found, {})


async def carrier_of(connection: Reading, order_id: OrderId, n: int) -> str | None:
    """Who carries parcel `n` of an order, if it is written."""
    carrier: str | None = await connection.scalar(_CARRIER_OF, {"parcel_of": order_id, "parcel": n})
    return carrier


_PARCEL = bindparam("parcel", type_=Integer)
_STATUS = bindparam("parcel_status", type_=Text)
_newest = shipments.alias("newest")
_UNDER_WAY = (ShipmentStatus.BOOKED.value, ShipmentStatus.IN_TRANSIT.value)
_CARRIER_OF = select(shipments.c.carrier).where(
    shipments.c.order_id == bindparam("parcel_of", type_=Uuid), shipments.c.n == _PARCEL
)
_CARRIER = bindparam("parcel_carrier", type_=Text)
_TRACKING_NUMBER = bindparam("parcel_number", type_=Text)


def _book(changed: CTE) -> CTE:
    return (
        insert(shipments)
        .from_select(
            ["order_id", "n", "carrier", "tracking_number", "status"],
            select(changed.c.id, _PARCEL, _CARRIER, _TRACKING_NUMBER, literal(ShipmentStatus.BOOKED.value)),
        )
        # The same step at the same moment: the two are to meet at the fact, where that is no error.
        .on_conflict_do_nothing(index_elements=[shipments.c.order_id, shipments.c.n])
        .cte("booked")
    )


def _claim(changed: CTE) -> CTE:
    return (
        update(inbox)
        .where(
            inbox.c.source == _CARRIER,
            inbox.c.subject == _TRACKING_NUMBER,
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


def _found(changed: CTE) -> CTE:
    newest = select(func.max(_newest.c.n)).where(_newest.c.order_id == changed.c.id).scalar_subquery()
    return (
        update(shipments)
        .where(shipments.c.order_id == changed.c.id, shipments.c.n == newest)
        .values(status=ShipmentStatus.IN_TRANSIT.value, updated_at=func.now())
        .cte("found")
    )
