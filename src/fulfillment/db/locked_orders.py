"""
Where an order stands while its row is locked: for changes that depend on more than its status.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, Text, Uuid, bindparam, select

from fulfillment.contracts.steps import Changed
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Writing
from fulfillment.db.tables import order_events, orders
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus, StockState

_LOCKED: Select[Any] = (
    select(orders.c.status, orders.c.total, orders.c.currency, orders.c.version, orders.c.stock)
    .where(orders.c.id == bindparam("locked_order", type_=Uuid))
    .with_for_update()
)
_WRITTEN: Select[Any] = select(order_events.c.sequence).where(
    order_events.c.order_id == bindparam("locked_order", type_=Uuid),
    order_events.c.key == bindparam("written_fact", type_=Text),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedOrder:
    """
    A locked order; `done` when the fact that was asked for is among its events already.
    """

    status: OrderStatus
    total: Money
    version: int
    stock: StockState
    done: bool = field(default=False)

    def changed(self, refusal: str | None = None) -> Changed:
        """What to tell when nothing is changed (now)."""
        return Changed(status=self.status, total=self.total, version=self.version, refusal=refusal)

    def is_outdated(self, expected_version: int | None) -> bool:
        """Whether a caller who saw that version (None: does not care) saw an older order than this."""
        return expected_version is not None and expected_version != self.version


async def lock(connection: Writing, order_id: OrderId, fact: str, during: tuple[OrderStatus, ...]) -> LockedOrder:
    """
    Lock an order until the transaction ends.

    Raises:
        OutOfStep: the fact is not written yet, and the order is in none of the statuses `during` which it may be; or
            there is no such row.
    """
    row = (await connection.execute(_LOCKED, {"locked_order": order_id})).first()
    if row is None:
        raise OutOfStep(order_id, "not written", fact)
    # A statement of its own: one that waited for the lock still sees the events as they were before.
    written = await connection.execute(_WRITTEN, {"locked_order": order_id, "written_fact": fact})
    done = written.first() is not None
    if not done and row.status not in during:
        raise OutOfStep(order_id, row.status, fact)
    return LockedOrder(
        status=OrderStatus(row.status),
        total=Money(row.total, row.currency),
        version=row.version,
        stock=StockState(row.stock),
        done=done,
    )
