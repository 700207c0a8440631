"""
An approval workflow that keeps no timer; a file of its own for the sandbox.
"""

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.approvals import ApprovalResult, StartApproval
    from fulfillment.contracts.naming import APPROVAL_WORKFLOW
    from fulfillment.workflows.approval import ApprovalWorkflow


@workflow.defn(name=APPROVAL_WORKFLOW)
class WithoutATimer(ApprovalWorkflow):
    @workflow.init
    def __init__(self, start: StartApproval) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartApproval) -> ApprovalResult:
        return await super().run(start)

    def _set_timer(self, at: datetime | None) -> None:
        pass
