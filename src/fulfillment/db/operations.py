"""
The operations ledger, before a provider is called: what an attempt finds there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    extract,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from fulfillment.db import intents
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Reading
from fulfillment.db.intents import COLUMNS, Intent
from fulfillment.db.tables import operations, orders
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState

OPEN = (OperationState.INTENDED, OperationState.UNKNOWN, OperationState.PARKED)
"""The states in which a result is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An operation of the order as the ledger had it before this attempt."""

    key: str
    kind: OperationKind
    n: int
    state: OperationState
    provider: str
    reference: str | None
    amount: Money | None
    attempts: int
    not_done: int
    age: timedelta

    @property
    def may_have_happened(self) -> bool:
        """It has no result, and some attempt may have reached the provider."""
        return self.state in OPEN and self.attempts > self.not_done

    @property
    def is_nothing(self) -> bool:
        """There is nothing to undo: it is undone, was refused, or every attempt certainly did nothing."""
        return self.state is not OperationState.DONE and not self.may_have_happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    The ledger's entry as this attempt made it, and what was read of the order with it.

    `not_done` counts the earlier attempts that certainly did nothing, `failures` what was counted against the bound;
    `age` is the time since the first one began. `actor` had brought the order to where this is due by then. `entries`
    are what was read as `ENTRIES`, by their number.
    """

    key: str
    state: OperationState
    provider: str
    provider_reference: str | None
    refusal: str | None
    attempts: int
    failures: int
    not_done: int
    age: timedelta
    actor: str
    order: Any
    entries: tuple[Entry, ...]

    @property
    def is_open(self) -> bool:
        """A result is still to come."""
        return self.state in OPEN

    @property
    def may_have_happened(self) -> bool:
        """An earlier attempt may have reached the provider: look up before asking again."""
        return self.attempts - 1 > self.not_done


_authorizations = operations.alias("authorizations")

AUTHORIZATION = (
    select(_authorizations.c.provider_reference)
    .where(_authorizations.c.key == bindparam("authorization_key", type_=Text))
    .scalar_subquery()
    .label("authorization")
)
"""The provider's name for the operation `authorization_key`, to be read with an intent."""

_entries = operations.alias("entries")

ENTRIES = (
    select(
        func.coalesce(
            func.jsonb_agg(
                func.jsonb_build_object(
                    *("key", _entries.c.key, "kind", _entries.c.kind, "n", _entries.c.n, "state", _entries.c.state),
                    *("provider", _entries.c.provider, "reference", _entries.c.provider_reference),
                    *("amount", _entries.c.amount, "currency", _entries.c.currency),
                    *("attempts", _entries.c.attempts, "not_done", _entries.c.not_done),
                    *("age", extract("epoch", func.now() - _entries.c.created_at)),
                )
            ),
            cast(literal([], JSONB), JSONB),
        )
    )
    .where(_entries.c.order_id == orders.c.id, _entries.c.kind == any_(bindparam("entry_kinds", type_=ARRAY(Text))))
    .scalar_subquery()
    .label("entries")
)
"""The order's operations of `entry_kinds` as they were before this attempt, to be read with an intent."""


async def intend(
    connection: Reading, intent: Intent, *columns: ColumnElement[Any], **values: str | Iterable[str]
) -> Operation:
    """
    Write the intent, or count another attempt at it, and read `columns` of the order: one round trip.

    `values` are the parameters of the columns.

    Raises:
        OutOfStep: the order is in no status in which this may be asked, and there is no result from when it was.
    """
    parameters = intents.parameters(intent) | values
    row = (await connection.execute(intents.statement(columns), parameters)).first()
    if row is None:
        row = await _existing(connection, intent, columns, parameters)
    return Operation(
        key=row.key,
        state=OperationState(row.state),
        provider=row.provider,
        provider_reference=row.provider_reference,
        refusal=row.refusal,
        attempts=row.attempts,
        failures=row.failures,
        not_done=row.not_done,
        age=row.age,
        actor=row.actor,
        order=row,
        entries=tuple(sorted(map(_entry, getattr(row, "entries", ())), key=lambda entry: entry.n)),
    )


_HANDED = operations.c.key == bindparam("handed_key", type_=Text)
_PROVIDER = select(operations.c.provider).where(_HANDED)
_HAND_ON = (
    update(operations)
    .where(
        _HANDED,
        operations.c.provider == bindparam("provider_before", type_=Text),
        operations.c.state == OperationState.INTENDED.value,
        # One more has begun than is over: the caller's. With another in flight there are two.
        operations.c.attempts == operations.c.not_done + 1,
    )
    .values(provider=bindparam("provider_after", type_=Text), updated_at=func.now())
    .returning(operations.c.provider)
)


async def hand_on(connection: Reading, key: str, before: str, after: str) -> str:
    """
    Have an operation asked of another provider from now on, if nothing can have come of it at the one before: every
    attempt but the caller's own is over and certainly did nothing.

    Returns:
        The provider that is to be asked.
    """
    parameters = {"handed_key": key, "provider_before": before, "provider_after": after}
    handed = await connection.scalar(_HAND_ON, parameters)
    return handed or await connection.scalar(_PROVIDER, {"handed_key": key}) or before


async def _existing(
    connection: Reading, intent: Intent, columns: tuple[ColumnElement[Any], ...], parameters: dict[str, Any]
) -> Row[Any]:
    written: Select[Any] = (
        select(*COLUMNS, *columns)
        .join(orders, orders.c.id == operations.c.order_id)
        .where(operations.c.key == bindparam("intent_key", type_=Text))
    )
    row: Row[Any] | None = (await connection.execute(written, parameters)).first()
    # An attempt that comes after the order went on must not reach the provider any more.
    if row is not None and row.state not in OPEN:
        return row
    status = await connection.scalar(select(orders.c.status).where(orders.c.id == intent.order_id))
    raise OutOfStep(intent.order_id, status or "not written", intent.kind)


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(
        key=record["key"],
        kind=OperationKind(record["kind"]),
        n=record["n"],
        state=OperationState(record["state"]),
        provider=record["provider"],
        reference=record["reference"],
        amount=None if record["amount"] is None else Money(record["amount"], record["currency"]),
        attempts=record["attempts"],
        not_done=record["not_done"],
        age=timedelta(seconds=record["age"]),
    )
