"""
One request for approval: asks level by level, reminds, escalates, and ends by its deadline whatever happens.
"""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.approvals import (
        ApprovalActivities,
        ApprovalResult,
        Decided,
        Decision,
        OpenApproval,
        Reassign,
        RefusedDecision,
        StartApproval,
        Withdraw,
        WriteApproval,
    )
    from fulfillment.contracts.naming import APPROVAL_WORKFLOW, TaskQueue
    from fulfillment.domain.approval_requests import ApprovalRequest
    from fulfillment.domain.approvals import MOST_DECISIONS, ApprovalStatus, Vote
    from fulfillment.domain.errors import ApprovalClosed, DomainError, PreconditionFailed, TooManyChanges
    from fulfillment.workflows.approval_steps import Step, Told, can_be_kept, happened, opened_anew, told
    from fulfillment.workflows.deadline import Deadline
    from fulfillment.workflows.steps import database_step, decided_step

_NO_TIME = timedelta(0)


@workflow.defn(name=APPROVAL_WORKFLOW, failure_exception_types=[DomainError])
class ApprovalWorkflow:
    """
    The rules are `ApprovalRequest`'s. Handlers only validate and keep, `run` acts: one message or one moment at a time,
    each written down before the next.
    """

    @workflow.init
    def __init__(self, start: StartApproval) -> None:
        self._start = start
        self._request: ApprovalRequest | None = None
        self._version = 0
        self._messages: deque[Told] = deque()
        self._count = 0
        self._cancelled = False
        self._timer = Deadline()
        self._timer_for: datetime | None = None

    @workflow.run
    async def run(self, start: StartApproval) -> ApprovalResult:  # noqa: ARG002 - kept by `__init__`
        """Run the request to its end; a cancellation, by the order or through Temporal, makes it void."""
        work = asyncio.create_task(self._run())
        while not work.done():
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                self._cancelled = True
        return work.result()

    @workflow.update
    async def decide(self, decision: Decision) -> Decided:
        """What one person says; returns when it is written down."""
        return await self._tell(Told(decision))

    @decide.validator
    def _check_decide(self, decision: Decision) -> None:
        self._check_allowance()
        if self._request is not None:
            self._request.check(decision.actor, decision.authority, decision.level)

    @workflow.update
    async def withdraw(self, withdrawal: Withdraw) -> Decided:
        """Somebody takes their vote back; returns when this is written down."""
        return await self._tell(Told(withdrawal))

    @withdraw.validator
    def _check_withdraw(self, withdrawal: Withdraw) -> None:
        self._check_allowance()
        if self._request is not None:
            self._request.check_withdrawal(withdrawal.actor)

    @workflow.update
    async def reassign(self, reassignment: Reassign) -> Decided:
        """An operator lets another role decide at a level; returns when this is written down."""
        return await self._tell(Told(reassignment))

    @reassign.validator
    def _check_reassign(self, reassignment: Reassign) -> None:
        self._check_allowance()
        if self._request is not None:
            self._request.check_reassignment(reassignment.level)

    @workflow.signal
    def approve(self, decision: Decision | None = None) -> None:
        """A yes from somebody who does not wait for the answer; one that is refused is kept as such."""
        self._hear(decision, Vote.APPROVE)

    @workflow.signal
    def reject(self, decision: Decision | None = None) -> None:
        """A no from somebody who does not wait for the answer; one that is refused is kept as such."""
        self._hear(decision, Vote.REJECT)

    def _hear(self, decision: Decision | None, vote: Vote) -> None:
        """A signal that cannot be kept, or says something else than its name, must not hold the workflow up."""
        if decision is None or decision.vote is not vote or not can_be_kept(decision) or self._count >= MOST_DECISIONS:
            workflow.logger.warning("approval_signal_ignored")
            return
        self._count += 1
        # Unlike the ids of Updates the keys of signals are the senders' own: two people may have the same.
        named = replace(decision, key=f"{decision.actor}:{decision.key}")
        self._messages.append(Told(named, silent=True))

    def _check_allowance(self) -> None:
        if self._count >= MOST_DECISIONS:
            raise TooManyChanges(MOST_DECISIONS, "decisions")

    async def _tell(self, message: Told) -> Decided:
        self._count += 1
        self._messages.append(message)
        await workflow.wait_condition(lambda: message.is_answered)
        return message.answer()

    async def _run(self) -> ApprovalResult:
        request = await self._open()
        while request.is_open:
            await self._next(request)
        self._timer.stop()
        # Whoever was a moment too late is told so.
        while self._messages or not workflow.all_handlers_finished():
            if self._messages:
                await self._refuse(self._messages.popleft(), ApprovalClosed("approval", request.status))
            else:
                await workflow.wait_condition(lambda: bool(self._messages) or workflow.all_handlers_finished())
        return ApprovalResult(status=request.status)

    async def _open(self) -> ApprovalRequest:
        """Own the request, with whatever an earlier workflow has left of it."""
        asked = self._start.asked
        opening = OpenApproval(
            order_id=self._start.order_id,
            approval_id=asked.approval_id,
            owner=workflow.info().workflow_id,
            now=workflow.now(),
        )
        standing = await database_step(ApprovalActivities.open_approval, opening, queue=TaskQueue.APPROVALS)
        self._version = standing.version
        self._request = ApprovalRequest(
            asked.plan,
            requesters=asked.requesters,
            started_at=standing.started_at,
            status=standing.status,
            levels=standing.levels,
            ballots=standing.ballots,
        )
        return self._request

    async def _next(self, request: ApprovalRequest) -> None:
        """A cancellation comes before everything, what people said before what the clock says."""
        self._set_timer(request.next_at)
        await workflow.wait_condition(lambda: self._cancelled or bool(self._messages) or self._timer.passed)
        if self._cancelled:
            request.make_void()
            await self._write(request, Step())
        elif self._messages:
            await self._act(request, self._messages.popleft())
        else:
            before = request.levels
            happenings = request.pass_time(workflow.now())
            if happenings:
                await self._write(request, Step(facts=(*map(happened, happenings), *opened_anew(request, before))))
            else:
                self._timer_for = None  # the timer was a little early

    def _set_timer(self, at: datetime | None) -> None:
        """One timer for what becomes due next, however many messages come meanwhile."""
        if at is None or at == self._timer_for:
            return
        self._timer.stop()
        self._timer, self._timer_for = Deadline(max(at - workflow.now(), _NO_TIME), "the next reminder or deadline"), at

    async def _act(self, request: ApprovalRequest, message: Told) -> None:
        try:
            if message.expected_version not in (None, self._version):
                raise PreconditionFailed(self._version)
            step = told(request, message.message, workflow.now())
        except DomainError as refusal:
            await self._refuse(message, refusal)
            return
        message.decided = await self._write(request, step)

    async def _write(self, request: ApprovalRequest, step: Step) -> Decided:
        asked = self._start.asked
        self._version += 1
        write = WriteApproval(
            order_id=self._start.order_id,
            approval_id=asked.approval_id,
            n=asked.n,
            owner=workflow.info().workflow_id,
            version=self._version,
            status=request.status,
            levels=request.levels,
            due_at=request.due_at,
            waiting_for=request.waiting_for,
            facts=step.facts,
            note=step.note,
        )
        status = await decided_step(ApprovalActivities.write_approval, write, queue=TaskQueue.APPROVALS)
        if status is ApprovalStatus.VOID:
            request.make_void()
        return step.decided_by(request)

    async def _refuse(self, message: Told, refusal: DomainError) -> None:
        message.refusal = refusal
        if message.silent and isinstance(message.message, Decision):
            asked = self._start.asked
            refused = RefusedDecision(
                order_id=self._start.order_id,
                approval_id=asked.approval_id,
                n=asked.n,
                decision=message.message,
                code=refusal.code,
            )
            await decided_step(ApprovalActivities.refuse_decision, refused, queue=TaskQueue.APPROVALS)
