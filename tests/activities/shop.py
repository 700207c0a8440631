"""
Provider steps as a worker is wired with them: a real database, the real sandbox over HTTP.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from fulfillment.bootstrap import Activities
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment, ReversePayment
from fulfillment.contracts.shipping import BookShipment, ShipmentBooked
from fulfillment.db.operations import Intent, intend
from fulfillment.db.tables import operations
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse
from tests.sandbox.running import SandboxClient

TOTAL = Money(3000, "EUR")
Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Shop:
    """An order's provider steps, and what became of them on both sides."""

    warehouse: Warehouse
    activities: Activities
    sandbox: SandboxClient

    async def placed(self, **order: Any) -> OrderId:
        """An order over 30.00 EUR that is being processed."""
        await self.warehouse.stocked_up("LAMP")
        new = an_order(**order)
        await self.warehouse.place(new)
        return new.order_id

    async def authorize(self, order_id: OrderId) -> None:
        """Run the step once."""
        await _run(self.activities.payments.authorize_payment, AuthorizePayment(order_id=order_id, n=1, amount=TOTAL))

    async def capture(self, order_id: OrderId) -> None:
        """Run the step once."""
        await _run(self.activities.payments.capture_payment, CapturePayment(order_id=order_id, n=1, amount=TOTAL))

    async def reverse(self, order_id: OrderId) -> None:
        """Run the step once, for an order whose rejection has begun."""
        if (await self.warehouse.order(order_id)).status != OrderStatus.CANCELLING:
            await self.warehouse.begin_rejection(order_id)
        await _run(self.activities.payments.reverse_payment, ReversePayment(order_id=order_id, n=1, amount=TOTAL))

    async def book(self, order_id: OrderId, *, completes: bool = False) -> ShipmentBooked:
        """Run the step once."""
        request = BookShipment(order_id=order_id, n=1, completes=completes)
        return await _run(self.activities.shipping.book_shipment, request)

    async def intend(self, order_id: OrderId, kind: OperationKind) -> str:
        """Get as far as writing the intent down, and then die; the operation's key."""
        key = operation_key(order_id, kind, 1)
        intent = Intent(
            key=key,
            order_id=order_id,
            kind=kind,
            n=1,
            provider="sandbox",
            during=(OrderStatus.PROCESSING, OrderStatus.CANCELLING),
            amount=TOTAL,
        )
        async with self.warehouse.database.statement() as connection:
            await intend(connection, intent)
        return key

    async def state(self, order_id: OrderId, kind: OperationKind) -> str:
        """What our own ledger says about an operation."""
        statement = select(operations.c.state).where(operations.c.key == operation_key(order_id, kind, 1))
        async with self.warehouse.database.statement() as connection:
            return str(await connection.scalar(statement))

    def ledger(self, order_id: OrderId) -> list[tuple[str, str]]:
        """What the provider did and declined."""
        return self.sandbox.ledger(str(order_id))

    def balance(self, order_id: OrderId) -> tuple[int, int, int]:
        """Authorised, captured and refunded at the provider."""
        return self.sandbox.summary(str(order_id))

    def nothing_but_look_ups(self) -> None:
        """From now on the provider answers questions only."""
        down = {operation: {"down": True} for operation in ("authorize", "capture", "void", "refund", "book")}
        assert self.sandbox.put("/control", json=down).status_code == 200


async def _run(step: Callable[[Request], Awaitable[Result]], request: Request) -> Result:
    result: Result = await ActivityEnvironment().run(step, request)
    return result
