"""
The operations ledger, before a provider is called: the intent, and what is read with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    ScalarSelect,
    Select,
    String,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from fulfillment.db.changes import SYSTEM, OutOfStep
from fulfillment.db.engine import Reading
from fulfillment.db.tables import operations, order_events, orders, payment_requests
from fulfillment.domain.events import EventKind
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


OPEN = (OperationState.INTENDED, OperationState.UNKNOWN, OperationState.PARKED)
"""The states in which a result is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An operation of the order as the ledger had it before this attempt."""

    key: str
    kind: OperationKind
    n: int
    state: OperationState
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

    `not_done` counts the earlier attempts that certainly did nothing; `age` is the time since the first one began.
    `actor` had brought the order to where this is due by then. `entries` are what was read as `ENTRIES`, by their
    number.
    """

    key: str
    state: OperationState
    provider_reference: str | None
    refusal: str | None
    attempts: int
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
                    *("reference", _entries.c.provider_reference),
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
        not_done=row.not_done,
        age=row.age,
        actor=row.actor,
        order=row,
        entries=tuple(sorted(map(_entry, getattr(row, "entries", ())), key=lambda entry: entry.n)),
    )


_COLUMNS = (
    operations.c.key,
    operations.c.order_id,
    operations.c.state,
    operations.c.provider_reference,
    operations.c.refusal,
    operations.c.attempts,
    operations.c.not_done,
    operations.c.actor,
    (func.now() - operations.c.created_at).label("age"),
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


_ORDER = bindparam("intent_order", type_=Uuid)
_KIND = bindparam("intent_kind", type_=Text)


def _actor() -> ScalarSelect[Any]:
    """
    Who brought the order to where this is due: whoever placed it, gave a card, cancelled or answered last.

    An authorisation is for whoever gave the card, whatever somebody has changed since.
    """
    events, cards = order_events.c, payment_requests.c
    # The service does not end an order on behalf of whoever placed it.
    decided = or_(events.actor != SYSTEM, events.kind == EventKind.CANCELLATION_REQUESTED.value)
    newest = (
        select(events.actor, events.at)
        .where(
            events.order_id == _ORDER,
            decided,
            or_(_KIND.is_distinct_from(OperationKind.AUTHORIZE.value), events.kind == EventKind.ORDER_RECEIVED.value),
        )
        .order_by(events.sequence.desc())
        .limit(1)
    )
    # A card that is given later is no event.
    card = select(cards.actor, cards.at).where(cards.order_id == _ORDER).order_by(cards.n.desc()).limit(1)
    either = union_all(newest, card).subquery("either")
    return select(either.c.actor).order_by(either.c.at.desc()).limit(1).scalar_subquery()


def _upserted() -> CTE:
    source = select(
        bindparam("intent_key", type_=Text),
        orders.c.id,
        _KIND,
        bindparam("intent_n", type_=Integer),
        bindparam("intent_amount", type_=BigInteger),
        bindparam("intent_currency", type_=String),
        literal(OperationState.INTENDED.value, Text),
        bindparam("intent_provider", type_=Text),
        func.coalesce(_actor(), SYSTEM),
    ).where(
        orders.c.id == _ORDER,
        orders.c.status == any_(bindparam("intent_during", type_=ARRAY(Text))),
    )
    return (
        insert(operations)
        .from_select(["key", "order_id", "kind", "n", "amount", "currency", "state", "provider", "actor"], source)
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
        reference=record["reference"],
        amount=None if record["amount"] is None else Money(record["amount"], record["currency"]),
        attempts=record["attempts"],
        not_done=record["not_done"],
        age=timedelta(seconds=record["age"]),
    )
