"""
Deciding on requests for approval. The same key never counts twice, also after the workflow has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog

from fulfillment.api.authority import authority_of
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.approvals import DecisionBody, ReassignBody
from fulfillment.approval_orchestrator import ApprovalOrchestrator, Message
from fulfillment.contracts.approvals import Decided, Decision, Reassign, Withdraw
from fulfillment.db import approval_views
from fulfillment.db.approval_views import ApprovalView
from fulfillment.db.engine import Database
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.errors import (
    ApprovalClosed,
    ApprovalNotFound,
    DomainError,
    IdempotencyKeyReused,
    LevelNeeded,
    PreconditionFailed,
    Unavailable,
)
from fulfillment.domain.identity import Principal
from fulfillment.domain.ids import update_id_for
from fulfillment.fingerprint import Fingerprint, FingerprintRing
from fulfillment.updates import WorkflowEnded, WorkflowNotReady

_log = structlog.stdlib.get_logger(__name__)

_PAUSE = timedelta(milliseconds=100)

Compose = Callable[[ApprovalView, int | None], Awaitable[Message]]
"""What is said to a request as it is now, based on this version of it (None: on any)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who says something to which request, based on which of its versions (None: on any)."""

    approval_id: UUID
    caller: Principal
    versions: frozenset[int] | None

    def expected(self, approval: ApprovalView) -> int | None:
        """
        The version it is based on; None: any.

        Raises:
            PreconditionFailed: the request has another one.
        """
        if self.versions is None:
            return None
        if approval.version not in self.versions:
            raise PreconditionFailed(approval.version)
        return approval.version


@dataclass(frozen=True, slots=True)
class Said:
    """Where the request stands after it, and whether an earlier request with this key had said it."""

    decided: Decided
    replayed: bool = False


class ApprovalDecisions:
    """
    Hands what people say to the workflow of the request.

    Every method raises `ApprovalNotFound`, `ApprovalClosed`, `PreconditionFailed`, `TooManyChanges`, `Unavailable`,
    and `Problem` where a field names nothing that is there.
    """

    def __init__(self, database: Database, workflows: ApprovalOrchestrator, fingerprints: FingerprintRing) -> None:
        self._database = database
        self._workflows = workflows
        self._fingerprints = fingerprints

    async def decide(self, speaker: Speaker, key: str, body: DecisionBody) -> Said:
        """
        Give a vote.

        Raises:
            IdempotencyKeyReused: the key came with another body before.
            NotAnApprover: none of the open levels is theirs to decide.
            OwnOrder: the order is.
            AlreadyVoted: or `OneLevelPerPerson`; they have a vote.
        """
        name = update_id_for("decide", speaker.approval_id, speaker.caller.id, key)
        if (before := await self._voted_before(speaker.approval_id, name, body)) is not None:
            return Said(before, replayed=True)

        async def decision(approval: ApprovalView, expected: int | None) -> Decision:
            return await self._decision(speaker.caller, approval, name, body, expected)

        try:
            decided = await self._tell(speaker, decision, name)
        except (DomainError, Problem):
            # The same request may have been faster, sent twice at once.
            if (before := await self._voted_before(speaker.approval_id, name, body)) is not None:
                return Said(before, replayed=True)
            raise
        self._compare(body, decided)
        return Said(decided)

    async def withdraw(self, speaker: Speaker) -> Said:
        """
        Take a vote back.

        Raises:
            NothingToWithdraw: there is none at a level that is open.
        """

        async def withdrawal(_: ApprovalView, expected: int | None) -> Withdraw:
            return Withdraw(actor=speaker.caller.id, expected_version=expected)

        return Said(await self._tell(speaker, withdrawal))

    async def reassign(self, speaker: Speaker, body: ReassignBody) -> Said:
        """Let another role decide at a level."""

        async def reassignment(_: ApprovalView, expected: int | None) -> Reassign:
            return Reassign(
                level=body.level,
                role=body.role,
                actor=speaker.caller.id,
                reason=body.reason,
                expected_version=expected,
            )

        return Said(await self._tell(speaker, reassignment))

    async def _decision(
        self, caller: Principal, approval: ApprovalView, name: str, body: DecisionBody, expected: int | None
    ) -> Decision:
        async with self._database.statement() as connection:
            authority = await authority_of(
                connection,
                caller,
                approval.request,
                level=body.level,
                on_behalf_of=body.on_behalf_of,
                now=datetime.now(UTC),
            )
        fingerprint = self._fingerprints.of(body.canonical())
        return Decision(
            vote=body.decision,
            actor=caller.id,
            roles=tuple(sorted(authority.roles)),
            key=name,
            fingerprint=fingerprint.digest,
            fingerprint_key=fingerprint.key_id,
            on_behalf_of=authority.on_behalf_of,
            level=body.level,
            comment=body.comment,
            expected_version=expected,
        )

    async def _tell(self, speaker: Speaker, compose: Compose, name: str | None = None) -> Decided:
        """
        Tell the workflow that owns the request. It may not own it yet, or another one may be taking over: what is said
        waits for that.
        """
        clock = asyncio.get_running_loop()
        ends_at = clock.time() + self._workflows.patience.total_seconds()
        while (left := ends_at - clock.time()) > 0:
            approval = await self._open(speaker.approval_id)
            message = await compose(approval, speaker.expected(approval))
            if approval.owner is not None:
                try:
                    return await self._ask(approval.owner, message, name, timedelta(seconds=left))
                except LevelNeeded as error:
                    raise Problem.field("level", str(error)) from None
                except (WorkflowEnded, WorkflowNotReady):
                    pass
            await asyncio.sleep(_PAUSE.total_seconds())
        raise Unavailable("approval's workflow")

    async def _ask(self, owner: str, message: Message, name: str | None, patience: timedelta) -> Decided:
        if name is not None:
            try:
                return await self._workflows.tell(owner, message, name, patience)
            except DomainError:
                # Perhaps what an earlier request with this key was answered, and refusals are not kept: asked again.
                pass
        return await self._workflows.tell(owner, message, str(uuid4()), patience)

    async def _open(self, approval_id: UUID) -> ApprovalView:
        async with self._database.statement() as connection:
            approval = await approval_views.approval(connection, approval_id)
        if approval is None:
            raise ApprovalNotFound(approval_id)
        if approval.status is not ApprovalStatus.PENDING:
            raise ApprovalClosed("approval", approval.status)
        return approval

    async def _voted_before(self, approval_id: UUID, name: str, body: DecisionBody) -> Decided | None:
        """What a vote of this name was answered with, if there is one."""
        async with self._database.statement() as connection:
            before = await approval_views.voted(connection, approval_id, name)
        if before is not None:
            self._compare(body, before)
        return before

    def _compare(self, body: DecisionBody, before: Decided) -> None:
        fingerprint = Fingerprint(before.fingerprint, before.fingerprint_key)
        if not self._fingerprints.knows(fingerprint.key_id):
            _log.error("fingerprint_key_missing", key_id=fingerprint.key_id)
        if not self._fingerprints.matches(body.canonical(), fingerprint):
            raise IdempotencyKeyReused
