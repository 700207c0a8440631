"""
Writing an accepted order down and holding its stock: all of it in one transaction, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Row, Select, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert

from fulfillment.contracts.orders import Line
from fulfillment.db import holds
from fulfillment.db.changes import Fact, events_of, fact_rows
from fulfillment.db.engine import Writing
from fulfillment.db.lines import demand, insert_lines, line_rows
from fulfillment.db.records import new_values, parameters_for
from fulfillment.db.tables import orders
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.inventory import refusal
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus, StockState

_STORED: tuple[Column[Any], ...] = (
    orders.c.run_id,
    orders.c.status,
    orders.c.total,
    orders.c.currency,
    orders.c.terms,
)
HOLD_KEY = "{order_id}:hold:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """The columns of an order that is not written yet, without what placing decides."""

    id: OrderId
    caller: str
    lines: tuple[Line, ...]
    columns: Mapping[str, Any]
    next_status: OrderStatus
    """Where it goes when its stock can be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The row as placing made it, now or in an earlier attempt."""

    run_id: str
    status: OrderStatus
    total: Money
    terms: Mapping[str, Any]


async def place(connection: Writing, order: NewOrder, *, refused_as: OrderStatus = OrderStatus.REJECTED) -> Placed:
    """
    Write the order with its stock held; what is refused is written `refused_as`: as rejected, or as `cancelling` when
    there may be something to undo. Found written: what it says.
    """
    wanted = demand(order.lines)
    failure = None if order.columns["test"] else refusal(wanted, await holds.lock_available(connection, set(wanted)))
    placed = await _insert(connection, order, failure, refused_as)
    if placed is not None:
        return placed
    existing = await _existing(connection, order.id)
    if existing is not None:
        return existing
    rejected = await _insert(connection, order, FailureCode.REFERENCE_TAKEN, refused_as)
    # A second conflict can only be the same order written by somebody else at this moment.
    return rejected or await _reread(connection, order.id)


async def _insert(
    connection: Writing, order: NewOrder, failure: FailureCode | None, refused_as: OrderStatus
) -> Placed | None:
    holds_stock = not failure and not order.columns["test"]
    facts = _facts(order, failure, refused_as)
    columns = {
        **order.columns,
        "id": order.id,
        "caller": order.caller,
        "status": refused_as if failure else order.next_status,
        "stock": StockState.HELD if holds_stock else StockState.NONE,
        "failure_code": failure,
        "last_event": len(facts),
    }
    if failure:
        columns |= {"payment_token": None, "payment_token_key": None}
    if failure is FailureCode.REFERENCE_TAKEN and refused_as is not OrderStatus.REJECTED:
        columns["reference"] = None
    parameters = {**new_values(columns), "fact": fact_rows(facts), **line_rows(order.lines)}
    if holds_stock:
        parameters |= holds.wanted(demand(order.lines), HOLD_KEY.format(order_id=order.id))
    statement = _statement(tuple(sorted(columns)), holds_stock)
    done = (await connection.execute(statement, parameters)).first()
    return _placed(done) if done else None


# Putting the statement together costs more than executing it: each of its two kinds is made once.
@lru_cache(maxsize=8)
def _statement(columns: tuple[str, ...], holds_stock: bool) -> Select[Any]:
    row = (
        upsert(orders)
        .values(parameters_for(orders, columns))
        .on_conflict_do_nothing()
        .returning(*_STORED, orders.c.id, literal_column("0").label("before"))
        .cte("placed")
    )
    statement = select(*(row.c[column.name] for column in _STORED)).add_cte(insert_lines(row), events_of(row))
    return statement.add_cte(holds.hold(row)) if holds_stock else statement


def _facts(order: NewOrder, failure: FailureCode | None, refused_as: OrderStatus) -> tuple[Fact, ...]:
    received = Fact(kind=EventKind.ORDER_RECEIVED, key="received", actor=order.caller)
    if failure and refused_as is OrderStatus.CANCELLING:
        return received, Fact(kind=EventKind.CANCELLATION_REQUESTED, key="undo:0", data={"code": failure})
    if failure:
        return received, Fact(kind=EventKind.ORDER_REJECTED, key="rejected", data={"code": failure})
    held = () if order.columns["test"] else (Fact(kind=EventKind.STOCK_HELD, key="held:1"),)
    if order.next_status is OrderStatus.AWAITING_PAYMENT:
        return received, *held, Fact(kind=EventKind.PAYMENT_REQUESTED, key="payment_requested:1")
    return received, *held


async def _existing(connection: Writing, order_id: OrderId) -> Placed | None:
    row = (await connection.execute(select(*_STORED).where(orders.c.id == order_id))).first()
    return _placed(row) if row else None


def _placed(row: Row[Any]) -> Placed:
    return Placed(
        run_id=row.run_id,
        status=OrderStatus(row.status),
        total=Money(row.total, row.currency),
        terms=row.terms,
    )


async def _reread(connection: Writing, order_id: OrderId) -> Placed:
    existing = await _existing(connection, order_id)
    if existing is None:
        msg = f"order {order_id} was neither written nor found"
        raise RuntimeError(msg)
    return existing
