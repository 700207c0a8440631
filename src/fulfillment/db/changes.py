"""
The one way an order changes: a single statement that moves the row, counts its version and writes its facts.

A fact has a key and is written once: a step that runs again finds its key and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    any_,
    cast,
    column,
    exists,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from fulfillment.db.engine import Reading
from fulfillment.db.tables import order_events, orders
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus, check_path, sources

SYSTEM = "system"
"""The actor of what nobody asked for."""


class OutOfStep(Exception):
    """
    Row and workflow disagree about where an order is: a bug, or a database put back to an earlier minute.

    Not a `DomainError`, which would be final: the step is tried again and alerted until somebody mends it.
    """

    def __init__(self, order_id: OrderId, status: str, wanted: str) -> None:
        super().__init__(f"order {order_id} is {status}: that does not allow {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One event of an order's timeline; `key` names it among the facts of its order."""

    kind: EventKind
    key: str
    actor: str = SYSTEM
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    What happens to one order: its facts, the statuses it goes through and the columns that change with them.

    Without a `path` the status stays; `during` names the statuses in which the change is legal (with a path: those
    that may lead to its first status). Where `only_if` is not true of the row there is nothing to do.
    """

    order_id: OrderId
    facts: tuple[Fact, ...]
    path: tuple[OrderStatus, ...] = ()
    during: tuple[OrderStatus, ...] = ()
    only_if: ColumnElement[bool] = field(default_factory=true)
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def allowed(self) -> tuple[OrderStatus, ...]:
        """The statuses it may start from."""
        if not self.path:
            return self.during
        check_path(self.path[0], self.path[1:])
        return tuple(status for status in sources(self.path[0]) if not self.during or status in self.during)


Effect = Callable[[CTE], CTE]
"""A statement that runs with a change, made from the changed row; it does nothing when nothing was changed."""


async def apply(connection: Reading, change: Change, *effects: Effect) -> bool:
    """
    Carry out a change and its effects in one round trip.

    Returns:
        False when nothing changed now: it was carried out before, or there is nothing to do.

    Raises:
        OutOfStep: the order is in a status that does not allow it, or there is no such row.
    """
    try:
        done = (await connection.execute(_statement(change, effects))).first()
    except IntegrityError as error:
        if "uq_order_events_order_id_key" not in str(error.orig):
            raise
        return False  # the same step ran twice at the same moment, and the other one was first
    if done is None:
        await _explain(connection, change)
    return done is not None


def _statement(change: Change, effects: tuple[Effect, ...]) -> Select[Any]:
    changed = _changed(change)
    statement: Select[Any] = select(changed.c.version).add_cte(_events(changed, change.facts))
    for effect in effects:
        statement = statement.add_cte(effect(changed))
    return statement


def _changed(change: Change) -> CTE:
    count = len(change.facts)
    values: dict[str, Any] = {
        "version": orders.c.version + 1,
        "last_event": orders.c.last_event + count,
        "updated_at": func.now(),
        **change.values,
    }
    if change.path:
        values["status"] = change.path[-1]
    return (
        update(orders)
        .where(
            orders.c.id == change.order_id,
            orders.c.status == any_(cast(list(change.allowed), ARRAY(Text))),
            ~_already(change),
            change.only_if,
        )
        .values(values)
        .returning(orders.c.id, orders.c.version, (orders.c.last_event - count).label("before"))
        .cte("changed")
    )


def _already(change: Change) -> ColumnElement[bool]:
    return exists().where(order_events.c.order_id == change.order_id, order_events.c.key == change.facts[0].key)


def _events(changed: CTE, facts: tuple[Fact, ...]) -> CTE:
    return events_of(select(changed.c.id, changed.c.before).subquery("row"), facts)


def events_of(row: FromClause, facts: tuple[Fact, ...]) -> CTE:
    """Insert `facts` for the order in `row` (`id`, and `before`: the sequence of its newest event so far)."""
    rows = [
        {"n": n, "key": fact.key, "kind": fact.kind, "actor": fact.actor, "data": dict(fact.data)}
        for n, fact in enumerate(facts, start=1)
    ]
    fact = (
        func.jsonb_to_recordset(cast(rows, JSONB))
        .table_valued(
            column("n", Integer),
            column("key", Text),
            column("kind", Text),
            column("actor", Text),
            column("data", JSONB),
        )
        .render_derived(name="fact", with_types=True)
    )
    return (
        insert(order_events)
        .from_select(
            ["order_id", "sequence", "key", "kind", "actor", "data"],
            select(row.c.id, row.c.before + fact.c.n, fact.c.key, fact.c.kind, fact.c.actor, fact.c.data).select_from(
                row.join(fact, true())
            ),
        )
        .cte("events")
    )


async def _explain(connection: Reading, change: Change) -> None:
    query = select(orders.c.status, _already(change).label("already")).where(orders.c.id == change.order_id)
    row = (await connection.execute(query)).first()
    if row is None:
        raise OutOfStep(change.order_id, "not written", change.facts[0].kind)
    if not row.already and row.status not in change.allowed:
        raise OutOfStep(change.order_id, row.status, change.facts[0].kind)
