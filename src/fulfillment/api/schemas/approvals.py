"""
What callers are told about requests for approval, and what they say to them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.approval_policy import ModeName
from fulfillment.api.schemas.common import (
    Actor,
    Body,
    Instant,
    MoneyView,
    Text100,
    Text500,
    Text1000,
    View,
    extensible,
)
from fulfillment.api.schemas.events import EventOut
from fulfillment.api.schemas.order_views import order_path
from fulfillment.api.schemas.orders import PageQuery
from fulfillment.contracts.approvals import Decided
from fulfillment.db.approval_views import ApprovalFilter, ApprovalView, LevelView, Mine, VoteView
from fulfillment.db.views import EventView
from fulfillment.domain.approvals import ApprovalStatus, LevelStatus, Missing, Vote
from fulfillment.domain.identity import ROLE_FORM, Principal, is_role

APPROVALS_PATH = "/v1/approvals"


def _role(value: str) -> str:
    if not is_role(value):
        raise PydanticCustomError("role", "must be a role: {form}", {"form": ROLE_FORM})
    return value


def _flag(value: object) -> object:
    # Pydantic takes a dozen words for yes.
    if value in ("true", "false", True, False):
        return value
    raise PydanticCustomError("flag", "must be true or false")


Flag = Annotated[bool, BeforeValidator(_flag)]
Role = Annotated[
    Text100,
    AfterValidator(_role),
    Field(json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]{0,62}$", "maxLength": 63}),
]


class DecisionBody(Body):
    """What one person says."""

    decision: Vote
    comment: Text1000 | None = None
    """For the others who decide; no customer reads it."""
    level: Text100 | None = None
    """Needed where several levels wait for the caller's roles."""
    on_behalf_of: Text500 | None = None
    """
    Whose delegation to use, if it cannot be told: the `delegator`. Own roles come first where it is left out.
    """

    def canonical(self) -> dict[str, Any]:
        """What makes two requests the same."""
        return self.model_dump(mode="json", exclude_none=True)


class ReassignBody(Body):
    """Another role for a level."""

    level: Text100
    """Name of the level that waits for the wrong people."""
    role: Role
    """Who decides there from now on."""
    reason: Text500
    """Why; on the timeline of the order."""


class ApprovalQuery(PageQuery):
    """Which requests, and which part of them."""

    role: Text100 | None = Field(
        default=None, description="Only requests that wait for this role now.", examples=["manager"]
    )
    status: ApprovalStatus | None = Field(
        default=None, description="Only requests in this status.", examples=["pending"]
    )
    due_before: Instant | None = Field(
        default=None,
        description="Only requests where somebody higher is asked, or which end, before this time.",
        examples=["2026-12-01T00:00:00Z"],
    )
    mine: Flag = Field(
        default=False,
        description="Only what the caller can decide now, by own roles or delegated ones: not their own orders, "
        "nothing they have voted on.",
        examples=[True],
    )
    order_id: UUID | None = Field(
        default=None,
        description="Only requests of this order.",
        examples=["6f1c1d5e-2b52-5c39-9a55-0c6f8a3d7b10"],
    )

    def to_filter(self, mine: Mine | None) -> ApprovalFilter:
        """The same for the database; `mine` is what the caller can decide with, where that is asked."""
        return ApprovalFilter(**self.model_dump(include={"role", "status", "due_before", "order_id"}), mine=mine)


class MissingOut(View):
    """So many more votes are needed at a level."""

    level: str
    votes: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, missing: Missing) -> Self:
        return cls(level=missing.level, votes=missing.votes)


class DecidedOut(View):
    """Where a request stands after what was said; the same bytes for every repetition of the request."""

    status: ApprovalStatus
    missing: list[MissingOut]
    """What is needed now, at the levels whose turn it is."""

    @classmethod
    def of(cls, decided: Decided) -> Self:
        return cls(status=decided.status, missing=[MissingOut.of(missing) for missing in decided.missing])


class LevelOut(View):
    """Where one level stands."""

    level: str
    """Its name: the role that was planned for it."""
    role: str
    """Who decides there; another one after a reassignment."""
    roles: list[str]
    """Everybody who may decide there now."""
    status: Annotated[str, Field(json_schema_extra=extensible(LevelStatus))]
    """
    `waiting`: its turn has not come; `open`: its people are asked; `approved`; `merged`: nobody decided in time, and
    the level of the next higher role decides for this one, too.
    """
    quorum: Annotated[int, Field(ge=1)]
    """So many people have to say yes."""
    votes: Annotated[int, Field(ge=0)]
    """So many have."""
    missing: Annotated[int, Field(ge=0)]
    """So many more are needed."""
    reasons: list[str]
    """Why the level is asked: `amount`, `no_rate`, or `risk`."""
    opened_at: datetime | None
    """When its people were asked last; null: not yet."""
    escalated_to: str | None
    """The higher role that may decide as well, as nobody did in time."""

    @classmethod
    def of(cls, level: LevelView) -> Self:
        return cls(
            level=level.name,
            role=level.role,
            roles=list(level.roles),
            status=level.status,
            quorum=level.quorum,
            votes=level.votes,
            missing=level.missing,
            reasons=list(level.reasons),
            opened_at=level.opened_at,
            escalated_to=level.escalated_to,
        )


class ApprovalLinks(View):
    """Where to read on, and where to decide."""

    self: str
    order: str
    decisions: str
    """Where to `POST` a decision."""

    @classmethod
    def of(cls, approval: ApprovalView) -> Self:
        path = f"{APPROVALS_PATH}/{approval.id}"
        return cls(self=path, order=order_path(approval.order_id), decisions=f"{path}/decisions")


class ApprovalSummary(View):
    """One request for approval: what is asked of whom, and where that stands."""

    id: UUID
    order_id: UUID
    n: Annotated[int, Field(ge=1)]
    """Counts the requests of one order; a change of the order may ask anew."""
    status: ApprovalStatus
    total: MoneyView
    """What is agreed to."""
    customer_id: str
    requested_by: str | None
    """The person for whom the order was placed, who may not decide."""
    policy: str
    """Version of the rules that asked."""
    mode: ModeName
    """`sequential`: one level after the other; `parallel`: all at once."""
    levels: list[LevelOut]
    """From low to high."""
    waiting_for: list[str]
    """The roles that may decide now."""
    requested_at: datetime
    due_at: datetime | None
    """When somebody higher is asked, or it ends; null once it is closed."""
    expires_at: datetime
    """When it ends at the latest."""
    closed_at: datetime | None
    version: Annotated[int, Field(ge=1)]
    """Counts the changes; in quotes it is the `ETag`."""
    links: ApprovalLinks

    @classmethod
    def of(cls, approval: ApprovalView) -> Self:
        return cls(**_summary(approval))


class RiskScoreOut(View):
    """What the rules found unusual about the order."""

    score: Annotated[int, Field(ge=0)]
    """Sum of all points."""
    points: dict[str, int]
    """By what they were given for."""


class BallotOut(View):
    """What one person has said."""

    level: str | None
    """Null where it was refused before its level was clear."""
    decision: Vote
    actor: Actor
    on_behalf_of: str | None
    """Whose right was used, if not the actor's own."""
    comment: str | None
    state: Annotated[str, Field(json_schema_extra={"x-extensible-enum": ["counted", "withdrawn", "refused", "void"]})]
    """Whether it counts."""
    at: datetime

    @classmethod
    def of(cls, vote: VoteView) -> Self:
        return cls(
            level=vote.level,
            decision=vote.vote,
            actor=vote.actor,
            on_behalf_of=vote.on_behalf_of,
            comment=vote.comment,
            state=vote.state,
            at=vote.at.astimezone(UTC),
        )


class ApprovalRequestOut(ApprovalSummary):
    """The whole request."""

    risk: RiskScoreOut
    votes: list[BallotOut]
    """All of them, oldest first."""
    events: list[EventOut]
    """What the timeline of the order has about this request."""

    @classmethod
    def whole(cls, approval: ApprovalView, events: Sequence[EventView], caller: Principal) -> Self:
        """With what people said, and what happened."""
        return cls(
            **_summary(approval),
            risk=RiskScoreOut(score=approval.score, points=dict(approval.points)),
            votes=[BallotOut.of(vote) for vote in approval.votes],
            events=[EventOut.of(event, caller) for event in events],
        )


def _summary(approval: ApprovalView) -> dict[str, Any]:
    return {
        "id": approval.id,
        "order_id": approval.order_id,
        "n": approval.n,
        "status": approval.status,
        "total": MoneyView.of(approval.total),
        "customer_id": approval.customer_id,
        "requested_by": approval.requested_by,
        "policy": approval.policy,
        "mode": approval.mode,
        "levels": [LevelOut.of(level) for level in approval.levels],
        "waiting_for": list(approval.waiting_for),
        "requested_at": approval.requested_at,
        "due_at": approval.due_at,
        "expires_at": approval.expires_at,
        "closed_at": approval.closed_at,
        "version": approval.version,
        "links": ApprovalLinks.of(approval),
    }
