"""
Where an order was left by an earlier run of its workflow: one statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, Row, Select, Uuid, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from fulfillment.contracts.orders import Address, Line, StartOrder
from fulfillment.contracts.recovery import Numbered, Standing
from fulfillment.contracts.shipping import ShipmentBooked
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Reading
from fulfillment.db.locked_orders import PAYS_LATER
from fulfillment.db.operations import OPEN
from fulfillment.db.recovery import ACTION
from fulfillment.db.tables import operations, order_events, order_lines, orders, payment_requests, shipments
from fulfillment.domain.attention import Action
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus, StockState
from fulfillment.domain.shipping import ShipmentStatus

_QUESTIONS = (EventKind.ATTENTION_NEEDED.value, EventKind.ATTENTION_RESOLVED.value)
_MAY_PAY = (OrderStatus.AWAITING_APPROVAL, OrderStatus.AWAITING_PAYMENT, OrderStatus.PROCESSING)
_NOT_SHIPPED = (*_MAY_PAY, OrderStatus.AWAITING_SHIPMENT)
_REVERSALS = (OperationKind.VOID, OperationKind.REFUND)

_ledger = (
    select(
        func.coalesce(
            func.jsonb_agg(
                func.jsonb_build_object(
                    *("kind", operations.c.kind, "n", operations.c.n, "state", operations.c.state),
                    *("amount", operations.c.amount, "currency", operations.c.currency),
                )
            ),
            cast(literal([], JSONB), JSONB),
        )
    )
    .where(operations.c.order_id == orders.c.id)
    .scalar_subquery()
)
_parcel = (
    select(
        func.jsonb_build_object(
            *("n", shipments.c.n, "carrier", shipments.c.carrier, "tracking_number", shipments.c.tracking_number)
        )
    )
    .where(shipments.c.order_id == orders.c.id, shipments.c.status != ShipmentStatus.CANCELLED.value)
    .order_by(shipments.c.n.desc())
    .limit(1)
    .scalar_subquery()
)
# The numbers in the names of facts: an attempt that was refused has one too, so they may be ahead of the events.
_number = cast(func.substring(order_events.c.key, r"^[a-z_]+:([0-9]{1,8})(?::[a-z_]+)?$"), Integer)
_counted = select(func.max(_number)).where(order_events.c.order_id == orders.c.id).scalar_subquery()
_cards = select(func.max(payment_requests.c.n)).where(payment_requests.c.order_id == orders.c.id).scalar_subquery()
_newest_question = (
    select(order_events.c.data)
    .where(order_events.c.order_id == orders.c.id, order_events.c.kind.in_(_QUESTIONS))
    .order_by(order_events.c.sequence.desc())
    .limit(1)
    .scalar_subquery()
)
_settled_by_hand = (
    select(order_events.c.sequence)
    .where(
        order_events.c.order_id == orders.c.id,
        order_events.c.kind == EventKind.ATTENTION_RESOLVED.value,
        order_events.c.data["action"].astext == Action.RESOLVED_BY_HAND.value,
    )
    .exists()
)
_LEFT: Select[Any] = select(
    *(orders.c.status, orders.c.failure_code, orders.c.stock, orders.c.payment_due_at),
    *(orders.c.total, orders.c.captured),
    # The clock stands still while an approval is awaited.
    (orders.c.payment_due_at - func.coalesce(orders.c.payment_paused_at, func.now())).label("due_in"),
    PAYS_LATER.label("pays_later"),
    func.greatest(orders.c.last_event, _counted, _cards).label("last_number"),
    _ledger.label("ledger"),
    _parcel.label("parcel"),
    _newest_question.label("question"),
    _settled_by_hand.label("settled_by_hand"),
).where(orders.c.id == bindparam("left_order", type_=Uuid))


async def standing(connection: Reading, order_id: OrderId) -> Standing:
    """
    Where an order stands, and how far its effects were counted.

    Raises:
        OutOfStep: there is no such row.
    """
    row = (await connection.execute(_LEFT, {"left_order": order_id})).first()
    if row is None:
        raise OutOfStep(order_id, "not written", "going on")
    return _standing(row)


def _standing(row: Row[Any]) -> Standing:
    status, ledger = OrderStatus(row.status), row.ledger
    is_captured, picked_up = _is_captured(row, status), row.stock == StockState.LEFT
    is_paid = is_captured or not row.total
    booking = _booking(ledger, is_replaced=status is OrderStatus.PROCESSING and is_paid)
    return Standing(
        status=status,
        failure=FailureCode(row.failure_code) if row.failure_code else None,
        last_event=row.last_number,
        authorization=_newest(ledger, OperationKind.AUTHORIZE),
        awaited=_awaited(ledger) if _may_wait_for_customer(row, status) else None,
        capture=_newest(ledger, OperationKind.CAPTURE),
        reversal=_newest(ledger, *_REVERSALS),
        booking=booking,
        cancellation=_newest(ledger, OperationKind.CANCEL),
        is_captured=is_captured,
        picked_up=picked_up,
        parcel=_current(row.parcel, booking, picked_up=picked_up),
        payment_due_in=max(row.due_in, timedelta(0)) if row.due_in is not None and status in _MAY_PAY else None,
        question=_question(row.question),
        is_being_undone=status in _NOT_SHIPPED and _was_undone(ledger, booking),
    )


def _may_wait_for_customer(row: Row[Any], status: OrderStatus) -> bool:
    if status is OrderStatus.AWAITING_APPROVAL:
        return bool(row.pays_later)
    # Amended to nothing while its customer was asked to agree to more.
    is_free = status is OrderStatus.PROCESSING and not row.total
    return status is OrderStatus.AWAITING_PAYMENT or is_free


def _newest(ledger: Sequence[Mapping[str, Any]], *kinds: OperationKind) -> Numbered:
    """A reversal that was refused waits in the ledger for an operator, and is then asked for under another number."""
    last = max((entry["n"] for entry in ledger if entry["kind"] in kinds), default=0)
    refused = [OperationState.REFUSED]
    if kinds == _REVERSALS:
        refused.append(OperationState.PARKED)
    if kinds == (OperationKind.AUTHORIZE,):
        # Another card took its place.
        refused.append(OperationState.UNDONE)
    states = [entry["state"] for entry in ledger if entry["kind"] in kinds and entry["n"] == last]
    return Numbered(last=last, is_refused=any(state in refused for state in states))


def _awaited(ledger: Sequence[Mapping[str, Any]]) -> Money | None:
    """What the newest authorisation is about, if it has no result: it waits for the customer."""
    authorizations = [entry for entry in ledger if entry["kind"] == OperationKind.AUTHORIZE]
    newest = max(authorizations, key=lambda entry: entry["n"], default=None)
    if newest is None or newest["state"] not in OPEN:
        return None
    return Money(newest["amount"], newest["currency"])


def _booking(ledger: Sequence[Mapping[str, Any]], *, is_replaced: bool) -> Numbered:
    """A parcel is the last thing of a paid order: one that is booked is lost when the order is processed once more."""
    newest = _newest(ledger, OperationKind.BOOK)
    is_done = any(
        entry["kind"] == OperationKind.BOOK and entry["n"] == newest.last and entry["state"] == OperationState.DONE
        for entry in ledger
    )
    return replace(newest, is_refused=newest.is_refused or (is_replaced and is_done))


def _is_captured(row: Row[Any], status: OrderStatus) -> bool:
    captured = any(
        entry["kind"] == OperationKind.CAPTURE and entry["state"] == OperationState.DONE for entry in row.ledger
    )
    # Whatever else is settled by hand is part of an undo, and the order does not come back from there.
    return row.captured > 0 or captured or (row.settled_by_hand and status is not OrderStatus.CANCELLING)


def _current(parcel: Mapping[str, Any] | None, booking: Numbered, *, picked_up: bool) -> ShipmentBooked | None:
    """A parcel that is being replaced is not the order's any more."""
    is_replaced = booking.is_refused or (parcel is not None and parcel["n"] < booking.last)
    if parcel is None or (is_replaced and not picked_up):
        return None
    return ShipmentBooked(carrier=parcel["carrier"], tracking_number=parcel["tracking_number"])


def _question(newest: Mapping[str, Any] | None) -> AttentionReason | None:
    """Closed by taking the order over, and not asked again since."""
    if newest is None or newest.get("action") != ACTION or "question" not in newest:
        return None
    return AttentionReason(newest["question"])


def _was_undone(ledger: Sequence[Mapping[str, Any]], booking: Numbered) -> bool:
    # A cancellation of an earlier parcel says nothing: the order has shipped since, and ships again.
    is_first = booking.last <= 1 and not booking.is_refused
    kinds = (*_REVERSALS, OperationKind.CANCEL) if is_first else _REVERSALS
    return any(entry["kind"] in kinds and entry["state"] != OperationState.REFUSED for entry in ledger)


_line = order_lines.c
_LINES = (
    select(
        func.jsonb_agg(
            func.jsonb_build_object(
                *("sku", _line.sku, "name", _line.name, "quantity", _line.quantity, "unit_price", _line.unit_price)
            )
        )
    )
    .where(_line.order_id == orders.c.id)
    .scalar_subquery()
)
_ACCEPTED: Select[Any] = select(orders, _LINES.label("lines")).where(orders.c.id == bindparam("left_order", type_=Uuid))


async def start_of(connection: Reading, order_id: OrderId) -> StartOrder | None:
    """
    What an order may be started with again when the history of its workflow is gone: its row knows everything else.
    """
    row = (await connection.execute(_ACCEPTED, {"left_order": order_id})).first()
    if row is None:
        return None
    return StartOrder(
        order_id=order_id,
        caller=row.caller,
        accepted_at=row.accepted_at,
        fingerprint=row.fingerprint,
        fingerprint_key=row.fingerprint_key,
        customer_id=row.customer_id,
        lines=tuple(
            Line(
                sku=Sku(line["sku"]),
                name=line["name"],
                quantity=line["quantity"],
                unit_price=Money(line["unit_price"], row.currency),
            )
            for line in row.lines
        ),
        shipping_address=Address(**row.shipping_address),
        email=row.email,
        reference=row.reference,
        requested_by=row.requested_by,
        metadata=row.metadata,
        test=row.test,
    )
