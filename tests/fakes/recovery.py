"""
How an order is taken over, as a script says it was left.
"""

from typing import TYPE_CHECKING

from temporalio import activity

from fulfillment.contracts.recovery import FindOperations, Numbered, RecoveryActivities, Standing, TakeOver
from fulfillment.contracts.steps import Placement, PlacementOutcome
from fulfillment.domain.orders import OrderStatus

if TYPE_CHECKING:
    from tests.fakes.activities import Script

_NOTHING = Numbered()

LEFT_IN_PROCESSING = Standing(
    status=OrderStatus.PROCESSING,
    failure=None,
    last_event=2,
    authorization=_NOTHING,
    capture=_NOTHING,
    reversal=_NOTHING,
    booking=_NOTHING,
    cancellation=_NOTHING,
    is_captured=False,
    picked_up=False,
)
"""Placed, and nothing else."""


class FakeRecoveryActivities(RecoveryActivities):
    def __init__(self, script: "Script") -> None:
        self._script = script

    @activity.defn
    async def take_over(self, request: TakeOver) -> Placement:
        await self._script.take(request)
        self._script.order, self._script.standing = request.order, self._script.left.status
        return Placement(
            outcome=PlacementOutcome.PLACED,
            status=self._script.left.status,
            total=request.order.total,
            terms=self._script.terms,
            approval=self._script.asked,
        )

    @activity.defn
    async def find_payments(self, request: FindOperations) -> None:
        await self._script.take(request)

    @activity.defn
    async def find_shipments(self, request: FindOperations) -> None:
        await self._script.take(request)

    @activity.defn
    async def read_standing(self, request: FindOperations) -> Standing:
        await self._script.take(request)
        return self._script.left
