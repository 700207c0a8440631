"""
The operations ledger: the intent is written before a provider is called, the result after.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    select,
    update,
)
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


_authorizations = operations.alias("authorizations")

AUTHORIZATION = (
    select(_authorizations.c.provider_reference)
    .where(_authorizations.c.key == bindparam("authorization_key", type_=Text))
    .scalar_subquery()
    .label("authorization")
)
"""The provider's name for the operation `authorization_key`, to be read with an intent."""


async def intend(connection: Reading, intent: Intent, *columns: ColumnElement[Any], **values: str) -> Operation:
    """
    Write the intent, or count another attempt at it, and read `columns` of the order: one round trip.

    `values` are the parameters of the columns.

    Raises:
        OutOfStep: the order is in no status in which this may be asked, and it never was.
    """
    parameters = _parameters(intent) | values
    row = (await connection.execute(_intent_statement(columns), parameters)).first()
    if row is None:
        row = await _existing(connection, intent, columns, parameters)
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
    return Effect(
        _settle,
        {"settled_key": key, "settled_state": state, "settled_reference": reference, "settled_refusal": refusal},
    )


def _settle(changed: CTE) -> CTE:
    return (
        update(operations)
        .where(operations.c.key == bindparam("settled_key", type_=Text), operations.c.order_id == changed.c.id)
        .values(
            state=bindparam("settled_state", type_=Text),
            provider_reference=bindparam("settled_reference", type_=Text),
            refusal=bindparam("settled_refusal", type_=Text),
            updated_at=func.now(),
        )
        .cte("settled")
    )


_COLUMNS = (
    operations.c.key,
    operations.c.order_id,
    operations.c.state,
    operations.c.provider_reference,
    operations.c.refusal,
    operations.c.attempts,
)


def _parameters(intent: Intent) -> dict[str, Any]:
    return {
        "intent_key": intent.key,
        "intent_order": intent.order_id,
        "intent_kind": intent.kind,
        "intent_n": intent.n,
        "intent_amount": intent.amount.amount if intent.amount else None,
        "intent_currency": intent.amount.currency if intent.amount else None,
        "intent_provider": intent.provider,
        "intent_during": list(intent.during),
    }


# Putting a statement together costs more than executing it: each kind of intent is made once.
@lru_cache(maxsize=32)
def _intent_statement(columns: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    entry = _upserted()
    return select(entry, *columns).select_from(entry.join(orders, orders.c.id == entry.c.order_id))


def _upserted() -> CTE:
    source = select(
        bindparam("intent_key", type_=Text),
        orders.c.id,
        bindparam("intent_kind", type_=Text),
        bindparam("intent_n", type_=Integer),
        bindparam("intent_amount", type_=BigInteger),
        bindparam("intent_currency", type_=String),
        literal(OperationState.INTENDED.value, Text),
        bindparam("intent_provider", type_=Text),
    ).where(
        orders.c.id == bindparam("intent_order", type_=Uuid),
        orders.c.status == any_(bindparam("intent_during", type_=ARRAY(Text))),
    )
    return (
        insert(operations)
        .from_select(["key", "order_id", "kind", "n", "amount", "currency", "state", "provider"], source)
        .on_conflict_do_update(
            index_elements=[operations.c.key], set_={"attempts": operations.c.attempts + 1, "updated_at": func.now()}
        )
        .returning(*_COLUMNS)
        .cte("entry")
    )


async def _existing(
    connection: Reading, intent: Intent, columns: tuple[ColumnElement[Any], ...], parameters: dict[str, Any]
) -> Row[Any]:
    written = (
        select(*_COLUMNS, *columns)
        .join(orders, orders.c.id == operations.c.order_id)
        .where(operations.c.key == bindparam("intent_key", type_=Text))
    )
    row = (await connection.execute(written, parameters)).first()
    if row is not None:
        return row
    status = await connection.scalar(select(orders.c.status).where(orders.c.id == intent.order_id))
    raise OutOfStep(intent.order_id, status or "not written", intent.kind)
