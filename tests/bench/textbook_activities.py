"""
The textbook saga's activities: a remote call each, and a transaction each where there is something to write.
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

_FRAUD_LIMIT = 100_000_000

_RECORD = sa.text(
    "INSERT INTO bench_textbook.orders (id, customer_id, email, status, total, currency, shipping_address)"
    " VALUES (:id, :customer_id, :email, 'received', :total, :currency, :address) ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("address", type_=JSONB))
_RECORD_LINE = sa.text(
    "INSERT INTO bench_textbook.order_lines (order_id, position, sku, quantity, unit_price)"
    " VALUES (:order_id, :position, :sku, :quantity, :unit_price) ON CONFLICT DO NOTHING"
)
_SET_STATUS = sa.text("UPDATE bench_textbook.orders SET status = :status, updated_at = now() WHERE id = :id")
_SET_BOOKED = sa.text(
    "UPDATE bench_textbook.orders SET status = :status, updated_at = now(), booked_at = now() WHERE id = :id"
)
_RESERVED = sa.text(
    "INSERT INTO bench_textbook.reservations (order_id, sku, quantity) VALUES (:order_id, :sku, :quantity)"
    " ON CONFLICT DO NOTHING RETURNING sku"
)
_RESERVE = sa.text(
    "UPDATE bench_textbook.stock SET reserved = reserved + :quantity"
    " WHERE sku = :sku AND on_hand - reserved >= :quantity RETURNING sku"
)
_EMAIL = sa.text(
    "INSERT INTO bench_textbook.emails (order_id, recipient, subject) VALUES (:order_id, :recipient, :subject)"
    " ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, kw_only=True)
class FraudCheck:
    order_id: UUID
    customer_id: str
    total: Money


@dataclass(frozen=True, kw_only=True)
class StatusChange:
    order_id: UUID
    status: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    order_id: UUID
    token: str
    total: Money


@dataclass(frozen=True, kw_only=True)
class Shipment:
    order_id: UUID
    address: Address
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    order_id: UUID
    email: str
    tracking_number: str


class TextbookActivities:
    """As the book has them, with a real database and real providers behind them."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    @activity.defn
    async def validate_order(self, order: StartOrder) -> None:
        if not order.lines or any(line.quantity <= 0 for line in order.lines):
            raise ApplicationError("invalid order", non_retryable=True)

    @activity.defn
    async def record_order(self, order: StartOrder) -> None:
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
            await connection.execute(_RECORD, row)
            await connection.execute(_RECORD_LINE, lines)

    @activity.defn
    async def check_fraud(self, check: FraudCheck) -> bool:
        return check.total.amount < _FRAUD_LIMIT

    @activity.defn
    async def set_status(self, change: StatusChange) -> None:
        statement = _SET_BOOKED if change.status == "booked" else _SET_STATUS
        async with self._database.transaction() as connection:
            await connection.execute(statement, {"id": change.order_id, "status": change.status})

    @activity.defn
    async def reserve_inventory(self, order: StartOrder) -> None:
        async with self._database.transaction() as connection:
            for line in by_sku(order):
                wanted = {"order_id": order.order_id, "sku": line.sku, "quantity": line.quantity}
                if (await connection.execute(_RESERVED, wanted)).first() is None:
                    continue
                if (await connection.execute(_RESERVE, wanted)).first() is None:
                    raise ApplicationError("out of stock", non_retryable=True)

    @activity.defn
    async def charge_payment(self, charge: Charge) -> str:
        authorization = await self._providers.authorize(charge.order_id, charge.token, charge.total)
        await self._providers.capture(charge.order_id, authorization, charge.total)
        return authorization

    @activity.defn
    async def create_shipment(self, shipment: Shipment) -> str:
        return await self._providers.book(shipment.order_id, shipment.address, shipment.lines)

    @activity.defn
    async def send_confirmation_email(self, confirmation: Confirmation) -> None:
        row = {
            "order_id": confirmation.order_id,
            "recipient": confirmation.email,
            "subject": f"Your parcel {confirmation.tracking_number}",
        }
        async with self._database.transaction() as connection:
            await connection.execute(_EMAIL, row)
