"""
What the carrier's answers do to an order; pure.
"""

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.db import shipments
from fulfillment.db.changes import Change, Effect, Fact
from fulfillment.db.outcomes import settle, undo
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus
from fulfillment.domain.shipping import ShipmentStatus


def booked(
    order_id: OrderId,
    n: int,
    parcel: ShipmentBooked,
    during: OrderStatus,
    path: tuple[OrderStatus, ...] = (),
    *,
    degraded: bool = False,
) -> tuple[Change, list[Effect]]:
    """The order has its parcel number `n`; `degraded`: with the second carrier, because the first one was away."""
    key = operation_key(order_id, OperationKind.BOOK, n)
    data = _data(parcel) | ({"degraded": True} if degraded else {})
    change = Change(
        order_id=order_id,
        facts=(Fact(kind=EventKind.SHIPMENT_BOOKED, key=key, data=data),),
        path=path,
        during=(during,),
    )
    return change, [
        settle(key, OperationState.DONE, reference=parcel.tracking_number),
        shipments.book(n, parcel.carrier, parcel.tracking_number),
        shipments.claim_early_events(parcel.carrier, parcel.tracking_number),
    ]


def cancelled(order_id: OrderId, key: str, n: int, parcel: ShipmentBooked | None) -> tuple[Change, list[Effect]]:
    """Parcel number `n` does not leave; `key` names the cancellation. Without a name it was cancelled by hand."""
    change = Change(
        order_id=order_id,
        facts=(Fact(kind=EventKind.SHIPMENT_CANCELLED, key=key, data=_data(parcel) if parcel else {}),),
        during=(OrderStatus.CANCELLING,),
    )
    return change, [
        settle(key, OperationState.DONE, reference=parcel.tracking_number if parcel else None),
        undo(operation_key(order_id, OperationKind.BOOK, n)),
        shipments.track(n, ShipmentStatus.CANCELLED),
    ]


def _data(parcel: ShipmentBooked) -> dict[str, str | bool]:
    return {"carrier": parcel.carrier, "tracking_number": parcel.tracking_number}
