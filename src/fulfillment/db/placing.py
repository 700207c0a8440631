"""
Writing an accepted order down and holding its stock: all of it in one transaction, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, BigInteger, Integer, Select, Text, insert, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert as upsert

from fulfillment.db import holds
from fulfillment.db.changes import Fact, events_of, fact_rows
from fulfillment.db.engine import Writing
from fulfillment.db.records import new_values, parameters_for, records
from fulfillment.db.tables import order_lines, orders
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.inventory import refusal
from fulfillment.domain.orders import FailureCode, OrderStatus, StockState

HOLD_KEY = "{order_id}:hold:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """One line as it is stored."""

    sku: Sku
    name: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """The columns of an order that is not written yet, without what placing decides."""

    id: OrderId
    caller: str
    lines: tuple[NewLine, ...]
    columns: Mapping[str, Any]
    next_status: OrderStatus
    """Where it goes when its stock can be held."""

    @property
    def demand(self) -> dict[Sku, int]:
        """Pieces per article."""
        return {line.sku: line.quantity for line in self.lines}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The row as placing made it, now or in an earlier attempt."""

    run_id: str
    status: OrderStatus
    terms: Mapping[str, Any]


async def place(connection: Writing, order: NewOrder) -> Placed:
    """
    Write the order with its stock held; a refusal is written as a rejected order. Found written: what it says.
    """
    failure = (
        None
        if order.columns["test"]
        else refusal(order.demand, await holds.lock_available(connection, set(order.demand)))
    )
    placed = await _insert(connection, order, failure)
    if placed is not None:
        return placed
    existing = await _existing(connection, order.id)
    if existing is not None:
        return existing
    rejected = await _insert(connection, order, FailureCode.REFERENCE_TAKEN)
    # A second conflict can only be the same order written by somebody else at this moment.
    return rejected or await _reread(connection, order.id)


async def _insert(connection: Writing, order: NewOrder, failure: FailureCode | None) -> Placed | None:
    holds_stock = not failure and not order.columns["test"]
    facts = _facts(order, failure)
    columns = {
        **order.columns,
        "id": order.id,
        "caller": order.caller,
        "status": OrderStatus.REJECTED if failure else order.next_status,
        "stock": StockState.HELD if holds_stock else StockState.NONE,
        "failure_code": failure,
        "last_event": len(facts),
    }
    if failure:
        columns |= {"payment_token": None, "payment_token_key": None}
    parameters = {**new_values(columns), "fact": fact_rows(facts), "line": _line_rows(order.lines)}
    if holds_stock:
        parameters |= holds.wanted(order.demand, HOLD_KEY.format(order_id=order.id))
    statement = _statement(tuple(sorted(columns)), holds_stock)
    done = (await connection.execute(statement, parameters)).first()
    return Placed(run_id=done.run_id, status=columns["status"], terms=done.terms) if done else None


# Putting the statement together costs more than executing it: each of its two kinds is made once.
@lru_cache(maxsize=8)
def _statement(columns: tuple[str, ...], holds_stock: bool) -> Select[Any]:
    row = (
        upsert(orders)
        .values(parameters_for(orders, columns))
        .on_conflict_do_nothing()
        .returning(orders.c.id, orders.c.run_id, orders.c.terms, literal_column("0").label("before"))
        .cte("placed")
    )
    statement = select(row.c.run_id, row.c.terms).add_cte(_lines(row), events_of(row))
    return statement.add_cte(holds.hold(row)) if holds_stock else statement


def _facts(order: NewOrder, failure: FailureCode | None) -> tuple[Fact, ...]:
    received = Fact(kind=EventKind.ORDER_RECEIVED, key="received", actor=order.caller)
    if failure:
        return received, Fact(kind=EventKind.ORDER_REJECTED, key="rejected", data={"code": failure})
    held = () if order.columns["test"] else (Fact(kind=EventKind.STOCK_HELD, key="held:1"),)
    if order.next_status is OrderStatus.AWAITING_PAYMENT:
        return received, *held, Fact(kind=EventKind.PAYMENT_REQUESTED, key="payment_requested:1")
    return received, *held


def _lines(row: CTE) -> CTE:
    line = records("line", position=Integer, sku=Text, name=Text, quantity=Integer, unit_price=BigInteger)
    source = select(row.c.id, line.c.position, line.c.sku, line.c.name, line.c.quantity, line.c.unit_price)
    return (
        insert(order_lines)
        .from_select(
            ["order_id", "position", "sku", "name", "quantity", "unit_price"], source.join_from(row, line, true())
        )
        .cte("written_lines")
    )


def _line_rows(lines: tuple[NewLine, ...]) -> list[dict[str, Any]]:
    return [
        {"position": n, "sku": line.sku, "name": line.name, "quantity": line.quantity, "unit_price": line.unit_price}
        for n, line in enumerate(lines, start=1)
    ]


async def _existing(connection: Writing, order_id: OrderId) -> Placed | None:
    row = (
        await connection.execute(
            select(orders.c.run_id, orders.c.status, orders.c.terms).where(orders.c.id == order_id)
        )
    ).first()
    return Placed(run_id=row.run_id, status=OrderStatus(row.status), terms=row.terms) if row else None


async def _reread(connection: Writing, order_id: OrderId) -> Placed:
    existing = await _existing(connection, order_id)
    if existing is None:
        msg = f"order {order_id} was neither written nor found"
        raise RuntimeError(msg)
    return existing
