"""
What the outside world told us: stored first, passed on to the workflow afterwards, however often that takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Interval, Row, Select, Uuid, func, literal, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.contracts.naming import payment_provider_of
from fulfillment.db.engine import Reading
from fulfillment.db.tables import inbox, operations, shipments
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind

LATE_EVENT = "late_event"
"""The outcome of an event that an operator must look at."""
_LONGEST_LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """
    An event as its source sent it; `order_id` is what the source believes it is about.

    `subject` is the parcel or the payment it is about, as its source calls it. `type` is text: a newer release may have
    stored what this one does not know.
    """

    source: str
    event_id: str
    type: str
    order_id: OrderId | None
    subject: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsignalled:
    """A stored event no workflow has yet; `row` and `received_at` are the inbox's."""

    row: int
    received_at: datetime
    event: InboxEvent


async def store(connection: Reading, event: InboxEvent) -> Unsignalled | None:
    """
    Keep an event; None when its source has sent it before.

    A parcel we know names its order better than what the source says about it: a wrong reference may be another order.
    """
    statement = (
        insert(inbox)
        .values(
            source=event.source,
            event_id=event.event_id,
            type=event.type,
            order_id=func.coalesce(
                _order_of(event.source, event.subject).scalar_subquery(), literal(event.order_id, Uuid)
            ),
            subject=event.subject,
            occurred_at=event.occurred_at,
        )
        .on_conflict_do_nothing(index_elements=[inbox.c.source, inbox.c.event_id])
        .returning(inbox)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else _unsignalled(row)


async def lease(connection: Reading, *, age: timedelta, period: timedelta, limit: int) -> Sequence[Unsignalled]:
    """
    Take events nobody passed on although they are older than `age`, the oldest first, for `period` or a quarter of
    their age (at most five minutes), whichever is longer: what nobody knows is not to keep later events waiting.

    Nobody else gets them meanwhile; whoever takes them and dies loses them again.
    """
    due = (
        select(inbox.c.id)
        .where(
            inbox.c.signalled_at.is_(None),
            inbox.c.received_at < func.now() - age,
            or_(inbox.c.leased_until.is_(None), inbox.c.leased_until < func.now()),
        )
        .order_by(inbox.c.received_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    quarter = literal_column("(now() - inbox.received_at) / 4", Interval)
    growing = func.least(quarter, literal(_LONGEST_LEASE, Interval))
    lease_ends = func.now() + func.greatest(literal(period, Interval), growing)
    taken = await connection.execute(
        update(inbox).where(inbox.c.id == due.c.id).values(leased_until=lease_ends).returning(inbox)
    )
    return sorted((_unsignalled(row) for row in taken), key=lambda event: (event.received_at, event.row))


async def order_of(connection: Reading, source: str, subject: str) -> OrderId | None:
    """The order a parcel or a payment belongs to, if it is one of ours."""
    found: UUID | None = await connection.scalar(_order_of(source, subject))
    return None if found is None else OrderId(found)


def _order_of(source: str, subject: str) -> Select[tuple[UUID]]:
    provider = payment_provider_of(source)
    if provider is None:
        return select(shipments.c.order_id).where(shipments.c.carrier == source, shipments.c.tracking_number == subject)
    return (
        select(operations.c.order_id)
        .where(
            operations.c.kind == OperationKind.AUTHORIZE.value,
            operations.c.provider == provider,
            operations.c.provider_reference == subject,
        )
        .limit(1)
    )


async def settle(connection: Reading, row: int, *, outcome: str, order_id: OrderId | None) -> None:
    """Nobody needs to pass this event on any more; `order_id` is the order that turned out to be meant."""
    settled = update(inbox).where(inbox.c.id == row, inbox.c.signalled_at.is_(None))
    await connection.execute(settled.values(signalled_at=func.now(), outcome=outcome, order_id=order_id))


def _unsignalled(row: Row[Any]) -> Unsignalled:
    event = InboxEvent(
        source=row.source,
        event_id=row.event_id,
        type=row.type,
        order_id=None if row.order_id is None else OrderId(row.order_id),
        subject=row.subject,
        occurred_at=row.occurred_at,
    )
    return Unsignalled(row=row.id, received_at=row.received_at, event=event)
