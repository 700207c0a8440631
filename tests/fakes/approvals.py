"""
Requests for approval without a database: rows in memory, written by the rules of the contract.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from temporalio import activity

from fulfillment.contracts.approvals import (
    ApprovalActivities,
    ApprovalAsked,
    ApprovalFact,
    ApprovalStanding,
    Note,
    NoteKind,
    OpenApproval,
    RefusedDecision,
    WriteApproval,
)
from fulfillment.contracts.orders import StartOrder
from fulfillment.domain.approval_requests import ApprovalRequest, Level
from fulfillment.domain.approvals import ApprovalStatus, Ballot, Mode, Plan, PlannedLevel
from fulfillment.domain.ids import OrderId, approval_id_for
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import PLACED_AT

if TYPE_CHECKING:
    from tests.fakes.activities import Script

NOBODY = Plan(policy="test")
"""Every order passes by itself."""
ROLES = ("manager", "director", "vp")


def a_plan(*roles: str, mode: Mode = Mode.SEQUENTIAL, **level: Any) -> Plan:
    """People of these roles are asked, from low to high; nobody is above a `vp`."""
    higher = dict(pairwise(ROLES))
    levels = (PlannedLevel(role=role, escalates_to=higher.get(role), **level) for role in roles)
    return Plan(policy="test", levels=tuple(levels), mode=mode)


@dataclass
class ApprovalRow:
    """One request as it is stored."""

    order_id: OrderId
    asked: ApprovalAsked
    levels: tuple[Level, ...]
    started_at: datetime
    status: ApprovalStatus = ApprovalStatus.PENDING
    version: int = 1
    owner: str | None = None
    ballots: list[Ballot] = field(default_factory=list)
    facts: list[ApprovalFact] = field(default_factory=list)
    void: list[Ballot] = field(default_factory=list)
    """Votes that came when nobody needed them any more."""
    due_at: datetime | None = None
    waiting_for: tuple[str, ...] = ()

    def opened(self, now: datetime) -> tuple[Level, ...]:
        """Its levels if it begins now."""
        return ApprovalRequest(self.asked.plan, requesters=self.asked.requesters, started_at=now).levels


@dataclass
class ApprovalRows:
    """All requests of the one order of a test; the last is the newest."""

    rows: list[ApprovalRow] = field(default_factory=list)

    def ask(self, order: StartOrder, plan: Plan) -> None:
        """Another request; what is open is void."""
        self.make_void()
        n = len(self.rows) + 1
        asked = ApprovalAsked(
            approval_id=approval_id_for(order.order_id, n),
            n=n,
            plan=plan,
            requesters=(order.requested_by or order.caller,),
        )
        levels = ApprovalRequest(plan, requesters=asked.requesters, started_at=PLACED_AT).levels
        self.rows.append(ApprovalRow(order.order_id, asked, levels, PLACED_AT))

    def make_void(self) -> None:
        """Nobody needs what is open any more."""
        for row in self.rows:
            if row.status is ApprovalStatus.PENDING:
                row.status = ApprovalStatus.VOID

    def get(self, approval_id: UUID) -> ApprovalRow:
        """The request of this id."""
        (row,) = (row for row in self.rows if row.asked.approval_id == approval_id)
        return row

    @property
    def newest(self) -> ApprovalRow:
        """The request that was made last."""
        return self.rows[-1]

    @property
    def statuses(self) -> list[str]:
        """Where each request stands."""
        return [row.status.value for row in self.rows]

    @property
    def facts(self) -> list[str]:
        """What happened to all requests, in words of the timeline."""
        return [fact.kind.value for row in self.rows for fact in row.facts]


class FakeApprovalActivities(ApprovalActivities):
    def __init__(self, script: "Script") -> None:
        self._script = script

    @activity.defn
    async def open_approval(self, request: OpenApproval) -> ApprovalStanding:
        await self._script.take(request)
        row = self._script.approvals.get(request.approval_id)
        is_wanted = row is self._script.approvals.newest and self._script.standing is OrderStatus.AWAITING_APPROVAL
        if row.owner is None:
            row.started_at, row.levels = request.now, row.opened(request.now)
        if row.status is ApprovalStatus.VOID and is_wanted:
            row.status, row.version = ApprovalStatus.PENDING, row.version + 1
        row.owner = request.owner
        return ApprovalStanding(
            status=row.status,
            version=row.version,
            started_at=row.started_at,
            levels=row.levels,
            ballots=tuple(row.ballots),
        )

    @activity.defn
    async def write_approval(self, request: WriteApproval) -> ApprovalStatus:
        await self._script.take(request)
        row = self._script.approvals.get(request.approval_id)
        if row.owner == request.owner and row.version >= request.version:
            return row.status
        if row.owner != request.owner or row.status is not ApprovalStatus.PENDING:
            if request.note is not None and request.note.kind is NoteKind.TAKEN:
                row.void.append(request.note.ballot)
            return ApprovalStatus.VOID
        row.status, row.version, row.levels = request.status, request.version, request.levels
        row.due_at, row.waiting_for = request.due_at, request.waiting_for
        row.facts += [replace(fact) for fact in request.facts]
        if request.note is not None:
            _keep(row, request.note)
        if row.status is ApprovalStatus.APPROVED:
            self._script.approved = self._script.amount
        return row.status

    @activity.defn
    async def refuse_decision(self, request: RefusedDecision) -> None:
        await self._script.take(request)


def _keep(row: ApprovalRow, note: Note) -> None:
    if note.kind is NoteKind.TAKEN:
        row.ballots.append(note.ballot)
    else:
        row.ballots.remove(note.ballot)
