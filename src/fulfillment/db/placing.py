"""
Writing an accepted order down and holding its stock: all of it in one transaction, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Integer, Text, cast, column, func, insert, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from fulfillment.db import holds
from fulfillment.db.changes import Fact, events_of
from fulfillment.db.engine import Writing
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
    status = OrderStatus.REJECTED if failure else order.next_status
    facts = _facts(order, failure)
    values = {
        **order.columns,
        "id": order.id,
        "caller": order.caller,
        "status": status,
        "stock": StockState.NONE if failure or order.columns["test"] else StockState.HELD,
        "failure_code": failure,
        "last_event": len(facts),
    }
    if failure:
        values |= {"payment_token": None, "payment_token_key": None}
    row = (
        upsert(orders)
        .values(values)
        .on_conflict_do_nothing()
        .returning(orders.c.id, orders.c.run_id, orders.c.terms, literal_column("0").label("before"))
        .cte("placed")
    )
    statement = select(row.c.run_id, row.c.terms).add_cte(_lines(row, order.lines), events_of(row, facts))
    if values["stock"] is StockState.HELD:
        statement = statement.add_cte(holds.hold(order.demand, HOLD_KEY.format(order_id=order.id))(row))
    done = (await connection.execute(statement)).first()
    return Placed(run_id=done.run_id, status=status, terms=done.terms) if done else None


def _facts(order: NewOrder, failure: FailureCode | None) -> tuple[Fact, ...]:
    received = Fact(kind=EventKind.ORDER_RECEIVED, key="received", actor=order.caller)
    if failure:
        return received, Fact(kind=EventKind.ORDER_REJECTED, key="rejected", data={"code": failure})
    held = () if order.columns["test"] else (Fact(kind=EventKind.STOCK_HELD, key="held:1"),)
    if order.next_status is OrderStatus.AWAITING_PAYMENT:
        return received, *held, Fact(kind=EventKind.PAYMENT_REQUESTED, key="payment_requested:1")
    return received, *held


def _lines(row: CTE, lines: tuple[NewLine, ...]) -> CTE:
    records = [
        {"position": n, "sku": line.sku, "name": line.name, "quantity": line.quantity, "unit_price": line.unit_price}
        for n, line in enumerate(lines, start=1)
    ]
    line = (
        func.jsonb_to_recordset(cast(records, JSONB))
        .table_valued(
            column("position", Integer),
            column("sku", Text),
            column("name", Text),
            column("quantity", Integer),
            column("unit_price", order_lines.c.unit_price.type),
        )
        .render_derived(name="line", with_types=True)
    )
    return (
        insert(order_lines)
        .from_select(
            ["order_id", "position", "sku", "name", "quantity", "unit_price"],
            select(row.c.id, line.c.position, line.c.sku, line.c.name, line.c.quantity, line.c.unit_price).join_from(
                row, line, literal_column("true")
            ),
        )
        .cte("written_lines")
    )


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
