"""
The operations ledger: the intent is written before a provider is called, the result after.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, CTE, ColumnElement, Row, Text, any_, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.changes import Effect, OutOfStep
from fulfillment.db.engine import Reading
from fulfillment.db.tables import operations, orders
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An effect about to be asked of a provider, legal while the order is in one of `during`."""

    key: str
    order_id: OrderId
    kind: OperationKind
    n: int
    provider: str
    during: tuple[OrderStatus, ...]
    amount: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The ledger's entry, and what was read of the order with it."""

    key: str
    state: OperationState
    provider_reference: str | None
    refusal: str | None
    attempts: int
    order: Any

    @property
    def may_have_happened(self) -> bool:
        """An earlier attempt may have reached the provider: look up before asking again."""
        return self.attempts > 1


async def intend(connection: Reading, intent: Intent, *columns: ColumnElement[Any]) -> Operation:
    """
    Write the intent, or count another attempt at it, and read `columns` of the order: one round trip.

    Raises:
        OutOfStep: the order is in no status in which this may be asked, and it never was.
    """
    entry = _upserted(intent)
    row = (
        await connection.execute(
            select(entry, *columns).select_from(entry.join(orders, orders.c.id == entry.c.order_id))
        )
    ).first()
    if row is None:
        row = await _existing(connection, intent, columns)
    return Operation(
        key=row.key,
        state=OperationState(row.state),
        provider_reference=row.provider_reference,
        refusal=row.refusal,
        attempts=row.attempts,
        order=row,
    )


async def close(connection: Reading, key: str, state: OperationState, *, refusal: str | None = None) -> None:
    """Note a state that changes nothing about the order; a result that is known already stays."""
    await connection.execute(
        update(operations)
        .where(operations.c.key == key, operations.c.state.in_((OperationState.INTENDED, OperationState.UNKNOWN)))
        .values(state=state, refusal=refusal, updated_at=func.now())
    )


def settle(key: str, state: OperationState, *, reference: str | None = None, refusal: str | None = None) -> Effect:
    """The result of an operation, written with the change it makes to its order."""
    return lambda changed: (
        update(operations)
        .where(operations.c.key == key, operations.c.order_id == changed.c.id)
        .values(state=state, provider_reference=reference, refusal=refusal, updated_at=func.now())
        .cte(f"settled_{state}")
    )


def reference_of(key: str) -> ColumnElement[Any]:
    """The provider's name for another operation of the order, as a column."""
    return select(operations.c.provider_reference).where(operations.c.key == key).scalar_subquery()


_COLUMNS = (
    operations.c.key,
    operations.c.order_id,
    operations.c.state,
    operations.c.provider_reference,
    operations.c.refusal,
    operations.c.attempts,
)


def _upserted(intent: Intent) -> CTE:
    money = intent.amount
    source = select(
        literal(intent.key, Text),
        orders.c.id,
        literal(intent.kind.value, Text),
        literal(intent.n),
        literal(money.amount if money else None, operations.c.amount.type),
        literal(money.currency if money else None, operations.c.currency.type),
        literal(OperationState.INTENDED.value, Text),
        literal(intent.provider, Text),
    ).where(orders.c.id == intent.order_id, orders.c.status == any_(cast(list(intent.during), ARRAY(Text))))
    return (
        insert(operations)
        .from_select(["key", "order_id", "kind", "n", "amount", "currency", "state", "provider"], source)
        .on_conflict_do_update(
            index_elements=[operations.c.key], set_={"attempts": operations.c.attempts + 1, "updated_at": func.now()}
        )
        .returning(*_COLUMNS)
        .cte("entry")
    )


async def _existing(connection: Reading, intent: Intent, columns: tuple[ColumnElement[Any], ...]) -> Row[Any]:
    row = (
        await connection.execute(
            select(*_COLUMNS, *columns)
            .join(orders, orders.c.id == operations.c.order_id)
            .where(operations.c.key == intent.key)
        )
    ).first()
    if row is not None:
        return row
    status = await connection.scalar(select(orders.c.status).where(orders.c.id == intent.order_id))
    raise OutOfStep(intent.order_id, status or "not written", intent.kind)
