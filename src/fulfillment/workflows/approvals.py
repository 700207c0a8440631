"""
Waiting for people: an order the rules do not let pass by themselves.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.approvals import ApprovalAsked, ApprovalResult, StartApproval
    from fulfillment.contracts.naming import APPROVAL_WORKFLOW, TaskQueue, approval_workflow_id
    from fulfillment.contracts.steps import OrderActivities, SettleApproval
    from fulfillment.domain.approvals import ApprovalStatus
    from fulfillment.domain.orders import FailureCode, OrderStatus
    from fulfillment.workflows.deadline import Deadline
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import decided_step

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(hours=1)

Asking = workflow.ChildWorkflowHandle[object, ApprovalResult]


class Approvals:
    """
    The requests of one order, one after the other. Each is run by a workflow of its own; that one is told when nobody
    needs its answer any more, and never waited for: an order can be cancelled although no worker approves anything.
    """

    def __init__(self, order: OrderState) -> None:
        self._order = order
        self._stopped = 0

    async def wait(self) -> None:
        """
        Until the order is approved, or changed into one that needs no approval.

        Raises:
            Ending: it is refused, nobody decided in time, or it is cancelled.
        """
        while self._order.status is OrderStatus.AWAITING_APPROVAL:
            self._order.stop_if_cancelled()
            asked = self._order.approval
            match await self._answer(asked):
                case ApprovalStatus.APPROVED:
                    request = SettleApproval(order_id=self._order.id, n=asked.n)
                    self._order.status = await decided_step(OrderActivities.settle_approval, request)
                case ApprovalStatus.REJECTED:
                    raise self._order.ending(FailureCode.APPROVAL_REJECTED)
                case ApprovalStatus.EXPIRED:
                    raise self._order.ending(FailureCode.APPROVAL_EXPIRED)
                case _ if self._waits_for(asked):
                    await self._pause()

    def _waits_for(self, asked: ApprovalAsked) -> bool:
        return self._order.status is OrderStatus.AWAITING_APPROVAL and self._order.approval == asked

    async def _answer(self, asked: ApprovalAsked) -> ApprovalStatus | None:
        """
        What people say to a request; nothing of use when it is replaced, or its workflow was stopped by somebody else.
        """
        asking = await self._ask(asked)
        # Whoever has it stopped does not wait for what it says to that.
        asking.add_done_callback(_hear_out)
        try:
            while self._waits_for(asked):
                await workflow.wait_condition(lambda: asking.done() or self._order.is_disturbed)
                self._order.stop_if_cancelled()
                await self._order.changes.serve()
                if asking.done() and self._waits_for(asked):
                    return _result(asking)
        finally:
            asking.cancel()
        return None

    async def _pause(self) -> None:
        """
        A request whose workflow was stopped is asked again, after longer and longer pauses: should it be stopped each
        time, the history of the order must not grow without end.
        """
        pause = Deadline(min(_FIRST_PAUSE * 2 ** min(self._stopped, 20), _LONGEST_PAUSE), "asking for approval again")
        self._stopped += 1
        await workflow.wait_condition(lambda: pause.passed or self._order.is_disturbed)
        pause.stop()

    async def _ask(self, asked: ApprovalAsked) -> Asking:
        # The id of the run would be another one after a reset, when the same command is replayed; this is not.
        run = str(workflow.uuid4())
        return await workflow.start_child_workflow(
            APPROVAL_WORKFLOW,
            StartApproval(order_id=self._order.id, asked=asked),
            id=approval_workflow_id(self._order.id, asked.n, run),
            task_queue=TaskQueue.APPROVALS,
            result_type=ApprovalResult,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            cancellation_type=workflow.ChildWorkflowCancellationType.TRY_CANCEL,
            static_summary=f"{self._order.total}: {', '.join(level.role for level in asked.plan.levels)}",
        )


def _result(asking: Asking) -> ApprovalStatus | None:
    try:
        return asking.result().status
    except ChildWorkflowError:
        # Terminated by somebody: the decisions are in the database, the next workflow goes on from there.
        return None


def _hear_out(asking: asyncio.Task[ApprovalResult]) -> None:
    if not asking.cancelled():
        asking.exception()
