"""
What an approval does to its order, once it is given.
"""

from typing import Any

from sqlalchemy import Select, Uuid, bindparam, or_, select

from fulfillment.contracts.steps import SettleApproval
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import lock
from fulfillment.db.tables import orders
from fulfillment.domain.events import EventKind
from fulfillment.domain.orders import OrderStatus

# An order that has waited for a payment before still does: its card was declined, or its customer is to agree.
_TO_BE_PAID: Select[Any] = select(orders.c.id).where(
    orders.c.id == bindparam("settled_order", type_=Uuid),
    orders.c.total > 0,
    or_(orders.c.payment_method.is_(None), orders.c.payment_due_at.is_not(None)),
    ~orders.c.test,
)


async def settle(connection: Writing, request: SettleApproval) -> OrderStatus:
    """
    An approved order goes on: to its payment, or on its way.

    Raises:
        OutOfStep: it does not wait for an approval.
    """
    key = f"approved:{request.n}"
    locked = await lock(connection, request.order_id, key, (OrderStatus.AWAITING_APPROVAL,))
    if locked.done:
        return locked.status
    is_unpaid = (await connection.execute(_TO_BE_PAID, {"settled_order": request.order_id})).first() is not None
    approved = Fact(kind=EventKind.ORDER_APPROVED, key=key, data={"n": request.n})
    requested = Fact(kind=EventKind.PAYMENT_REQUESTED, key=f"payment_requested:approved:{request.n}")
    status = OrderStatus.AWAITING_PAYMENT if is_unpaid else OrderStatus.PROCESSING
    change = Change(
        order_id=request.order_id,
        facts=(approved, requested) if is_unpaid else (approved,),
        path=(status,),
        during=(OrderStatus.AWAITING_APPROVAL,),
    )
    await apply(Reading(connection), change)
    return status
