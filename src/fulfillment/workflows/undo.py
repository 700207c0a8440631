"""
The way back: what happened to an order is undone, the carrier first.
"""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Cancel
    from fulfillment.contracts.recovery import Standing
    from fulfillment.contracts.steps import BeginUndo, CloseOrder, OrderActivities, RefuseCancellation, ReleaseStock
    from fulfillment.domain.orders import FailureCode, OrderStatus
    from fulfillment.workflows.parcels import Parcels
    from fulfillment.workflows.payments import Payments
    from fulfillment.workflows.state import Ending, OrderState
    from fulfillment.workflows.steps import database_step, decided_step

_NOBODY = "system"


class Undo:
    """Ends one order that is not going to be delivered, or finds that it is."""

    def __init__(self, order: OrderState, parcels: Parcels, payments: Payments) -> None:
        self._order = order
        self._parcels = parcels
        self._payments = payments
        self._count = 0
        self._refusals = 0

    def restore(self, standing: Standing) -> None:
        """Go on counting after an earlier run."""
        self._count = self._refusals = standing.last_event

    async def end(self, ending: Ending) -> bool:
        """
        Undo everything and close the order. False when the carrier has the parcel already: it is the gate, nothing
        else is undone then, and the order goes on as shipped.
        """
        self._count += 1
        # First: what is asked for from now on comes too late.
        self._order.status = OrderStatus.CANCELLING
        if not ending.begun:
            await self._begin(ending)
        self._order.changes.refuse()
        if not await self._parcels.keep_back():
            self._order.cancellation = None
            return False
        # Neither depends on the other; a question is only asked once both have been tried.
        obstacle, _ = await asyncio.gather(self._payments.reverse(), self._release_stock())
        await self._payments.insist(obstacle)
        request = CloseOrder(order_id=self._order.id, status=ending.status, failure=ending.failure)
        await database_step(OrderActivities.close_order, request)
        self._order.status = ending.status
        return True

    async def refuse(self, request: Cancel) -> None:
        """A cancellation came too late: it is written down, and nothing else."""
        self._refusals += 1
        refusal = RefuseCancellation(
            order_id=self._order.id, n=self._refusals, actor=request.actor, reason=request.reason
        )
        await decided_step(OrderActivities.refuse_cancellation, refusal)

    async def _begin(self, ending: Ending) -> None:
        request = BeginUndo(
            order_id=self._order.id,
            n=self._count,
            failure=ending.failure or FailureCode.CANCELLED,
            actor=ending.by.actor if ending.by else _NOBODY,
            reason=ending.by.reason if ending.by else None,
        )
        await decided_step(OrderActivities.begin_undo, request)

    async def _release_stock(self) -> None:
        await database_step(OrderActivities.release_stock, ReleaseStock(order_id=self._order.id, n=self._count))
