"""
Provider steps as a worker is wired with them: a real database, the real sandbox over HTTP.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, select, update
from temporalio.testing import ActivityEnvironment

from fulfillment.bootstrap import Activities
from fulfillment.contracts.messages import Pay
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.orders import Card, Line
from fulfillment.contracts.payments import Authorization, AuthorizePayment, CapturePayment, Reversal, ReversePayment
from fulfillment.contracts.providers import Patience
from fulfillment.contracts.shipping import BookShipment, CancelledShipment, CancelShipment, ShipmentBooked
from fulfillment.contracts.steps import TakePayment
from fulfillment.db.intents import Intent
from fulfillment.db.operations import intend
from fulfillment.db.tables import operations
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse
from tests.sandbox.running import SandboxClient

TOTAL = Money(3000, "EUR")
MEMORY = timedelta(hours=23)
PATIENT = Patience(failures=100, memory=MEMORY)
Request = TypeVar("Request")
Result = TypeVar("Result")


def patient_for(failures: int) -> Patience:
    """A provider may fail so often."""
    return Patience(failures=failures, memory=MEMORY)


@dataclass(frozen=True)
class Shop:
    """
    An order's provider steps, and what became of them on both sides. Each method runs its step once, as `attempt` of
    the activity; `more` replaces fields of its request.
    """

    warehouse: Warehouse
    activities: Activities
    sandbox: SandboxClient

    async def placed(self, *lines: Line, **order: Any) -> OrderId:
        """An order over 30.00 EUR that was accepted a moment ago and is being processed."""
        await self.warehouse.stocked_up("LAMP")
        new = an_order(*lines, **{"accepted_at": datetime.now(UTC), **order})
        await self.warehouse.place(new)
        return new.order_id

    async def pay(self, order_id: OrderId, token: str) -> None:
        """Another card for an order that waits for one."""
        payment = Pay(card=Card(token=token), actor="shop", key="k2", fingerprint="f2", fingerprint_key="fingerprints")
        await self.warehouse.steps.take_payment(TakePayment(order_id=order_id, n=1, payment=payment))

    async def authorize(self, order_id: OrderId, *, attempt: int = 1, **more: Any) -> Authorization | None:
        request = AuthorizePayment(order_id=order_id, n=1, amount=TOTAL, patience=PATIENT)
        return await _run(self.activities.payments.authorize_payment, replace(request, **more), attempt)

    async def capture(self, order_id: OrderId, **more: Any) -> None:
        request = CapturePayment(order_id=order_id, n=1, authorization=1, amount=TOTAL, patience=PATIENT)
        await _run(self.activities.payments.capture_payment, replace(request, **more))

    async def reverse(self, order_id: OrderId, **more: Any) -> Reversal:
        """For an order whose undo has begun."""
        await self.begin_undo(order_id)
        request = ReversePayment(order_id=order_id, n=1, authorization=1, amount=TOTAL, patience=PATIENT)
        return await _run(self.activities.payments.reverse_payment, replace(request, **more))

    async def look_again(self, order_id: OrderId, **more: Any) -> Authorization | None:
        """For an order whose customer was asked."""
        return await self.authorize(order_id, resumes=True, **more)

    async def close(self, order_id: OrderId, **more: Any) -> Reversal:
        """For an order whose customer was asked: something else takes the place of that payment."""
        request = ReversePayment(
            order_id=order_id, n=1, authorization=1, amount=TOTAL, patience=PATIENT, last_look=True, replaces=True
        )
        return await _run(self.activities.payments.reverse_payment, replace(request, **more))

    async def book(self, order_id: OrderId, **more: Any) -> ShipmentBooked:
        request = BookShipment(order_id=order_id, n=1, patience=PATIENT)
        return await _run(self.activities.shipping.book_shipment, replace(request, **more))

    async def cancel(self, order_id: OrderId, **more: Any) -> CancelledShipment:
        """For an order whose undo has begun."""
        await self.begin_undo(order_id)
        request = CancelShipment(order_id=order_id, n=1, parcel=1, patience=PATIENT)
        return await _run(self.activities.shipping.cancel_shipment, replace(request, **more))

    async def begin_undo(self, order_id: OrderId) -> None:
        """The order is `cancelling`, now or before."""
        if (await self.warehouse.order(order_id)).status != OrderStatus.CANCELLING:
            await self.warehouse.begin_rejection(order_id)

    async def intend(self, order_id: OrderId, kind: OperationKind, provider: str = "sandbox") -> str:
        """Get as far as writing the intent down, and then die; the operation's key."""
        key = operation_key(order_id, kind, 1)
        intent = Intent(
            key=key,
            order_id=order_id,
            kind=kind,
            n=1,
            provider=provider,
            during=(OrderStatus.PROCESSING, OrderStatus.CANCELLING),
            amount=TOTAL,
        )
        async with self.warehouse.database.statement() as connection:
            await intend(connection, intent)
        return key

    async def forget_ledger(self, order_id: OrderId) -> None:
        """Our books of an order are lost."""
        async with self.warehouse.database.statement() as connection:
            await connection.execute(delete(operations).where(operations.c.order_id == order_id))

    async def grow_old(self, order_id: OrderId) -> None:
        """The order's operations were intended longer ago than providers remember."""
        async with self.warehouse.database.statement() as connection:
            await connection.execute(
                update(operations)
                .where(operations.c.order_id == order_id)
                .values(created_at=operations.c.created_at - MEMORY - timedelta(minutes=1))
            )

    async def misspell(self, order_id: OrderId, kind: OperationKind) -> None:
        """The provider has never heard of what our ledger calls the result of an operation."""
        async with self.warehouse.database.statement() as connection:
            await connection.execute(
                update(operations)
                .where(operations.c.key == operation_key(order_id, kind, 1))
                .values(provider_reference="misspelt")
            )

    async def entry(self, order_id: UUID, kind: OperationKind, n: int = 1) -> Any:
        """The row of an operation in our own ledger; None when it was never intended."""
        statement = select(operations).where(operations.c.key == operation_key(OrderId(order_id), kind, n))
        async with self.warehouse.database.statement() as connection:
            return (await connection.execute(statement)).one_or_none()

    async def state(self, order_id: UUID, kind: OperationKind, n: int = 1) -> str | None:
        """What our own ledger says about an operation."""
        entry = await self.entry(order_id, kind, n)
        return None if entry is None else str(entry.state)

    async def customer(self, order_id: OrderId, *, agrees: bool, n: int = 1) -> int:
        """The customer does what the bank asks for in authorisation number `n`, or does not; the provider's answer."""
        payment = (await self.entry(order_id, OperationKind.AUTHORIZE, n)).provider_reference
        return self.sandbox.settle(f"/payments/authorizations/{payment}", agree=agrees).status_code

    def ledger(self, order_id: OrderId) -> list[tuple[str, str]]:
        """What the provider did and declined."""
        return self.sandbox.ledger(str(order_id))

    def balance(self, order_id: OrderId) -> tuple[int, int, int]:
        """Authorised, captured and refunded at the provider."""
        return self.sandbox.summary(str(order_id))

    def parcels(self, order_id: OrderId) -> list[str]:
        """Where the order's parcels are, by the carrier's word."""
        return [parcel["status"] for parcel in self.sandbox.parcels(str(order_id))]

    def control(self, **faults: Any) -> None:
        """From now on these faults happen, and no others."""
        assert self.sandbox.put("/control", json=faults).status_code == 200

    def nothing_but_look_ups(self) -> None:
        """From now on the provider answers questions only."""
        effects = ("authorize", "capture", "void", "refund", "book", "cancel")
        self.control(**{operation: {"down": True} for operation in effects})


async def _run(step: Callable[[Request], Awaitable[Result]], request: Request, attempt: int = 1) -> Result:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt)
    result: Result = await environment.run(step, request)
    return result
