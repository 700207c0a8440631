"""
What the parts of an order's workflow share: where the order stands, what it lives by, and whether it is still wanted.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.approvals import ApprovalAsked
    from fulfillment.contracts.messages import Cancel
    from fulfillment.contracts.orders import StartOrder, Terms
    from fulfillment.contracts.providers import Patience
    from fulfillment.contracts.recovery import Standing
    from fulfillment.contracts.steps import Placement
    from fulfillment.domain.money import Money
    from fulfillment.domain.orders import FailureCode, OrderStatus
    from fulfillment.workflows.changes import Changes
    from fulfillment.workflows.steps import is_final

Result = TypeVar("Result")


class Ending(Exception):
    """
    The order is not going to be delivered: what happened is to be undone, then it is `status`.

    `begun`: it is written down already that the undo begins.
    """

    def __init__(
        self, status: OrderStatus, failure: FailureCode | None, *, by: Cancel | None = None, begun: bool = False
    ) -> None:
        super().__init__(failure)
        self.status = status
        self.failure = failure
        self.by = by
        self.begun = begun

    @classmethod
    def left_by(cls, standing: Standing) -> Self:
        """The ending an earlier run was busy with."""
        match standing.failure:
            case None:
                status = OrderStatus.RETURNED
            case FailureCode.CANCELLED | FailureCode.PARCEL_LOST:
                status = OrderStatus.CANCELLED
            case _:
                status = OrderStatus.REJECTED
        return cls(status, standing.failure, begun=True)


class OrderState:
    """The state of one order between its steps."""

    def __init__(self, start: StartOrder) -> None:
        self.id = start.order_id
        self.is_test = start.test
        self.status = OrderStatus.RECEIVED
        self.cancellation: Cancel | None = None
        self.changes = Changes(self)
        self.booking = False
        self._placement: Placement | None = None
        self._approval: ApprovalAsked | None = None
        self._total = start.total

    def placed(self, placement: Placement) -> None:
        """The order is written down."""
        self._placement = placement
        self._total = placement.total
        self.status = placement.status
        self._approval = placement.approval

    def changed(self, status: OrderStatus, total: Money, approval: ApprovalAsked | None = None) -> None:
        """It is worth something else now, goes on elsewhere, or waits for another approval."""
        self.status, self._total = status, total
        self._approval = approval or self._approval

    @property
    def total(self) -> Money:
        """What it costs now."""
        return self._total

    @property
    def approval(self) -> ApprovalAsked:
        """The request for approval it waits for, or waited for last."""
        assert self._approval is not None, "an order that awaits an approval has a request"  # noqa: S101
        return self._approval

    @property
    def terms(self) -> Terms:
        """The deadlines and bounds it was placed with."""
        assert self._placement is not None, "nothing branches on the terms before the order is placed"  # noqa: S101
        return self._placement.terms

    @property
    def is_disturbed(self) -> bool:
        """Somebody wants it cancelled or changed."""
        return self.cancellation is not None or self.changes.waiting

    def patience(self, failures: int) -> Patience:
        """How long a provider step goes on."""
        return Patience(failures=failures, memory=self.terms.key_memory)

    def ending(self, failure: FailureCode) -> Ending:
        """What a refusal means: somebody's cancellation comes before it."""
        if self.cancellation is not None:
            return Ending(OrderStatus.CANCELLED, FailureCode.CANCELLED, by=self.cancellation)
        return Ending(OrderStatus.REJECTED, failure)

    def stop_if_cancelled(self) -> None:
        """
        To be called between steps.

        Raises:
            Ending: somebody does not want the order any more.
        """
        if self.cancellation is not None:
            raise self.ending(FailureCode.CANCELLED)

    async def interruptible(self, step: Coroutine[Any, Any, Result], *, serving: bool = True) -> Result:
        """
        A step that a cancellation stops at its next safe point: at once while it waits for its next attempt; an
        attempt in flight is awaited, and what really happened counts. Changes are served meanwhile, or wait.

        Raises:
            ActivityError: the step was refused, for good.
            Ending: it was stopped.
        """
        task = asyncio.create_task(step)
        while not task.done():
            await workflow.wait_condition(
                lambda: task.done() or (self.is_disturbed if serving else self.cancellation is not None)
            )
            if serving:
                await self.changes.serve()
            if self.cancellation is not None and not task.done():
                task.cancel()
                await workflow.wait_condition(task.done)
        try:
            return await task
        except ActivityError as error:
            if not is_final(error):
                self.stop_if_cancelled()
            raise
