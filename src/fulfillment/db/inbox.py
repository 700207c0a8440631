"""
What the outside world told us: stored first, passed on to the workflow afterwards, however often that takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.engine import Reading
from fulfillment.db.tables import inbox, shipments
from fulfillment.domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """
    An event as its source sent it; `order_id` is what the source believes it is about.

    `type` is text: a newer release may have stored what this one does not know.
    """

    source: str
    event_id: str
    type: str
    order_id: OrderId | None
    tracking_number: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsignalled:
    """A stored event no workflow has yet; `row` and `received_at` are the inbox's."""

    row: int
    received_at: datetime
    event: InboxEvent


async def store(connection: Reading, event: InboxEvent) -> Unsignalled | None:
    """Keep an event; None when its source has sent it before."""
    statement = (
        insert(inbox)
        .values(
            source=event.source,
            event_id=event.event_id,
            type=event.type,
            order_id=event.order_id,
            tracking_number=event.tracking_number,
            occurred_at=event.occurred_at,
        )
        .on_conflict_do_nothing(index_elements=[inbox.c.source, inbox.c.event_id])
        .returning(inbox.c.id, inbox.c.received_at)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Unsignalled(row=row.id, received_at=row.received_at, event=event)


async def lease(connection: Reading, *, age: timedelta, period: timedelta, limit: int) -> Sequence[Unsignalled]:
    """
    Take events nobody passed on although they are older than `age`, the oldest first, for `period`.

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
    taken = await connection.execute(
        update(inbox).where(inbox.c.id == due.c.id).values(leased_until=func.now() + period).returning(inbox)
    )
    return sorted((_unsignalled(row) for row in taken), key=lambda event: (event.received_at, event.row))


async def order_of_parcel(connection: Reading, carrier: str, tracking_number: str) -> OrderId | None:
    """The order a parcel belongs to, if it is one of ours."""
    parcel = select(shipments.c.order_id).where(
        shipments.c.carrier == carrier, shipments.c.tracking_number == tracking_number
    )
    found: UUID | None = await connection.scalar(parcel)
    return None if found is None else OrderId(found)


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
        tracking_number=row.tracking_number,
        occurred_at=row.occurred_at,
    )
    return Unsignalled(row=row.id, received_at=row.received_at, event=event)
