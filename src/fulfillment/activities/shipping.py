"""
The steps that reach the carrier.
"""

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from temporalio import activity

from fulfillment.activities.cancellations import ShipmentCancellations
from fulfillment.activities.carriers import Carriers, Partner
from fulfillment.activities.providers import known, named
from fulfillment.activities.shipment_changes import booked
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.shipping import (
    BookShipment,
    CancelledShipment,
    CancelShipment,
    ShipmentBooked,
    ShippingActivities,
)
from fulfillment.db.changes import apply
from fulfillment.db.engine import Database
from fulfillment.db.intents import Intent
from fulfillment.db.operations import Operation, intend
from fulfillment.db.outcomes import close
from fulfillment.db.tables import order_lines, orders
from fulfillment.domain.errors import CannotTell, CarrierRefused
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus
from fulfillment.gateways.answers import Answer

_ITEMS = (
    select(func.jsonb_agg(func.jsonb_build_object("sku", order_lines.c.sku, "quantity", order_lines.c.quantity)))
    .where(order_lines.c.order_id == orders.c.id)
    .scalar_subquery()
    .label("items")
)


class LedgeredShippingActivities(ShippingActivities):
    """Intent and result of every call stand in the operations ledger; no transaction is open during a call."""

    def __init__(self, database: Database, carriers: Carriers) -> None:
        self._database = database
        self._carriers = carriers
        self._cancellations = ShipmentCancellations(database, carriers)

    @activity.defn
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        operation = await self._intend(request)
        answer, carrier = known(operation), operation.provider
        if answer is None:
            partner = await self._carriers.to_book(operation)
            answer, carrier = await self._ask(partner, request, operation), partner.name
            await self._record(request, operation.key, named(answer, operation.key), carrier)
        if answer.reference is None:
            raise CarrierRefused
        return ShipmentBooked(carrier=carrier, tracking_number=answer.reference)

    async def _intend(self, request: BookShipment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.BOOK, request.n),
            order_id=request.order_id,
            kind=OperationKind.BOOK,
            n=request.n,
            provider=self._carriers.first.name,
            during=(OrderStatus.PROCESSING,),
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, orders.c.shipping_address, _ITEMS)

    async def _ask(self, partner: Partner, request: BookShipment, operation: Operation) -> Answer:
        key, order = operation.key, operation.order
        return await partner.asking.ask(
            operation,
            request,
            find=partner.gateway.find,
            call=lambda: partner.gateway.book(key, request.order_id, order.shipping_address, order.items),
        )

    async def _record(self, request: BookShipment, key: str, answer: Answer, carrier: str) -> None:
        async with self._database.statement() as connection:
            if answer.reference is None:
                await close(connection, key, OperationState.REFUSED, refusal=answer.refusal)
                return
            parcel = ShipmentBooked(carrier=carrier, tracking_number=answer.reference)
            path = (OrderStatus.AWAITING_SHIPMENT,) if request.completes else ()
            change, effects = booked(
                request.order_id,
                request.n,
                parcel,
                OrderStatus.PROCESSING,
                path,
                degraded=self._carriers.is_second(carrier),
            )
            try:
                await apply(connection, change, *effects)
            except IntegrityError as error:
                if request.told is None or "uq_shipments_carrier_tracking_number" not in str(error.orig):
                    raise
                # A slip of the pen: that parcel is another one's, and what became of ours is as unknown as before.
                raise CannotTell(key) from error

    @activity.defn
    async def cancel_shipment(self, request: CancelShipment) -> CancelledShipment:
        return await self._cancellations.cancel(request)
