"""
Parcels of orders.
"""

from sqlalchemy import func, insert, literal, select, update

from fulfillment.db.changes import Effect
from fulfillment.db.tables import inbox, shipments
from fulfillment.domain.shipping import ShipmentStatus


def book(n: int, carrier: str, tracking_number: str) -> Effect:
    """Write parcel `n` of the changed order."""
    return lambda changed: (
        insert(shipments)
        .from_select(
            ["order_id", "n", "carrier", "tracking_number", "status"],
            select(
                changed.c.id,
                literal(n),
                literal(carrier),
                literal(tracking_number),
                literal(ShipmentStatus.BOOKED.value),
            ),
        )
        .cte("booked")
    )


def claim_early_events(carrier: str, tracking_number: str) -> Effect:
    """Events that came before we knew whose parcel it is belong to the changed order now."""
    return lambda changed: (
        update(inbox)
        .where(
            inbox.c.source == carrier,
            inbox.c.tracking_number == tracking_number,
            inbox.c.order_id.is_(None),
            inbox.c.signalled_at.is_(None),
        )
        .values(order_id=select(changed.c.id).scalar_subquery())
        .cte("claimed")
    )


def track(n: int, status: ShipmentStatus) -> Effect:
    """Where parcel `n` of the changed order is."""
    return lambda changed: (
        update(shipments)
        .where(shipments.c.order_id == changed.c.id, shipments.c.n == n)
        .values(status=status, updated_at=func.now())
        .cte("tracked")
    )
