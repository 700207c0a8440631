"""
Where an order stands while its row is locked: for changes that depend on more than its status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Text, Uuid, bindparam, or_, select

from fulfillment.contracts.approvals import ApprovalAsked
from fulfillment.contracts.steps import Changed
from fulfillment.db.changes import OutOfStep
from fulfillment.db.customers import KnownCustomer
from fulfillment.db.engine import Writing
from fulfillment.db.tables import order_events, orders
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus, StockState

PAYS_LATER = or_(orders.c.payment_method.is_(None), orders.c.payment_due_at.is_not(None))
"""
An order in `awaiting_approval` goes to its payment from there: no card was given with it, or it has waited for one
before, and its card was declined or its customer is to agree.
"""

_LOCKED: Select[Any] = (
    select(
        *(orders.c.status, orders.c.total, orders.c.currency, orders.c.version, orders.c.stock, orders.c.test),
        *(orders.c.approved_total, orders.c.approved_currency, orders.c.assessment, orders.c.requested_by),
        *(orders.c.caller, orders.c.customer_id, orders.c.shipping_address, PAYS_LATER.label("pays_later")),
    )
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

    id: OrderId
    status: OrderStatus
    total: Money
    version: int
    stock: StockState
    done: bool
    is_test: bool
    approved: Money | None
    """What the rules or people have agreed to so far."""
    customer_id: str
    customer: KnownCustomer
    """As they were known when it was placed."""
    requester: str
    address: Mapping[str, Any]
    pays_later: bool

    def changed(self, refusal: str | None = None, approval: ApprovalAsked | None = None) -> Changed:
        """What to tell when nothing is changed (now)."""
        return Changed(status=self.status, total=self.total, version=self.version, refusal=refusal, approval=approval)

    def next_status(self, total: Money) -> OrderStatus:
        """Where it goes when it has waited for an approval and costs so much."""
        is_to_be_paid = total.amount and self.pays_later and not self.is_test
        return OrderStatus.AWAITING_PAYMENT if is_to_be_paid else OrderStatus.PROCESSING

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
    return _locked(order_id, row, done=done)


def _locked(order_id: OrderId, row: Row[Any], *, done: bool) -> LockedOrder:
    status, total = OrderStatus(row.status), Money(row.total, row.currency)
    return LockedOrder(
        id=order_id,
        status=status,
        total=total,
        version=row.version,
        stock=StockState(row.stock),
        done=done,
        is_test=row.test,
        approved=_approved(row, status, total),
        customer_id=row.customer_id,
        customer=KnownCustomer(**(row.assessment or {}).get("customer", {})),
        requester=row.requested_by or row.caller,
        address=row.shipping_address,
        pays_later=row.pays_later,
    )


def _approved(row: Row[Any], status: OrderStatus, total: Money) -> Money | None:
    if row.approved_total is not None:
        return Money(row.approved_total, row.approved_currency)
    # Placed before there were approvals: nobody asked then.
    return None if status is OrderStatus.AWAITING_APPROVAL else total
