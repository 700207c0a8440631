"""
What crosses Temporal about approvals: how a request is started, what people tell it, what it writes down.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from fulfillment.domain.approval_requests import Level
from fulfillment.domain.approvals import ApprovalStatus, Authority, Ballot, Missing, Plan, Vote
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked:
    """
    Request `n` of an order, as it was written down when the order was placed or changed.

    `requesters` may not decide on it: whose order it is, and who raised it.
    """

    approval_id: UUID
    n: int
    plan: Plan
    requesters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartApproval:
    """The input of an approval's workflow."""

    order_id: OrderId
    asked: ApprovalAsked


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResult:
    """How a request ended."""

    status: ApprovalStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    Update `decide`: what one person says, with the roles the API has found them to have, or to have been delegated by
    `on_behalf_of`. Returns once it is written down. Signals `approve` and `reject` carry it without waiting.

    `key` names the request (the id of the Update), `fingerprint` its body; `expected_version` is that of `If-Match`.
    """

    vote: Vote
    actor: str
    roles: tuple[str, ...]
    key: str
    fingerprint: str = ""
    fingerprint_key: str = ""
    on_behalf_of: str | None = None
    level: str | None = None
    comment: str | None = field(default=None, repr=False)
    expected_version: int | None = None

    @property
    def authority(self) -> Authority:
        """In whose right it is given."""
        return Authority(roles=frozenset(self.roles), on_behalf_of=self.on_behalf_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Update `withdraw`: somebody takes their vote back. Returns once it is written down."""

    actor: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign:
    """Update `reassign`: an operator lets another role decide at a level. Returns once it is written down."""

    level: str
    role: str
    actor: str
    reason: str = field(repr=False)
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Where a request stands after a message; `key`, fingerprint: of the request that asked for it first."""

    status: ApprovalStatus
    missing: tuple[Missing, ...] = ()
    fingerprint: str = ""
    fingerprint_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApproval:
    """Make the workflow `owner` the one that runs this request; what nobody has run yet begins at `now`."""

    order_id: OrderId
    approval_id: UUID
    owner: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStanding:
    """Where a request stands. An earlier run of the order may have left decisions, and they count."""

    status: ApprovalStatus
    version: int
    started_at: datetime
    levels: tuple[Level, ...]
    ballots: tuple[Ballot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFact:
    """One event for the order's timeline."""

    kind: EventKind
    actor: str = "system"
    data: dict[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedDecision:
    """A decision nobody waits for an answer to was refused with `code`."""

    order_id: OrderId
    approval_id: UUID
    n: int
    decision: Decision
    code: str


class NoteKind(StrEnum):
    """What somebody's message came to."""

    TAKEN = "taken"
    """Their vote counts."""
    WITHDRAWN = "withdrawn"
    """Their vote does not count any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A vote with everything that is kept of it: its ballot, the request it came with and what that was answered."""

    kind: NoteKind
    ballot: Ballot
    decision: Decision | None = None
    decided: Decided | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteApproval:
    """
    The request as it is after one message or one moment: its new `version` is one more than that of the row.

    Written down once; not at all when the request has been made void meanwhile, or another workflow owns it. `due_at`
    is when somebody higher is asked, or it ends; `waiting_for` are the roles that may decide now.
    """

    order_id: OrderId
    approval_id: UUID
    n: int
    owner: str
    version: int
    status: ApprovalStatus
    levels: tuple[Level, ...]
    due_at: datetime | None = None
    waiting_for: tuple[str, ...] = ()
    facts: tuple[ApprovalFact, ...] = ()
    note: Note | None = None


class ApprovalActivities(ABC):
    """The database steps of an approval (queue `approvals`): each is one transaction and may run twice."""

    @activity.defn
    @abstractmethod
    async def open_approval(self, request: OpenApproval) -> ApprovalStanding:
        """
        Own the request. One that is void although its order still waits for it is pending again: its workflow was
        cancelled with an earlier run of the order.
        """

    @activity.defn
    @abstractmethod
    async def write_approval(self, request: WriteApproval) -> ApprovalStatus:
        """
        Write down what was decided or has become due. The status of the row afterwards: `void` when nothing was
        written, because nobody needs the request any more. What is approved is approved with the order's total.
        """

    @activity.defn
    @abstractmethod
    async def refuse_decision(self, request: RefusedDecision) -> None:
        """Keep what a decision was refused with, for whoever sent it and did not wait."""
