"""
An order that names the workflow of its approval after its own run; a file of its own for the sandbox.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.approvals import ApprovalAsked, ApprovalResult, StartApproval
    from fulfillment.contracts.naming import APPROVAL_WORKFLOW, ORDER_WORKFLOW, TaskQueue, approval_workflow_id
    from fulfillment.contracts.orders import OrderResult, StartOrder
    from fulfillment.workflows.approvals import Approvals, Asking
    from fulfillment.workflows.order import OrderWorkflow


class _NamedAfterTheRun(Approvals):
    async def _ask(self, asked: ApprovalAsked) -> Asking:
        return await workflow.start_child_workflow(
            APPROVAL_WORKFLOW,
            StartApproval(order_id=self._order.id, asked=asked),
            id=approval_workflow_id(self._order.id, asked.n, workflow.info().run_id),
            task_queue=TaskQueue.APPROVALS,
            result_type=ApprovalResult,
        )


@workflow.defn(name=ORDER_WORKFLOW)
class NamedAfterTheRun(OrderWorkflow):
    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        super().__init__(start)
        self._checkout._approvals = _NamedAfterTheRun(self._order)

    @workflow.run
    async def run(self, start: StartOrder) -> OrderResult:
        return await super().run(start)
