"""
The end of an order that is not delivered: from the moment its undo begins.
"""

from fulfillment.contracts.steps import BeginUndo, CloseOrder, RefuseCancellation, ReleaseStock
from fulfillment.db import holds
from fulfillment.db.asking import NOBODY_DECIDES
from fulfillment.db.attention import NO_QUESTION
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Reading
from fulfillment.domain.events import EventKind
from fulfillment.domain.orders import OrderStatus, StockState

_ENDS = {
    OrderStatus.REJECTED: EventKind.ORDER_REJECTED,
    OrderStatus.CANCELLED: EventKind.ORDER_CANCELLED,
    OrderStatus.RETURNED: EventKind.ORDER_RETURNED,
}


async def begin(connection: Reading, request: BeginUndo) -> None:
    """The order is being cancelled, by whom and why; nobody is to approve it any more."""
    fact = Fact(
        kind=EventKind.CANCELLATION_REQUESTED,
        key=f"undo:{request.n}",
        actor=request.actor,
        data={"code": request.failure, **_why(request.reason)},
    )
    change = Change(
        order_id=request.order_id,
        facts=(fact,),
        path=(OrderStatus.CANCELLING,),
        values={"failure_code": request.failure, **NO_QUESTION},
    )
    await apply(connection, change, NOBODY_DECIDES)


async def release(connection: Reading, request: ReleaseStock) -> None:
    """Give back what the order holds, if it holds anything."""
    change = Change(
        order_id=request.order_id,
        facts=(Fact(kind=EventKind.STOCK_RELEASED, key=f"released:{request.n}"),),
        during=(OrderStatus.CANCELLING,),
        only_if_stock=StockState.HELD,
        values={"stock": StockState.RELEASED},
    )
    await apply(connection, change, holds.release(f"{request.order_id}:release:{request.n}"))


async def close(connection: Reading, request: CloseOrder) -> None:
    """The order ends, and its card is forgotten."""
    fact = Fact(kind=_ENDS[request.status], key="closed", data={"code": request.failure} if request.failure else {})
    change = Change(
        order_id=request.order_id,
        facts=(fact,),
        path=(request.status,),
        values={"failure_code": request.failure, "payment_token": None, "payment_token_key": None},
    )
    await apply(connection, change)


async def refuse(connection: Reading, request: RefuseCancellation) -> None:
    """Somebody asked too late; wherever the order is by now."""
    fact = Fact(
        kind=EventKind.CANCELLATION_REFUSED,
        key=f"cancellation_refused:{request.n}",
        actor=request.actor,
        data=_why(request.reason),
    )
    await apply(connection, Change(order_id=request.order_id, facts=(fact,), during=tuple(OrderStatus)))


def _why(reason: str | None) -> dict[str, str]:
    return {"reason": reason} if reason else {}
