"""
Writing an accepted order down and holding its stock: all of it in one transaction, or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Row, Select, literal_column, select
from sqlalchemy.dialects.postgresql import insert as upsert

from fulfillment.contracts.approvals import ApprovalAsked
from fulfillment.contracts.orders import Line
from fulfillment.db import asking, customers, holds
from fulfillment.db.asking import NewRequest, as_kept, assess, new_request
from fulfillment.db.changes import Fact, events_of, fact_rows
from fulfillment.db.engine import Writing
from fulfillment.db.lines import demand, insert_lines, line_rows
from fulfillment.db.records import new_values, parameters_for
from fulfillment.db.tables import orders
from fulfillment.domain.approval_policy import Policy
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
    """Where it goes when its stock can be held and nobody is asked."""
    policy: Policy
    """Says whose approval it needs."""

    @property
    def total(self) -> Money:
        """What it costs."""
        return Money(self.columns["total"], self.columns["currency"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The row as placing made it, now or in an earlier attempt."""

    run_id: str
    status: OrderStatus
    total: Money
    terms: Mapping[str, Any]
    approval: ApprovalAsked | None = None
    """The request an order in `awaiting_approval` waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What is decided about a new order: its refusal, or the approval it needs, or nothing."""

    failure: FailureCode | None = None
    asks: NewRequest | None = None
    assessment: Mapping[str, Any] | None = None


async def place(connection: Writing, order: NewOrder, *, refused_as: OrderStatus = OrderStatus.REJECTED) -> Placed:
    """
    Write the order with its stock held; what is refused is written `refused_as`: as rejected, or as `cancelling` when
    there may be something to undo. Found written: what it says.
    """
    verdict = await _judge(connection, order)
    placed = await _insert(connection, order, verdict, refused_as)
    if placed is not None:
        return placed
    existing = await _existing(connection, order.id)
    if existing is not None:
        return existing
    if order.policy.risk.ask_about_customers and not verdict.failure:
        await customers.not_placed(connection, order.columns["customer_id"])
    taken = replace(verdict, failure=FailureCode.REFERENCE_TAKEN, asks=None)
    rejected = await _insert(connection, order, taken, refused_as)
    # A second conflict can only be the same order written by somebody else at this moment.
    return rejected or await _reread(connection, order.id)


async def _judge(connection: Writing, order: NewOrder) -> _Verdict:
    if order.columns["test"]:
        return _Verdict()
    wanted, policy, address = demand(order.lines), order.policy, order.columns["shipping_address"]
    short = refusal(wanted, await holds.lock_available(connection, set(wanted)))
    customer, customer_id = customers.KnownCustomer(), order.columns["customer_id"]
    if policy.risk.ask_about_customers and not short:
        customer = await customers.count(connection, order.id, customer_id, address)
    assessment = assess(policy, order.total, wanted, address["country"], customer)
    kept = as_kept(assessment, customer)
    if short or assessment.refused:
        if policy.risk.ask_about_customers and not short:
            await customers.not_placed(connection, customer_id)
        return _Verdict(failure=short or FailureCode.FRAUD_SUSPECTED, assessment=kept)
    if assessment.plan.is_automatic or not order.total.amount:
        return _Verdict(assessment=kept)
    requesters = (order.columns["requested_by"] or order.caller,)
    return _Verdict(asks=new_request(order.id, 1, assessment, order.total, requesters, kept), assessment=kept)


async def _insert(connection: Writing, order: NewOrder, verdict: _Verdict, refused_as: OrderStatus) -> Placed | None:
    holds_stock = not verdict.failure and not order.columns["test"]
    facts = _facts(order, verdict, refused_as)
    columns = _columns(order, verdict, refused_as) | {"last_event": len(facts)}
    parameters = {**new_values(columns), "fact": fact_rows(facts), **line_rows(order.lines)}
    if holds_stock:
        parameters |= holds.wanted(demand(order.lines), HOLD_KEY.format(order_id=order.id))
    if verdict.asks:
        parameters |= verdict.asks.parameters()
    statement = _statement(tuple(sorted(columns)), holds_stock, verdict.asks is not None)
    done = (await connection.execute(statement, parameters)).first()
    return _placed(done, verdict.asks.asked if verdict.asks else None) if done else None


def _columns(order: NewOrder, verdict: _Verdict, refused_as: OrderStatus) -> dict[str, Any]:
    failure, asks = verdict.failure, verdict.asks
    is_approved = not failure and not asks
    columns = {
        **order.columns,
        "id": order.id,
        "caller": order.caller,
        "status": OrderStatus.AWAITING_APPROVAL if asks else order.next_status,
        "stock": StockState.NONE if failure or order.columns["test"] else StockState.HELD,
        "failure_code": failure,
        "assessment": verdict.assessment,
        "approved_total": order.total.amount if is_approved else None,
        "approved_currency": order.total.currency if is_approved else None,
    }
    if asks:
        # Nobody is to pay for what may not be approved.
        columns["payment_due_at"] = None
    if failure:
        columns |= {"status": refused_as, "payment_token": None, "payment_token_key": None}
    if failure is FailureCode.REFERENCE_TAKEN and refused_as is not OrderStatus.REJECTED:
        columns["reference"] = None
    return columns


# Putting the statement together costs more than executing it: each of its kinds is made once.
@lru_cache(maxsize=8)
def _statement(columns: tuple[str, ...], holds_stock: bool, asks: bool) -> Select[Any]:
    row = (
        upsert(orders)
        .values(parameters_for(orders, columns))
        .on_conflict_do_nothing()
        .returning(*_STORED, orders.c.id, literal_column("0").label("before"))
        .cte("placed")
    )
    statement = select(*(row.c[column.name] for column in _STORED)).add_cte(insert_lines(row), events_of(row))
    if asks:
        statement = statement.add_cte(asking.write(row))
    return statement.add_cte(holds.hold(row)) if holds_stock else statement


def _facts(order: NewOrder, verdict: _Verdict, refused_as: OrderStatus) -> tuple[Fact, ...]:
    received, failure = Fact(kind=EventKind.ORDER_RECEIVED, key="received", actor=order.caller), verdict.failure
    if failure and refused_as is OrderStatus.CANCELLING:
        return received, Fact(kind=EventKind.CANCELLATION_REQUESTED, key="undo:0", data={"code": failure})
    if failure:
        return received, Fact(kind=EventKind.ORDER_REJECTED, key="rejected", data={"code": failure})
    held = () if order.columns["test"] else (Fact(kind=EventKind.STOCK_HELD, key="held:1"),)
    if verdict.asks:
        return received, *held, *verdict.asks.facts()
    if order.next_status is OrderStatus.AWAITING_PAYMENT:
        return received, *held, Fact(kind=EventKind.PAYMENT_REQUESTED, key="payment_requested:1")
    return received, *held


async def _existing(connection: Writing, order_id: OrderId) -> Placed | None:
    row = (await connection.execute(select(*_STORED).where(orders.c.id == order_id))).first()
    if row is None:
        return None
    return _placed(row, await asking.awaited(connection, order_id, OrderStatus(row.status)))


def _placed(row: Row[Any], approval: ApprovalAsked | None) -> Placed:
    return Placed(
        run_id=row.run_id,
        status=OrderStatus(row.status),
        total=Money(row.total, row.currency),
        terms=row.terms,
        approval=approval,
    )


async def _reread(connection: Writing, order_id: OrderId) -> Placed:
    existing = await _existing(connection, order_id)
    if existing is None:
        msg = f"order {order_id} was neither written nor found"
        raise RuntimeError(msg)
    return existing
