"""
Requests for approval as they are read: each function is one statement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, ColumnElement, Row, Select, Text, and_, false, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from fulfillment.contracts.approvals import Decided
from fulfillment.db.approval_records import LEVELS, PLAN, decided_of
from fulfillment.db.approvals import COUNTED
from fulfillment.db.engine import Reading
from fulfillment.db.tables import approval_votes, order_events, orders
from fulfillment.db.tables import approvals as requests
from fulfillment.db.views import EventView
from fulfillment.domain.approval_requests import ApprovalRequest, Level
from fulfillment.domain.approvals import (
    ApprovalStatus,
    Authority,
    Ballot,
    LevelStatus,
    Mode,
    Plan,
    PlannedLevel,
    Vote,
    names_of,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelView:
    """
    Where one level stands.

    Attributes:
        name: the role that was planned for it.
        role: who decides now.
        roles: everybody who may.
        quorum: so many people have to say yes.
        votes: so many have.
        missing: so many more are needed; none once nothing can be decided there any more.
    """

    name: str
    role: str
    roles: tuple[str, ...]
    status: LevelStatus
    quorum: int
    votes: int
    missing: int
    reasons: tuple[str, ...]
    opened_at: datetime | None
    escalated_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteView:
    """What one person has said, and whether it counts (`counted`, `withdrawn`, `refused`, `void`)."""

    level: str | None
    vote: Vote
    actor: str
    on_behalf_of: str | None
    comment: str | None
    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """
    A request with everything that is known of it; of its order, whom it is for.

    Attributes:
        request: the rules of it, as it is now: who may decide what.
        owner: the id of the workflow that runs it; None: none does yet.
        expires_at: when it ends at the latest.
    """

    id: UUID
    order_id: OrderId
    n: int
    status: ApprovalStatus
    total: Money
    customer_id: str
    requested_by: str | None
    policy: str
    mode: Mode
    score: int
    points: Mapping[str, int]
    levels: tuple[LevelView, ...]
    waiting_for: tuple[str, ...]
    votes: tuple[VoteView, ...]
    request: ApprovalRequest
    owner: str | None
    requested_at: datetime
    due_at: datetime | None
    expires_at: datetime
    closed_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mine:
    """What `actor` can decide now: in their own right, or in one that was lent to them."""

    actor: str
    rights: tuple[Authority, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFilter:
    """
    Which requests to list.

    Attributes:
        role: it may decide now.
        due_before: exclusive.
    """

    role: str | None = None
    status: ApprovalStatus | None = None
    due_before: datetime | None = None
    order_id: UUID | None = None
    mine: Mine | None = None


async def approvals(
    connection: Reading, wanted: ApprovalFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[ApprovalView]:
    """Requests, oldest first, from the one that follows `after` (time of the request and id) on."""
    columns = requests.c
    statement = _whole_requests().where(*_conditions(wanted))
    if after:
        statement = statement.where(tuple_(columns.requested_at, columns.id) > tuple_(*after))
    rows = await connection.execute(statement.order_by(columns.requested_at, columns.id).limit(limit))
    return [_approval(row) for row in rows]


async def approval(connection: Reading, approval_id: UUID) -> ApprovalView | None:
    """The request, or None when there is none of this id."""
    row = (await connection.execute(_whole_requests().where(requests.c.id == approval_id))).first()
    return _approval(row) if row else None


async def newest(connection: Reading, order_id: OrderId) -> ApprovalView | None:
    """The newest request of an order, or None when nobody was ever asked."""
    statement = _whole_requests().where(requests.c.order_id == order_id).order_by(requests.c.n.desc()).limit(1)
    row = (await connection.execute(statement)).first()
    return _approval(row) if row else None


async def events(connection: Reading, asked: ApprovalView) -> list[EventView]:
    """What the timeline of its order has about a request, in its order."""
    columns = order_events.c
    rows = await connection.execute(
        select(columns.sequence, columns.kind, columns.actor, columns.at, columns.data)
        .where(columns.order_id == asked.order_id, columns.data["approval"].astext == str(asked.id))
        .order_by(columns.sequence)
    )
    return [EventView(**row) for row in rows.mappings()]


async def voted(connection: Reading, approval_id: UUID, key: str) -> Decided | None:
    """What the vote with this key was answered with, and whose request it came with; None: there is none."""
    columns = approval_votes.c
    statement = select(columns.result, columns.fingerprint, columns.fingerprint_key).where(
        columns.approval_id == approval_id, columns.key == key, columns.result.is_not(None)
    )
    row = (await connection.execute(statement)).first()
    return decided_of(row.result, row.fingerprint, row.fingerprint_key) if row else None


def _whole_requests() -> Select[Any]:
    columns = approval_votes.c
    vote = func.json_build_object(
        "level", columns.level, "vote", columns.vote, "actor", columns.actor, "on_behalf_of", columns.on_behalf_of,
        "comment", columns.comment, "state", columns.state, "at", columns.at,
    )  # fmt: skip
    votes = select(func.json_agg(aggregate_order_by(vote, columns.at, columns.key), type_=JSON))
    votes = votes.where(columns.approval_id == requests.c.id).correlate(requests)
    return select(requests, votes.scalar_subquery().label("votes"), orders.c.customer_id, orders.c.requested_by).join(
        orders, orders.c.id == requests.c.order_id
    )


def _conditions(wanted: ApprovalFilter) -> Iterable[ColumnElement[bool]]:
    columns = requests.c
    if wanted.status:
        yield columns.status == _constant(wanted.status)
    if wanted.due_before:
        yield columns.due_at < wanted.due_before
    if wanted.order_id:
        yield columns.order_id == wanted.order_id
    if wanted.role is not None:
        yield _waits_for([wanted.role])
    if wanted.mine is not None:
        yield or_(false(), *(_decidable(wanted.mine.actor, right) for right in wanted.mine.rights))


def _decidable(actor: str, right: Authority) -> ColumnElement[bool]:
    """A right that is asked, of people who neither asked for it (see `is_same_person`) nor have a vote already."""
    persons = [actor, right.on_behalf_of] if right.on_behalf_of else [actor]
    names = {name for person in persons for name in names_of(person)}
    requester = func.unnest(requests.c.requesters, type_=Text).column_valued("requester")
    own = select(requester).where(func.lower(func.btrim(requester)).in_(sorted(names))).correlate(requests).exists()
    vote = approval_votes.c
    given = select(vote.key).where(
        vote.approval_id == requests.c.id,
        vote.state == COUNTED,
        or_(vote.actor.in_(persons), vote.on_behalf_of.in_(persons)),
    )
    return and_(_waits_for(sorted(right.roles)), ~own, ~given.correlate(requests).exists())


def _waits_for(roles: list[str]) -> ColumnElement[bool]:
    """What is closed waits for nobody; that it is pending is said for the index."""
    is_pending = requests.c.status == _constant(ApprovalStatus.PENDING)
    return and_(is_pending, requests.c.waiting_for.bool_op("&&")(literal(roles, ARRAY(Text))))


def _constant(status: ApprovalStatus) -> ColumnElement[str]:
    """Written out, so that the index of pending requests is found."""
    return literal(status.value, Text, literal_execute=True)


def _approval(row: Row[Any]) -> ApprovalView:
    plan: Plan = PLAN.validate_python(row.plan)
    votes = tuple(_vote(vote) for vote in row.votes or ())
    request = ApprovalRequest(
        plan,
        requesters=tuple(row.requesters),
        started_at=row.started_at,
        status=ApprovalStatus(row.status),
        levels=LEVELS.validate_python(row.levels),
        ballots=tuple(_ballot(vote) for vote in votes if vote.state == COUNTED),
    )
    planned = {level.role: level for level in plan.levels}
    return ApprovalView(
        id=row.id,
        order_id=OrderId(row.order_id),
        n=row.n,
        status=request.status,
        total=Money(row.total, row.currency),
        customer_id=row.customer_id,
        requested_by=row.requested_by,
        policy=plan.policy,
        mode=plan.mode,
        score=row.assessment.get("score", 0),
        points=row.assessment.get("points", {}),
        levels=tuple(_level(request, level, planned[level.name]) for level in request.levels),
        waiting_for=tuple(row.waiting_for),
        votes=votes,
        request=request,
        owner=row.owner,
        requested_at=row.requested_at,
        due_at=row.due_at,
        expires_at=row.started_at + plan.deadline,
        closed_at=row.closed_at,
        version=row.version,
    )


def _level(request: ApprovalRequest, level: Level, planned: PlannedLevel) -> LevelView:
    votes = sum(ballot.level == level.name and ballot.vote is Vote.APPROVE for ballot in request.ballots)
    is_asked = request.is_open and level.status in (LevelStatus.OPEN, LevelStatus.WAITING)
    return LevelView(
        name=level.name,
        role=level.role,
        roles=level.roles,
        status=level.status,
        quorum=planned.quorum,
        votes=votes,
        missing=max(0, planned.quorum - votes) if is_asked else 0,
        reasons=planned.reasons,
        opened_at=level.opened_at,
        escalated_to=level.escalated_to,
    )


def _vote(vote: Mapping[str, Any]) -> VoteView:
    return VoteView(**{**vote, "vote": Vote(vote["vote"]), "at": datetime.fromisoformat(vote["at"])})


def _ballot(vote: VoteView) -> Ballot:
    assert vote.level is not None, "a vote that counts has its level"  # noqa: S101
    return Ballot(level=vote.level, vote=vote.vote, actor=vote.actor, on_behalf_of=vote.on_behalf_of)
