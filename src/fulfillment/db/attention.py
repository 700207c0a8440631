"""
Questions to operators, and their answers.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, Uuid, bindparam, select

from fulfillment.contracts.messages import Act
from fulfillment.contracts.payments import PaymentNews
from fulfillment.contracts.steps import Changed, RequestAttention, Reship, ResolveAttention
from fulfillment.db import holds, lines, shipments
from fulfillment.db.changes import Change, Effect, Fact, OutOfStep, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import lock
from fulfillment.db.tables import orders
from fulfillment.domain.attention import Action
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.inventory import refusal
from fulfillment.domain.orders import AttentionReason, OrderStatus, StockState

NO_QUESTION: dict[str, None] = dict.fromkeys(
    (
        "attention_reason",
        "attention_since",
        "attention_due_at",
        "attention_actions",
        "attention_operation",
        "resume_status",
    )
)
"""The columns of an order that asks nothing."""


def question(
    reason: AttentionReason,
    actions: tuple[Action, ...],
    *,
    resume: OrderStatus,
    window: timedelta,
    operation: str | None = None,
) -> dict[str, Any]:
    """The columns of an order that asks an operator, to be answered within `window`."""
    since = datetime.now(UTC)
    return {
        "attention_reason": reason,
        "attention_since": since,
        "attention_due_at": since + window,
        "attention_actions": list(actions),
        "attention_operation": operation,
        "resume_status": resume,
    }


def news_data(news: PaymentNews) -> dict[str, Any]:
    """What the timeline keeps of a payment provider's news."""
    return {
        "provider": news.provider,
        "payment": news.payment,
        "type": news.type,
        "occurred_at": news.occurred_at.isoformat(),
    }


async def ask(connection: Reading, request: RequestAttention, window: timedelta) -> bool:
    """
    Park an order until an operator has answered, which should be within `window`.

    False when there is nothing to ask: an attempt everybody had given up has taken the money after all.
    """
    data: dict[str, Any] = {"reason": request.reason, "operation": request.operation, "actions": list(request.actions)}
    key = f"attention:{request.n}"
    if request.news is not None:
        # Named after the news: so a recovery can tell that they were heard.
        key, data = f"{request.news.name}:{request.n}", data | news_data(request.news)
    fact = Fact(kind=EventKind.ATTENTION_NEEDED, key=key, data=data)
    change = Change(
        order_id=request.order_id,
        facts=(fact,),
        path=(OrderStatus.NEEDS_ATTENTION,),
        during=(request.status,),
        values=question(
            request.reason, request.actions, resume=request.resume, window=window, operation=request.operation
        ),
    )
    try:
        await apply(connection, change)
    except OutOfStep as error:
        if error.status == OrderStatus.AWAITING_SHIPMENT and request.status is OrderStatus.PROCESSING:
            return False
        raise
    return True


async def resolve(connection: Reading, request: ResolveAttention) -> None:
    """Write an answer down; the order goes on, or its undo begins."""
    key, actor = _answer_key(request.n), request.answer.actor
    data = told(request.answer) | await _closed(connection, request.order_id)
    facts = [Fact(kind=EventKind.ATTENTION_RESOLVED, key=key, actor=actor, data=data)]
    values: dict[str, Any] = dict(NO_QUESTION)
    if request.failure:
        values["failure_code"] = request.failure
        facts.append(
            Fact(
                kind=EventKind.CANCELLATION_REQUESTED,
                key=f"{key}:undo",
                actor=actor,
                data={"code": request.failure},
            )
        )
    change = Change(
        order_id=request.order_id,
        facts=tuple(facts),
        path=(request.status,),
        during=(OrderStatus.NEEDS_ATTENTION,),
        values=values,
    )
    effects: tuple[Effect, ...] = (shipments.found(),) if request.answer.action is Action.FOUND else ()
    await apply(connection, change, *effects)


async def reship(connection: Writing, request: Reship) -> Changed:
    """
    Hold the goods of an order once more, or refuse and change nothing.

    Raises:
        OutOfStep: the order asks nothing, or the goods it held have not left.
    """
    key = _answer_key(request.n)
    locked = await lock(connection, request.order_id, key, (OrderStatus.NEEDS_ATTENTION,))
    if locked.done:
        return locked.changed()
    if locked.stock is not StockState.LEFT:
        raise OutOfStep(request.order_id, f"{locked.status} with stock {locked.stock}", "another parcel")
    wanted = await lines.demand_of(Reading(connection), request.order_id)
    if refused := refusal(wanted, await holds.lock_available(connection, set(wanted))):
        return locked.changed(refused)
    answered = Fact(kind=EventKind.ATTENTION_RESOLVED, key=key, actor=request.answer.actor, data=told(request.answer))
    change = Change(
        order_id=request.order_id,
        facts=(answered, Fact(kind=EventKind.STOCK_HELD, key=f"{key}:held")),
        path=(OrderStatus.PROCESSING,),
        during=(OrderStatus.NEEDS_ATTENTION,),
        values={**NO_QUESTION, "stock": StockState.HELD},
    )
    await apply(Reading(connection), change, holds.hold_more(wanted, f"{request.order_id}:reship:{request.n}"))
    return Changed(status=OrderStatus.PROCESSING, total=locked.total, version=locked.version + 1)


def told(answer: Act) -> dict[str, Any]:
    """What the timeline keeps of an answer."""
    reference = {"provider_reference": answer.provider_reference} if answer.provider_reference else {}
    return {"action": answer.action, "reason": answer.reason, **reference}


_ASKED: Select[Any] = select(orders.c.attention_reason, orders.c.attention_operation).where(
    orders.c.id == bindparam("asked_order", type_=Uuid)
)


async def _closed(connection: Reading, order_id: OrderId) -> dict[str, str | None]:
    """What the answer was to: whether the money was somebody's affair afterwards depends on it (invariant I4)."""
    row = (await connection.execute(_ASKED, {"asked_order": order_id})).first()
    return {"question": row.attention_reason, "operation": row.attention_operation} if row else {}


def _answer_key(n: int) -> str:
    return f"answer:{n}"
