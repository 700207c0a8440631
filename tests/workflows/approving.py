"""
An order that waits for people, and what they say.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateStage

from fulfillment.contracts.approvals import ApprovalResult, Decided, Decision, Reassign, Withdraw
from fulfillment.domain.approvals import Plan, Vote
from fulfillment.workflows.approval import ApprovalWorkflow
from tests.fakes.activities import Script
from tests.fakes.approvals import ApprovalRow, a_plan
from tests.fakes.orders import an_order
from tests.fixtures.waiting import until
from tests.workflows.running import RunningOrders
from tests.workflows.stories import Story, begun

OPEN, WRITE, SETTLE, REFUSE = "open_approval", "write_approval", "settle_approval", "refuse_decision"
DAY = timedelta(days=1)
MANAGER, BOTH_LEVELS = a_plan("manager"), a_plan("manager", "director")


def decision(actor: str, *roles: str, vote: Vote = Vote.APPROVE, version: int | None = None, **more: Any) -> Decision:
    """What somebody says; without a role they are a manager."""
    return Decision(
        vote=vote, actor=actor, roles=roles or ("manager",), key=f"key of {actor}", expected_version=version, **more
    )


@dataclass(frozen=True)
class Approving:
    """One order whose approval is awaited."""

    order: Story

    @property
    def script(self) -> Script:
        return self.order.script

    @property
    def row(self) -> ApprovalRow:
        """The newest request."""
        return self.script.approvals.newest

    @property
    def handle(self) -> WorkflowHandle[ApprovalWorkflow, ApprovalResult]:
        """The workflow that was asked last."""
        client = self.order.orders.environment.client
        return client.get_workflow_handle_for(ApprovalWorkflow.run, self._owners[-1])

    @property
    def _owners(self) -> list[str]:
        """The workflows that were asked; a step that opens a request may be tried more than once."""
        return list(dict.fromkeys(request.owner for request in self.script.requests(OPEN)))

    async def opened(self, times: int = 1) -> None:
        """Until a workflow owns the newest request, the first or another one."""

        async def are_asked() -> bool:
            return len(self._owners) >= times

        await until(are_asked, seconds=10)
        await self.rests(OPEN)

    async def rests(self, step: str = WRITE, times: int = 1) -> None:
        """Until the request has made of a step what it makes of it."""
        await self.script.reached(step, times)
        await replace(self.order, handle=self.handle).rests(step, times)  # type: ignore[arg-type]

    async def later(self, time: timedelta) -> None:
        """Time goes by, and whatever it does is written down."""
        await self.order.later(time)
        # Time is skipped faster than a worker picks up what has become due.
        await asyncio.sleep(0.05)
        await self.rests(OPEN)

    async def says(self, actor: str, *roles: str, **more: Any) -> Decided:
        """Somebody decides."""
        return await self.handle.execute_update(ApprovalWorkflow.decide, decision(actor, *roles, **more))

    async def begins_to_say(self, actor: str, *roles: str, **more: Any) -> "asyncio.Task[Decided]":
        """Somebody decides; comes back when the request has heard it, answered or not."""
        update = await self.handle.start_update(
            ApprovalWorkflow.decide, decision(actor, *roles, **more), wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        return asyncio.create_task(update.result())

    async def withdraws(self, actor: str, version: int | None = None) -> Decided:
        """Somebody takes their vote back."""
        return await self.handle.execute_update(
            ApprovalWorkflow.withdraw, Withdraw(actor=actor, expected_version=version)
        )

    async def reassigns(self, level: str, role: str) -> Decided:
        """An operator lets others decide."""
        return await self.handle.execute_update(
            ApprovalWorkflow.reassign, Reassign(level=level, role=role, actor="operator", reason="on holiday")
        )

    @property
    def facts(self) -> list[str]:
        """What the timeline says about it."""
        return self.script.approvals.facts


async def awaiting(orders: RunningOrders, plan: Plan = MANAGER, **order: Any) -> Approving:
    """An order whose people are asked, as a plan says."""
    approving = await unopened(orders, plan, **order)
    await approving.opened()
    return approving


async def unopened(orders: RunningOrders, plan: Plan = MANAGER, **order: Any) -> Approving:
    """An order that needs approval; its request may not be open yet."""
    orders.script.plan = plan
    approving = Approving(await begun(orders, an_order(**order)))
    await orders.script.reached(OPEN)
    return approving
