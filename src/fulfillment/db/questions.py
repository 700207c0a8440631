"""
What waits for an operator, as it is read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Row, Select, Text, case, literal, null, select, tuple_, union_all

from fulfillment.contracts.naming import payments_source
from fulfillment.db.engine import Reading
from fulfillment.db.inbox import LATE_EVENT
from fulfillment.db.tables import inbox, orders
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, OrderStatus

UNRESOLVED = (inbox.c.outcome == LATE_EVENT, inbox.c.resolved_at.is_(None))
"""Conditions: an operator has not looked at this late event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionView:
    """
    The question an operator must answer, and where the order goes on afterwards.

    `actions` are the answers it allows, `operation` is the key of what could not be done.
    """

    reason: AttentionReason
    since: datetime
    due_at: datetime | None
    resume_status: OrderStatus | None
    actions: tuple[Action, ...]
    operation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionEntry:
    """
    A question of an order. Those about late events stand beside their order, which has ended and keeps its status.

    `position` is its place among all, oldest first.
    """

    order_id: OrderId
    attention: AttentionView
    position: tuple[datetime, UUID, int]


async def attention(
    connection: Reading, *, reason: AttentionReason | None, after: tuple[datetime, UUID, int] | None, limit: int
) -> list[AttentionEntry]:
    """All that waits for an operator, oldest first, from the one that follows position `after` on."""
    found = union_all(_questions(), _late_events()).subquery()
    statement = select(found)
    if reason:
        statement = statement.where(found.c.attention_reason == reason)
    if after:
        statement = statement.where(tuple_(found.c.attention_since, found.c.id, found.c.event) > tuple_(*after))
    ordered = statement.order_by(found.c.attention_since, found.c.id, found.c.event).limit(limit)
    return [_entry(row) for row in await connection.execute(ordered)]


def question_of(row: Row[Any]) -> AttentionView:
    """What an order asks, from a row with its columns; there must be a question."""
    return AttentionView(
        reason=AttentionReason(row.attention_reason),
        since=row.attention_since,
        due_at=row.attention_due_at,
        resume_status=OrderStatus(row.resume_status) if row.resume_status else None,
        actions=tuple(Action(name) for name in row.attention_actions or ()),
        operation=row.attention_operation,
    )


def _questions() -> Select[Any]:
    columns = orders.c
    return select(
        columns.id,
        literal(0, BigInteger).label("event"),
        columns.attention_reason,
        columns.attention_since,
        columns.attention_due_at,
        columns.resume_status,
        columns.attention_actions,
        columns.attention_operation,
    ).where(columns.status == OrderStatus.NEEDS_ATTENTION, columns.attention_reason.is_not(None))


def _late_events() -> Select[Any]:
    columns = inbox.c
    # Both allow the same answers.
    late, dispute = AttentionReason.LATE_EVENT, AttentionReason.PROVIDER_DISPUTE
    is_payment = columns.source.startswith(payments_source(""), autoescape=True)
    return select(
        columns.order_id,
        columns.id,
        case((is_payment, literal(dispute.value, Text)), else_=literal(late.value, Text)),
        columns.received_at,
        columns.attention_due_at,
        null(),
        literal(list(ACTIONS[late]), ARRAY(Text)),
        null(),
    ).where(*UNRESOLVED)


def _entry(row: Row[Any]) -> AttentionEntry:
    asked = question_of(row)
    return AttentionEntry(order_id=OrderId(row.id), attention=asked, position=(asked.since, row.id, row.event))
