"""
The one way an order changes: a single statement that moves the row, counts its version and writes its facts.

A fact has a key and is written once: a step that runs again finds its key and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Interval,
    Row,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from fulfillment.db.engine import Reading
from fulfillment.db.records import new_values, parameters_for, records
from fulfillment.db.tables import operations, order_events, orders
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus, StockState, check_path, sources

SYSTEM = "system"
"""The actor of what nobody asked for."""


class OutOfStep(Exception):
    """
    Row and workflow disagree about where an order is: a bug, or a database put back to an earlier minute.

    Not a `DomainError`, which would be final: the step is tried again and alerted until somebody mends it.
    """

    def __init__(self, order_id: OrderId, status: str, wanted: str) -> None:
        super().__init__(f"order {order_id} is {status}: that does not allow {wanted}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One event of an order's timeline; `key` names it among the facts of its order."""

    kind: EventKind
    key: str
    actor: str = SYSTEM
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Attempt `number` at the operation `key`."""

    key: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    What happens to one order: its facts, the statuses it goes through and the columns that change with them.

    An order that comes to wait for a payment gets its deadline with the change, unless it has one already; while it
    waits for an approval that stands still.
    Without a `path` the status stays; `during` names the statuses in which the change is legal (with a path: those
    that may lead to its first status). Where the order's stock is not in `only_if_stock` there is nothing to do.
    What an attempt has `found` is not written down once another attempt has begun: it may have heard something else.
    """

    order_id: OrderId
    facts: tuple[Fact, ...]
    path: tuple[OrderStatus, ...] = ()
    during: tuple[OrderStatus, ...] = ()
    only_if_stock: StockState | None = None
    found: Attempt | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def allowed(self) -> tuple[OrderStatus, ...]:
        """The statuses it may start from."""
        if not self.path:
            return self.during
        check_path(self.path[0], self.path[1:])
        return tuple(status for status in sources(self.path[0]) if not self.during or status in self.during)


@dataclass(frozen=True, slots=True)
class Effect:
    """
    A statement that runs with a change and does nothing when nothing was changed.

    `build` makes it from the changed row; it is called once per kind of change, so what differs from order to order
    goes into `values`, which it names as parameters.
    """

    build: Callable[[CTE], CTE]
    values: Mapping[str, Any]


async def apply(connection: Reading, change: Change, *effects: Effect) -> bool:
    """
    Carry out a change and its effects in one round trip.

    Returns:
        False when nothing changed now: it was carried out before, or there is nothing to do.

    Raises:
        OutOfStep: the order is in a status that does not allow it, there is no such row, or the attempt is overtaken.
    """
    columns = dict(change.values)
    if change.path:
        columns["status"] = change.path[-1]
    statement = _statement(
        tuple(sorted(columns)),
        change.only_if_stock is not None,
        change.found is not None,
        _clock(change.path),
        tuple(effect.build for effect in effects),
    )
    parameters = _parameters(change) | new_values(columns)
    for effect in effects:
        parameters |= effect.values
    try:
        done = (await connection.execute(statement, parameters)).first()
    except IntegrityError:
        # The same step ran twice at the same moment, and the other one was first: the two meet at the fact, or at what
        # else is written once with it.
        if await _is_written(connection, change):
            return False
        raise
    if done is None:
        await _explain(connection, change)
    return done is not None


def _parameters(change: Change) -> dict[str, Any]:
    return {
        "changed_order": change.order_id,
        "allowed": list(change.allowed),
        "first_fact": change.facts[0].key,
        "fact_count": len(change.facts),
        "fact": fact_rows(change.facts),
        "only_if_stock": change.only_if_stock,
        "found_key": change.found and change.found.key,
        "found_by": change.found and change.found.number,
    }


# Putting a statement together costs more than executing it: each kind is made once.
@lru_cache(maxsize=128)
def _statement(
    columns: tuple[str, ...],
    only_if_stock: bool,
    found: bool,
    clock: OrderStatus | None,
    builds: tuple[Callable[[CTE], CTE], ...],
) -> Select[Any]:
    changed = _changed(columns, only_if_stock=only_if_stock, found=found, clock=clock)
    events = events_of(select(changed.c.id, changed.c.before).subquery("row"))
    statement: Select[Any] = select(changed.c.version).add_cte(events)
    for build in builds:
        statement = statement.add_cte(build(changed))
    return statement


def _clock(path: tuple[OrderStatus, ...]) -> OrderStatus | None:
    """The status of the path that moves the time for a payment."""
    return next((status for status in path if status in _CLOCK), None)


_STOOD_STILL = func.now() - func.coalesce(orders.c.payment_paused_at, func.now())
_CLOCK: dict[OrderStatus, dict[str, ColumnElement[Any]]] = {
    OrderStatus.AWAITING_PAYMENT: {
        # The days to pay are not begun anew by a card that was declined.
        "payment_due_at": func.coalesce(
            orders.c.payment_due_at + _STOOD_STILL, func.now() + cast(orders.c.terms["payment_window"].astext, Interval)
        ),
        "payment_paused_at": null(),
    },
    # They do not go by while people decide.
    OrderStatus.AWAITING_APPROVAL: {"payment_paused_at": case((orders.c.payment_due_at.is_not(None), func.now()))},
}


# Whoever began later has looked at the provider later, or not yet: then it sees this change.
_NEWEST_ATTEMPT = exists().where(
    operations.c.key == bindparam("found_key", type_=Text),
    operations.c.attempts == bindparam("found_by", type_=Integer),
)


def _changed(columns: tuple[str, ...], *, only_if_stock: bool, found: bool, clock: OrderStatus | None) -> CTE:
    count = bindparam("fact_count", type_=Integer)
    condition = orders.c.stock == bindparam("only_if_stock", type_=Text) if only_if_stock else true()
    return (
        update(orders)
        .where(
            orders.c.id == bindparam("changed_order", type_=Uuid),
            orders.c.status == any_(bindparam("allowed", type_=ARRAY(Text))),
            ~_already(),
            condition,
            _NEWEST_ATTEMPT if found else true(),
        )
        .values(
            version=orders.c.version + 1,
            last_event=orders.c.last_event + count,
            updated_at=func.now(),
            **parameters_for(orders, columns),
            **(_CLOCK[clock] if clock else {}),
        )
        .returning(orders.c.id, orders.c.version, (orders.c.last_event - count).label("before"))
        .cte("changed")
    )


def _already() -> ColumnElement[bool]:
    return exists().where(
        order_events.c.order_id == bindparam("changed_order", type_=Uuid),
        order_events.c.key == bindparam("first_fact", type_=Text),
    )


def events_of(row: FromClause) -> CTE:
    """Insert the parameter `fact` for the order in `row` (`id`, and `before`: the sequence of its newest event)."""
    fact = records("fact", n=Integer, key=Text, kind=Text, actor=Text, data=JSONB)
    source = select(row.c.id, row.c.before + fact.c.n, fact.c.key, fact.c.kind, fact.c.actor, fact.c.data)
    return (
        insert(order_events)
        .from_select(
            ["order_id", "sequence", "key", "kind", "actor", "data"], source.select_from(row.join(fact, true()))
        )
        .cte("events")
    )


def fact_rows(facts: tuple[Fact, ...]) -> list[dict[str, Any]]:
    """The parameter `fact`."""
    return [
        {"n": n, "key": fact.key, "kind": fact.kind, "actor": fact.actor, "data": dict(fact.data)}
        for n, fact in enumerate(facts, start=1)
    ]


_STANDING = select(orders.c.status, _already().label("already")).where(
    orders.c.id == bindparam("changed_order", type_=Uuid)
)


async def _standing(connection: Reading, change: Change) -> Row[Any] | None:
    parameters = {"changed_order": change.order_id, "first_fact": change.facts[0].key}
    return (await connection.execute(_STANDING, parameters)).first()


async def _is_written(connection: Reading, change: Change) -> bool:
    row = await _standing(connection, change)
    return row is not None and row.already


async def _explain(connection: Reading, change: Change) -> None:
    row = await _standing(connection, change)
    if row is None:
        raise OutOfStep(change.order_id, "not written", change.facts[0].kind)
    if not row.already and (row.status not in change.allowed or change.found is not None):
        raise OutOfStep(change.order_id, row.status, change.facts[0].kind)
