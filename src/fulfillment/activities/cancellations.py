"""
Keeping a parcel back: the gate of every undo.
"""

from dataclasses import replace
from datetime import timedelta

from fulfillment.activities.carriers import Carriers
from fulfillment.activities.shipment_changes import booked, cancelled
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.providers import Told
from fulfillment.contracts.shipping import CancelledShipment, CancelShipment, ShipmentBooked, ShipmentCancellation
from fulfillment.db.changes import apply
from fulfillment.db.engine import Database
from fulfillment.db.intents import Intent
from fulfillment.db.operations import ENTRIES, Entry, Operation, intend
from fulfillment.db.outcomes import abandon, close, park
from fulfillment.domain.errors import CannotTell, UndoRefused
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus
from fulfillment.gateways.answers import TOO_LATE, Answer

_DONE = ShipmentCancellation.DONE


class ShipmentCancellations:
    """
    Cancels what was booked, also what nobody told us was: it is looked up first, and written down as if it had been.
    """

    def __init__(self, database: Database, carriers: Carriers) -> None:
        self._database = database
        self._carriers = carriers

    async def cancel(self, request: CancelShipment) -> CancelledShipment:
        """
        Undo a booking.

        Raises:
            TransientError: the carrier is away, or its answer was lost.
            DomainError: as in the contract of `cancel_shipment`.
        """
        operation = await self._intend(request)
        booking = next((entry for entry in operation.entries if entry.n == request.parcel), None)
        parcel = _parcel(booking) if booking else None
        if operation.state is OperationState.REFUSED:
            return CancelledShipment(outcome=ShipmentCancellation.TOO_LATE, parcel=parcel)
        if booking is None or booking.is_nothing:
            return await self._nothing_to_do(operation, booking, parcel)
        if request.told is not None:
            return await self._cancel_as_told(request, request.told, operation, booking, parcel)
        if parcel is None:
            parcel = await self._find(request, operation, booking)
            if parcel is None and not request.last_look:
                return CancelledShipment(outcome=ShipmentCancellation.LOOK_AGAIN)
            if parcel is None:
                return await self._nothing_to_do(operation, booking, None)
        return await self._cancel(request, operation, booking, parcel)

    async def _cancel_as_told(
        self,
        request: CancelShipment,
        told: Told,
        operation: Operation,
        booking: Entry,
        parcel: ShipmentBooked | None,
    ) -> CancelledShipment:
        """An operator knows what became of the booking, or that the carrier has the parcel."""
        if parcel is None and told.reference is not None:
            parcel = await self._write_down(request, booking, told.reference)
        if not told.happened and told.operation == operation.key:
            return await self._refused(operation, Answer(refusal=TOO_LATE), parcel)
        if parcel is None:
            return await self._nothing_to_do(operation, booking, None)
        return await self._cancel(request, operation, booking, parcel)

    async def _nothing_to_do(
        self, operation: Operation, booking: Entry | None, parcel: ShipmentBooked | None
    ) -> CancelledShipment:
        async with self._database.statement() as connection:
            await abandon(connection, operation.key, *([booking.key] if booking else []))
        return CancelledShipment(outcome=_DONE, parcel=parcel)

    async def _find(self, request: CancelShipment, operation: Operation, booking: Entry) -> ShipmentBooked | None:
        carrier = self._carriers.called(booking.provider)
        async with carrier.asking.counting(operation.key, request.patience):
            found = await carrier.gateway.find(booking.key)
        if found is not None and found.reference is not None:
            return await self._write_down(request, booking, found.reference)
        if booking.age > request.patience.memory:
            raise CannotTell(booking.key)
        return None

    async def _write_down(self, request: CancelShipment, booking: Entry, tracking_number: str) -> ShipmentBooked:
        parcel = ShipmentBooked(carrier=booking.provider, tracking_number=tracking_number)
        degraded = self._carriers.is_second(booking.provider)
        change, effects = booked(request.order_id, request.parcel, parcel, OrderStatus.CANCELLING, degraded=degraded)
        async with self._database.statement() as connection:
            await apply(connection, change, *effects)
        return parcel

    async def _cancel(
        self, request: CancelShipment, operation: Operation, booking: Entry, parcel: ShipmentBooked
    ) -> CancelledShipment:
        carrier = self._carriers.called(booking.provider)
        answer = await carrier.asking.ask(
            operation,
            # A parcel can be cancelled any number of times, so the age of the first try does not matter.
            replace(request, patience=replace(request.patience, memory=timedelta.max)),
            find=lambda _: carrier.gateway.find_cancelled(booking.key),
            call=lambda: carrier.gateway.cancel(operation.key, parcel.tracking_number),
        )
        if answer.refusal:
            return await self._refused(operation, answer, parcel)
        change, effects = cancelled(request.order_id, operation.key, request.parcel, parcel)
        async with self._database.statement() as connection:
            await apply(connection, change, *effects)
        return CancelledShipment(outcome=_DONE, parcel=parcel)

    async def _refused(self, operation: Operation, answer: Answer, parcel: ShipmentBooked | None) -> CancelledShipment:
        async with self._database.statement() as connection:
            if answer.refusal == TOO_LATE:
                await close(connection, operation.key, OperationState.REFUSED, refusal=TOO_LATE)
                return CancelledShipment(outcome=ShipmentCancellation.TOO_LATE, parcel=parcel)
            await park(connection, operation.key, answer.refusal or "")
        raise UndoRefused(operation.key)

    async def _intend(self, request: CancelShipment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.CANCEL, request.n),
            order_id=request.order_id,
            kind=OperationKind.CANCEL,
            n=request.n,
            provider=self._carriers.first.name,
            during=(OrderStatus.CANCELLING,),
            follows=operation_key(request.order_id, OperationKind.BOOK, request.parcel),
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, ENTRIES, entry_kinds=[OperationKind.BOOK])


def _parcel(booking: Entry) -> ShipmentBooked | None:
    if booking.reference is None:
        return None
    return ShipmentBooked(carrier=booking.provider, tracking_number=booking.reference)
