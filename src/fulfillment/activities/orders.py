"""
The database steps of an order.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from temporalio import activity

from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.orders import (
    OrderActivities,
    Placement,
    PlacementOutcome,
    PlaceOrder,
    RecordParcelEvent,
    RejectOrder,
    ReleaseStock,
    RequestAttention,
    StartOrder,
    Terms,
)
from fulfillment.db import holds
from fulfillment.db.changes import Change, Effect, Fact, apply
from fulfillment.db.engine import Database
from fulfillment.db.placing import NewLine, NewOrder, Placed, place
from fulfillment.db.shipments import track
from fulfillment.domain.events import EventKind
from fulfillment.domain.orders import AttentionReason, OrderStatus, StockState
from fulfillment.domain.shipping import ParcelOutcome, outcome_of

_TERMS = TypeAdapter(Terms)


class SqlOrderActivities(OrderActivities):
    """
    Each step is one statement or one transaction.

    `terms` are what new orders are placed with; an operator is to answer within `attention_window`.
    """

    def __init__(self, database: Database, cipher: Cipher, terms: Terms, attention_window: timedelta) -> None:
        self._database = database
        self._cipher = cipher
        self._terms = terms
        self._attention_window = attention_window

    @activity.defn
    async def place_order(self, request: PlaceOrder) -> Placement:
        order = request.order
        new = self._new_order(request)
        async with self._database.transaction() as connection:
            placed = await place(connection, new)
        return Placement(
            outcome=_outcome(placed, request.run_id),
            status=placed.status,
            total=order.total,
            terms=_TERMS.validate_python(placed.terms),
        )

    def _new_order(self, request: PlaceOrder) -> NewOrder:
        order = request.order
        total = order.total
        return NewOrder(
            id=order.order_id,
            caller=order.caller,
            lines=tuple(
                NewLine(sku=line.sku, name=line.name, quantity=line.quantity, unit_price=line.unit_price.amount)
                for line in order.lines
            ),
            next_status=(OrderStatus.PROCESSING if order.payment or _is_free(order) else OrderStatus.AWAITING_PAYMENT),
            columns={
                "run_id": request.run_id,
                "customer_id": order.customer_id,
                "email": order.email,
                "reference": order.reference,
                "requested_by": order.requested_by,
                "currency": total.currency,
                "total": total.amount,
                "shipping_address": asdict(order.shipping_address),
                "metadata": order.metadata,
                "terms": _TERMS.dump_python(self._terms, mode="json"),
                "fingerprint": order.fingerprint,
                "fingerprint_key": order.fingerprint_key,
                "test": order.test,
                "accepted_at": order.accepted_at,
                **self._payment(order),
            },
        )

    def _payment(self, order: StartOrder) -> dict[str, Any]:
        if order.payment is None or _is_free(order):
            return {"payment_method": None, "payment_token": None, "payment_token_key": None}
        key, token = self._cipher.encrypt(order.payment.token.encode(), context=order.order_id.bytes)
        return {"payment_method": order.payment.method, "payment_token": token, "payment_token_key": key}

    @activity.defn
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        outcome = outcome_of(request.event.type, request.status, picked_up=request.picked_up)
        if not outcome.facts:
            return
        change = Change(
            order_id=request.order_id,
            facts=_parcel_facts(request, outcome),
            path=outcome.path,
            during=(request.status,),
            values=self._parcel_values(request, outcome),
        )
        effects: list[Effect] = [track(request.n, outcome.shipment)]
        if outcome.stock_leaves:
            effects.append(holds.leave(f"{request.order_id}:leave:{request.n}"))
        async with self._database.statement() as connection:
            await apply(connection, change, *effects)

    @activity.defn
    async def request_attention(self, request: RequestAttention) -> None:
        fact = Fact(kind=EventKind.ATTENTION_NEEDED, key=f"attention:{request.n}", data={"reason": request.reason})
        change = Change(
            order_id=request.order_id,
            facts=(fact,),
            path=(OrderStatus.NEEDS_ATTENTION,),
            during=(request.status,),
            values=self._attention(request.reason, request.status),
        )
        async with self._database.statement() as connection:
            await apply(connection, change)

    @activity.defn
    async def begin_rejection(self, request: RejectOrder) -> None:
        fact = Fact(kind=EventKind.CANCELLATION_REQUESTED, key="rejection", data={"code": request.failure})
        change = Change(
            order_id=request.order_id,
            facts=(fact,),
            path=(OrderStatus.CANCELLING,),
            values={"failure_code": request.failure},
        )
        async with self._database.statement() as connection:
            await apply(connection, change)

    @activity.defn
    async def release_stock(self, request: ReleaseStock) -> None:
        change = Change(
            order_id=request.order_id,
            facts=(Fact(kind=EventKind.STOCK_RELEASED, key="released:1"),),
            during=(OrderStatus.CANCELLING,),
            only_if_stock=StockState.HELD,
            values={"stock": StockState.RELEASED},
        )
        async with self._database.statement() as connection:
            await apply(connection, change, holds.release(f"{request.order_id}:release:1"))

    @activity.defn
    async def reject_order(self, request: RejectOrder) -> None:
        fact = Fact(kind=EventKind.ORDER_REJECTED, key="rejected", data={"code": request.failure})
        change = Change(
            order_id=request.order_id,
            facts=(fact,),
            path=(OrderStatus.REJECTED,),
            values={"failure_code": request.failure, "payment_token": None, "payment_token_key": None},
        )
        async with self._database.statement() as connection:
            await apply(connection, change)

    def _parcel_values(self, request: RecordParcelEvent, outcome: ParcelOutcome) -> dict[str, Any]:
        values: dict[str, Any] = {"stock": StockState.LEFT} if outcome.stock_leaves else {}
        if outcome.attention:
            return values | self._attention(outcome.attention, OrderStatus.SHIPPED)
        if outcome.path and request.status is OrderStatus.NEEDS_ATTENTION:
            values |= dict.fromkeys(("attention_reason", "attention_since", "attention_due_at", "resume_status"))
        return values

    def _attention(self, reason: AttentionReason, resume: OrderStatus) -> dict[str, Any]:
        since = datetime.now(UTC)
        return {
            "attention_reason": reason,
            "attention_since": since,
            "attention_due_at": since + self._attention_window,
            "resume_status": resume,
        }


def _is_free(order: StartOrder) -> bool:
    return order.total.amount == 0 and not order.test


def _outcome(placed: Placed, run_id: str) -> PlacementOutcome:
    if placed.run_id != run_id:
        return PlacementOutcome.DUPLICATE
    return PlacementOutcome.REJECTED if placed.status is OrderStatus.REJECTED else PlacementOutcome.PLACED


def _parcel_facts(request: RecordParcelEvent, outcome: ParcelOutcome) -> tuple[Fact, ...]:
    event = request.event
    data = {
        "carrier": event.carrier,
        "tracking_number": event.tracking_number,
        "occurred_at": event.occurred_at.isoformat(),
    }
    return tuple(
        Fact(kind=kind, key=f"{event.carrier}:{event.id}:{kind}", actor=f"carrier:{event.carrier}", data=data)
        for kind in outcome.facts
    )
