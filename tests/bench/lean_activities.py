"""
The lean saga's activities: as few as it takes when every step is remote, one transaction in each.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from temporalio import activity
from temporalio.exceptions import ApplicationError

from fulfillment.contracts.orders import Address, Line, StartOrder
from fulfillment.db.engine import Database
from fulfillment.domain.money import Money
from tests.bench.peer_database import by_sku
from tests.bench.peer_providers import Providers

_PLACE = sa.text(
    "INSERT INTO bench_lean.orders (id, customer_id, email, status, total, currency, shipping_address)"
    " VALUES (:id, :customer_id, :email, 'reserved', :total, :currency, :address)"
    " ON CONFLICT DO NOTHING RETURNING id"
).bindparams(sa.bindparam("address", type_=JSONB))
_LINES = sa.text(
    "INSERT INTO bench_lean.order_lines (order_id, position, sku, quantity, unit_price)"
    " VALUES (:order_id, :position, :sku, :quantity, :unit_price)"
)
_RESERVE = sa.text(
    "UPDATE bench_lean.stock SET reserved = reserved + :quantity"
    " WHERE sku = :sku AND on_hand - reserved >= :quantity RETURNING sku"
)
_AUTHORIZED = sa.text(
    "UPDATE bench_lean.orders SET status = 'authorized', payment_id = :reference, updated_at = now() WHERE id = :id"
)
_BOOKED = sa.text(
    "UPDATE bench_lean.orders SET status = 'booked', tracking_number = :reference, updated_at = now() WHERE id = :id"
)
_CAPTURED = sa.text(
    "UPDATE bench_lean.orders SET status = 'captured', booked_at = now(), updated_at = now() WHERE id = :id"
)
_COMPLETED = sa.text("UPDATE bench_lean.orders SET status = 'completed', updated_at = now() WHERE id = :id")


@dataclass(frozen=True, kw_only=True)
class Authorize:
    order_id: UUID
    token: str
    total: Money


@dataclass(frozen=True, kw_only=True)
class Book:
    order_id: UUID
    address: Address
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Capture:
    order_id: UUID
    authorization: str
    total: Money


@dataclass(frozen=True, kw_only=True)
class Complete:
    order_id: UUID


class LeanActivities:
    """Provider call, then its result in one transaction: no intent before the call, so a lost answer stays lost."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    @activity.defn
    async def place_and_reserve(self, order: StartOrder) -> None:
        total = order.total
        row = {
            "id": order.order_id,
            "customer_id": order.customer_id,
            "email": order.email,
            "total": total.amount,
            "currency": total.currency,
            "address": asdict(order.shipping_address),
        }
        lines = [
            {
                "order_id": order.order_id,
                "position": position,
                "sku": line.sku,
                "quantity": line.quantity,
                "unit_price": line.unit_price.amount,
            }
            for position, line in enumerate(order.lines)
        ]
        async with self._database.transaction() as connection:
            if (await connection.execute(_PLACE, row)).first() is None:
                return
            await connection.execute(_LINES, lines)
            for line in by_sku(order):
                wanted = {"sku": line.sku, "quantity": line.quantity}
                if (await connection.execute(_RESERVE, wanted)).first() is None:
                    raise ApplicationError("out of stock", non_retryable=True)

    @activity.defn
    async def authorize(self, request: Authorize) -> str:
        authorization = await self._providers.authorize(request.order_id, request.token, request.total)
        await self._write(_AUTHORIZED, {"id": request.order_id, "reference": authorization})
        return authorization

    @activity.defn
    async def book(self, request: Book) -> str:
        tracking_number = await self._providers.book(request.order_id, request.address, request.lines)
        await self._write(_BOOKED, {"id": request.order_id, "reference": tracking_number})
        return tracking_number

    @activity.defn
    async def capture(self, request: Capture) -> None:
        await self._providers.capture(request.order_id, request.authorization, request.total)
        await self._write(_CAPTURED, {"id": request.order_id})

    @activity.defn
    async def complete(self, request: Complete) -> None:
        await self._write(_COMPLETED, {"id": request.order_id})

    async def _write(self, statement: sa.TextClause, values: dict[str, object]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(statement, values)
