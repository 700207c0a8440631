"""
Orders as they are read: each function is one statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Function,
    Row,
    RowMapping,
    ScalarSelect,
    Select,
    and_,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from fulfillment.contracts.messages import PaymentRecorded
from fulfillment.contracts.orders import Address, Line
from fulfillment.db.approval_records import ApprovalSummary, newest_request, summary_of
from fulfillment.db.engine import Reading
from fulfillment.db.questions import UNRESOLVED, AttentionView, question_of
from fulfillment.db.tables import inbox, operations, order_events, order_lines, orders, payment_requests, shipments
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.identity import Principal
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus, PaymentStatus
from fulfillment.domain.payments import NextAction
from fulfillment.domain.shipping import ShipmentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentView:
    """One parcel."""

    carrier: str
    tracking_number: str
    status: ShipmentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order with everything callers may see of it."""

    id: OrderId
    status: OrderStatus
    reference: str | None
    customer_id: str
    email: str | None
    requested_by: str | None
    lines: tuple[Line, ...]
    total: Money
    shipping_address: Address
    metadata: Mapping[str, str]
    payment_status: PaymentStatus
    authorized: Money
    captured: Money
    refunded: Money
    next_action: NextAction | None
    shipments: tuple[ShipmentView, ...]
    failure: FailureCode | None
    approval: ApprovalSummary | None
    attention: AttentionView | None
    actions: tuple[Action, ...]
    version: int
    accepted_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list; times are inclusive from, exclusive to."""

    status: OrderStatus | None = None
    customer_id: str | None = None
    reference: str | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None

    def seen_by(self, principal: Principal) -> Self | None:
        """Those of the orders that exist for a caller; None for none."""
        if principal.customer_id is None:
            return self
        if self.customer_id not in (None, principal.customer_id):
            return None
        return replace(self, customer_id=principal.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedOrder:
    """What recognises and answers a repeated request."""

    id: OrderId
    reference: str | None
    total: Money
    accepted_at: datetime
    fingerprint: str
    fingerprint_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What is known of an order that is to be placed: itself, and whether another one has its reference."""

    order: AcceptedOrder | None
    reference_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One fact of an order's timeline."""

    sequence: int
    kind: str
    actor: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """One entry of the operations ledger."""

    key: str
    kind: str
    amount: Money | None
    state: str
    provider: str
    provider_reference: str | None
    refusal: str | None
    attempts: int
    actor: str
    created_at: datetime
    updated_at: datetime


async def order(connection: Reading, order_id: OrderId) -> OrderView | None:
    """The order, or None when it is not written (yet)."""
    row = (await connection.execute(_whole_orders().where(orders.c.id == order_id))).first()
    return _order(row) if row else None


async def newest_orders(
    connection: Reading, wanted: OrderFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[OrderView]:
    """Orders, newest first, from the one that follows `before` (time of acceptance and id) on."""
    statement = _whole_orders().where(*_conditions(wanted))
    if before:
        statement = statement.where(tuple_(orders.c.accepted_at, orders.c.id) < tuple_(*before))
    rows = await connection.execute(statement.order_by(orders.c.accepted_at.desc(), orders.c.id.desc()).limit(limit))
    return [_order(row) for row in rows]


async def claims(connection: Reading, order_id: OrderId, customer_id: str, reference: str | None) -> Claims:
    """Look up an order by its id, and who has the reference, in one go."""
    same_reference = and_(
        orders.c.customer_id == customer_id,
        orders.c.reference == reference,
        orders.c.status != OrderStatus.REJECTED,
    )
    columns = orders.c
    rows = await connection.execute(
        select(
            columns.id,
            columns.reference,
            columns.total,
            columns.currency,
            columns.accepted_at,
            columns.fingerprint,
            columns.fingerprint_key,
        ).where(or_(columns.id == order_id, same_reference) if reference else columns.id == order_id)
    )
    found = {row["id"]: _accepted(row) for row in rows.mappings()}
    return Claims(order=found.get(order_id), reference_taken=bool(found.keys() - {order_id}))


async def settled_among(connection: Reading, order_ids: Sequence[OrderId]) -> list[OrderId]:
    """Those of the orders that have something to tell."""
    unsettled = [status for status in OrderStatus if not status.is_settled]
    rows = await connection.execute(
        select(orders.c.id).where(orders.c.id.in_(order_ids), orders.c.status.not_in(unsettled))
    )
    return [OrderId(row.id) for row in rows]


async def events(connection: Reading, order_id: OrderId, *, after: int, limit: int) -> list[EventView]:
    """Facts in their order, from the one that follows sequence `after` on."""
    columns = order_events.c
    rows = await connection.execute(
        select(columns.sequence, columns.kind, columns.actor, columns.at, columns.data)
        .where(columns.order_id == order_id, columns.sequence > after)
        .order_by(columns.sequence)
        .limit(limit)
    )
    return [EventView(**row) for row in rows.mappings()]


async def order_operations(
    connection: Reading, order_id: OrderId, *, after: tuple[datetime, str] | None, limit: int
) -> list[OperationView]:
    """Ledger entries, oldest first, from the one that follows `after` (time of creation and key) on."""
    columns = operations.c
    statement = select(operations).where(columns.order_id == order_id)
    if after:
        statement = statement.where(tuple_(columns.created_at, columns.key) > tuple_(*after))
    rows = await connection.execute(statement.order_by(columns.created_at, columns.key).limit(limit))
    return [_operation(row) for row in rows]


async def payment_request(connection: Reading, key: str) -> PaymentRecorded | None:
    """What the key of a card that was given later stands for."""
    columns = payment_requests.c
    statement = select(columns.fingerprint, columns.fingerprint_key).where(columns.key == key)
    row = (await connection.execute(statement)).mappings().first()
    return PaymentRecorded(**row) if row else None


async def exists(connection: Reading, order_id: OrderId) -> bool:
    """Whether the order is written."""
    return (await connection.execute(select(orders.c.id).where(orders.c.id == order_id))).first() is not None


def _whole_orders() -> Select[Any]:
    late_event = select(inbox.c.id).where(inbox.c.order_id == orders.c.id, *UNRESOLVED).correlate(orders).exists()
    return select(
        orders,
        _lines().label("lines"),
        _shipments().label("shipments"),
        newest_request().label("approval"),
        late_event.label("has_late_event"),
    )


def _lines() -> ScalarSelect[Any]:
    line = func.json_build_object(
        "sku", order_lines.c.sku, "name", order_lines.c.name,
        "quantity", order_lines.c.quantity, "unit_price", order_lines.c.unit_price,
    )  # fmt: skip
    return _collected(line, order_lines.c.position, order_lines.c.order_id == orders.c.id)


def _shipments() -> ScalarSelect[Any]:
    shipment = func.json_build_object(
        "carrier", shipments.c.carrier, "tracking_number", shipments.c.tracking_number, "status", shipments.c.status
    )
    return _collected(shipment, shipments.c.n, shipments.c.order_id == orders.c.id)


def _collected(item: Function[Any], position: Column[Any], condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    collected = func.json_agg(aggregate_order_by(item, position), type_=JSON)
    return select(collected).where(condition).correlate(orders).scalar_subquery()


def _conditions(wanted: OrderFilter) -> Iterable[ColumnElement[bool]]:
    columns = orders.c
    if wanted.status:
        yield columns.status == wanted.status
    if wanted.customer_id is not None:
        yield columns.customer_id == wanted.customer_id
    if wanted.reference is not None:
        yield columns.reference == wanted.reference
    if wanted.placed_from:
        yield columns.accepted_at >= wanted.placed_from
    if wanted.placed_to:
        yield columns.accepted_at < wanted.placed_to


# An order that goes on after all shows no failure.
_FAILED = (OrderStatus.CANCELLING, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.RETURNED)


def _order(row: Row[Any]) -> OrderView:
    asked = question_of(row) if row.attention_reason else None
    return OrderView(
        id=OrderId(row.id),
        status=OrderStatus(row.status),
        reference=row.reference,
        customer_id=row.customer_id,
        email=row.email,
        requested_by=row.requested_by,
        lines=tuple(_line(line, row.currency) for line in row.lines or ()),
        total=Money(row.total, row.currency),
        shipping_address=Address(**row.shipping_address),
        metadata=row.metadata,
        payment_status=PaymentStatus(row.payment_status),
        authorized=Money(row.authorized, row.currency),
        captured=Money(row.captured, row.currency),
        refunded=Money(row.refunded, row.currency),
        next_action=_next_action(row),
        shipments=tuple(_shipment(shipment) for shipment in row.shipments or ()),
        failure=FailureCode(row.failure_code) if row.failure_code and row.status in _FAILED else None,
        approval=summary_of(row.approval),
        attention=asked,
        actions=asked.actions if asked else ACTIONS[AttentionReason.LATE_EVENT] if row.has_late_event else (),
        version=row.version,
        accepted_at=row.accepted_at,
        updated_at=row.updated_at,
    )


def _line(line: Mapping[str, Any], currency: str) -> Line:
    return Line(
        sku=Sku(line["sku"]),
        name=line["name"],
        quantity=line["quantity"],
        unit_price=Money(line["unit_price"], currency),
    )


def _next_action(row: Row[Any]) -> NextAction | None:
    """What the customer has to do; once the order has gone on, or back, the page is of no use."""
    if row.payment_next_action is None or row.status != OrderStatus.AWAITING_PAYMENT:
        return None
    return NextAction(**row.payment_next_action)


def _shipment(shipment: Mapping[str, Any]) -> ShipmentView:
    return ShipmentView(
        carrier=shipment["carrier"],
        tracking_number=shipment["tracking_number"],
        status=ShipmentStatus(shipment["status"]),
    )


def _accepted(row: RowMapping) -> AcceptedOrder:
    return AcceptedOrder(
        id=row["id"],
        reference=row["reference"],
        total=Money(row["total"], row["currency"]),
        accepted_at=row["accepted_at"],
        fingerprint=row["fingerprint"],
        fingerprint_key=row["fingerprint_key"],
    )


def _operation(row: Row[Any]) -> OperationView:
    return OperationView(
        key=row.key,
        kind=row.kind,
        amount=None if row.amount is None else Money(row.amount, row.currency),
        state=row.state,
        provider=row.provider,
        provider_reference=row.provider_reference,
        refusal=row.refusal,
        attempts=row.attempts,
        actor=row.actor,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
