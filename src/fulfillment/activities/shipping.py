"""
The steps that reach the carrier.
"""

from sqlalchemy import func, select
from temporalio import activity

from fulfillment.activities.providers import ask
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.shipping import BookShipment, ShipmentBooked, ShippingActivities
from fulfillment.db import shipments
from fulfillment.db.changes import Change, Effect, Fact, apply
from fulfillment.db.engine import Database
from fulfillment.db.operations import Intent, Operation, close, intend, settle
from fulfillment.db.tables import order_lines, orders
from fulfillment.domain.errors import CarrierRefused
from fulfillment.domain.events import EventKind
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.carriers import Carrier

_ITEMS = (
    select(func.jsonb_agg(func.jsonb_build_object("sku", order_lines.c.sku, "quantity", order_lines.c.quantity)))
    .where(order_lines.c.order_id == orders.c.id)
    .scalar_subquery()
    .label("items")
)


class LedgeredShippingActivities(ShippingActivities):
    """Intent and result of every call stand in the operations ledger; no transaction is open during a call."""

    def __init__(self, database: Database, carrier: Carrier, name: str) -> None:
        self._database = database
        self._carrier = carrier
        self._name = name

    @activity.defn
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        operation = await self._intend(request)
        answer = Answer(reference=operation.provider_reference, refusal=operation.refusal)
        if operation.state in (OperationState.INTENDED, OperationState.UNKNOWN):
            answer = await ask(
                self._database, operation, find=self._carrier.find, call=lambda: self._book(request, operation)
            )
            await self._record(request, operation.key, answer)
        if answer.reference is None:
            raise CarrierRefused
        return ShipmentBooked(carrier=self._name, tracking_number=answer.reference)

    async def _intend(self, request: BookShipment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.BOOK, request.n),
            order_id=request.order_id,
            kind=OperationKind.BOOK,
            n=request.n,
            provider=self._name,
            during=(OrderStatus.PROCESSING,),
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, orders.c.shipping_address, _ITEMS)

    async def _book(self, request: BookShipment, operation: Operation) -> Answer:
        return await self._carrier.book(
            operation.key, request.order_id, operation.order.shipping_address, operation.order.items
        )

    async def _record(self, request: BookShipment, key: str, answer: Answer) -> None:
        if answer.reference is None:
            async with self._database.statement() as connection:
                await close(connection, key, OperationState.REFUSED, refusal=answer.refusal)
            return
        effects: list[Effect] = [
            settle(key, OperationState.DONE, reference=answer.reference),
            shipments.book(request.n, self._name, answer.reference),
            shipments.claim_early_events(self._name, answer.reference),
        ]
        async with self._database.statement() as connection:
            await apply(connection, self._booked(request, key, answer.reference), *effects)

    def _booked(self, request: BookShipment, key: str, tracking_number: str) -> Change:
        data = {"carrier": self._name, "tracking_number": tracking_number}
        return Change(
            order_id=request.order_id,
            facts=(Fact(kind=EventKind.SHIPMENT_BOOKED, key=key, data=data),),
            path=(OrderStatus.AWAITING_SHIPMENT,) if request.completes else (),
            during=(OrderStatus.PROCESSING,),
        )
