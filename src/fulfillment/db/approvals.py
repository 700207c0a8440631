"""
Requests for approval while they run: every step locks the order first, then its request, as all that change both do.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Integer,
    Row,
    Select,
    Text,
    Update,
    Uuid,
    bindparam,
    case,
    exists,
    func,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningUpdate

from fulfillment.contracts.approvals import (
    ApprovalFact,
    ApprovalStanding,
    Decided,
    Decision,
    Note,
    NoteKind,
    OpenApproval,
    RefusedDecision,
    WriteApproval,
)
from fulfillment.db.approval_records import LEVELS, PLAN, result_of
from fulfillment.db.changes import Change, Effect, Fact, OutOfStep, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.records import new_values, parameters_for
from fulfillment.db.tables import approval_votes, approvals, orders
from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import ApprovalStatus, Ballot, Vote
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus

COUNTED, WITHDRAWN, REFUSED, VOID = "counted", "withdrawn", "refused", "void"
"""States of a vote."""

_ANY_STATUS = tuple(OrderStatus)
_ORDER = (
    select(orders.c.id, orders.c.status.label("order_status"))
    .where(orders.c.id == bindparam("approved_order", type_=Uuid))
    .with_for_update()
    .cte("locked")
)
# The request is locked by the outermost step, when the order is locked already; it is then read as it is by now.
_LOCKED: Select[Any] = (
    select(*approvals.c, _ORDER.c.order_status)
    .join(_ORDER, _ORDER.c.id == approvals.c.order_id)
    .where(approvals.c.id == bindparam("locked_approval", type_=Uuid))
    .with_for_update(of=approvals)
)
_votes = approval_votes.c
_BALLOTS: Select[Any] = (
    select(_votes.level, _votes.vote, _votes.actor, _votes.on_behalf_of)
    .where(_votes.approval_id == bindparam("locked_approval", type_=Uuid), _votes.state == COUNTED)
    .order_by(_votes.at, _votes.key)
)
_NEWER: Select[Any] = select(approvals.c.n).where(
    approvals.c.order_id == bindparam("approved_order", type_=Uuid),
    approvals.c.n > bindparam("locked_n", type_=Integer),
)
_KNOWN: Select[Any] = select(_votes.key).where(
    _votes.approval_id == bindparam("locked_approval", type_=Uuid), _votes.key == bindparam("vote_key", type_=Text)
)


async def open_request(connection: Writing, request: OpenApproval) -> ApprovalStanding:
    """
    Make a workflow the owner of a request, if anything can still be decided, and tell where the request stands.

    Raises:
        OutOfStep: there is no such request.
    """
    row = await _lock(connection, request.order_id, request.approval_id)
    if row.owner == request.owner:
        return _standing(row, await _ballots(connection, row))
    if row.status != ApprovalStatus.PENDING and not await _is_needed(connection, row):
        return _standing(row, await _ballots(connection, row))
    ballots = await _ballots(connection, row)
    begins = row.owner is None
    asked = ApprovalRequest(
        PLAN.validate_python(row.plan),
        requesters=tuple(row.requesters),
        started_at=request.now if begins else row.started_at,
        levels=() if begins else LEVELS.validate_python(row.levels),
        ballots=ballots,
    )
    values = {
        "owner": request.owner,
        "status": asked.status,
        "version": row.version + (row.status == ApprovalStatus.VOID),
        "levels": LEVELS.dump_python(asked.levels, mode="json"),
        "waiting_for": list(asked.waiting_for),
        "started_at": request.now if begins else row.started_at,
        "due_at": asked.due_at,
        "closed_at": None,
    }
    claimed = await connection.execute(_CLAIM, {"written_approval": row.id, **new_values(values)})
    return _standing(claimed.one(), ballots)


async def write(connection: Writing, request: WriteApproval) -> ApprovalStatus:
    """
    Write down where a request is after one message or one moment, once.

    Returns:
        The status of the row afterwards; `void` when it is another workflow's by now, or nobody needs it any more.

    Raises:
        OutOfStep: there is no such request.
    """
    row = await _lock(connection, request.order_id, request.approval_id)
    is_ours = row.owner == request.owner
    if is_ours and row.status != ApprovalStatus.VOID and row.version >= request.version:
        return ApprovalStatus(row.status)
    if not is_ours or row.status != ApprovalStatus.PENDING or row.version != request.version - 1:
        await _keep_void(connection, row, request.note)
        return ApprovalStatus.VOID
    await _write(connection, row, request)
    return request.status


async def refuse(connection: Reading, request: RefusedDecision) -> None:
    """Keep a decision that was refused, unless it is known: a signal may come twice, and count the first time."""
    decision = request.decision
    known = await connection.execute(_KNOWN, {"locked_approval": request.approval_id, "vote_key": decision.key})
    if known.first() is not None:
        return
    behalf = {"on_behalf_of": decision.on_behalf_of} if decision.on_behalf_of else {}
    fact = Fact(
        kind=EventKind.DECISION_REFUSED,
        key=f"decision_refused:{decision.key}",
        actor=decision.actor,
        data={
            "approval": str(request.approval_id),
            "n": request.n,
            "code": request.code,
            "level": decision.level,
            "decision": decision.vote.value,
            **behalf,
        },
    )
    change = Change(order_id=request.order_id, facts=(fact,), during=_ANY_STATUS)
    vote = _vote(request.approval_id, decision, decision.level, REFUSED) | {"refusal": request.code, "result": None}
    await apply(connection, change, Effect(_insert_new, _vote_values(vote)))


async def _lock(connection: Writing, order_id: OrderId, approval_id: UUID) -> Row[Any]:
    row: Row[Any] | None = (
        await connection.execute(_LOCKED, {"approved_order": order_id, "locked_approval": approval_id})
    ).first()
    if row is None:
        raise OutOfStep(order_id, "without this approval", str(approval_id))
    return row


# Statements of their own: one that waited for a lock still sees other rows as they were before.
async def _ballots(connection: Writing, row: Row[Any]) -> tuple[Ballot, ...]:
    found = await connection.execute(_BALLOTS, {"locked_approval": row.id})
    return tuple(
        Ballot(level=vote.level, vote=Vote(vote.vote), actor=vote.actor, on_behalf_of=vote.on_behalf_of)
        for vote in found
    )


async def _is_needed(connection: Writing, row: Row[Any]) -> bool:
    """Whether a closed request is to be asked again: void because its workflow was stopped, with the order waiting."""
    if row.status != ApprovalStatus.VOID or row.order_status != OrderStatus.AWAITING_APPROVAL:
        return False
    newer = await connection.execute(_NEWER, {"approved_order": row.order_id, "locked_n": row.n})
    return newer.first() is None


def _standing(row: Row[Any], ballots: tuple[Ballot, ...]) -> ApprovalStanding:
    return ApprovalStanding(
        status=ApprovalStatus(row.status),
        version=row.version,
        started_at=row.started_at,
        levels=LEVELS.validate_python(row.levels),
        ballots=ballots,
    )


async def _write(connection: Writing, row: Row[Any], request: WriteApproval) -> None:
    values = _row_values(request)
    if not request.facts:
        await connection.execute(_REWRITE, {"written_approval": row.id, **values})
        return
    approved = request.status is ApprovalStatus.APPROVED
    change = Change(
        order_id=request.order_id,
        facts=tuple(_fact(request, number, fact) for number, fact in enumerate(request.facts, start=1)),
        during=_ANY_STATUS,
        values={"approved_total": row.total, "approved_currency": row.currency} if approved else {},
    )
    effects = [Effect(_rewrite, {"written_approval": row.id, **values})]
    if request.note is not None:
        effects.append(_noted(row.id, request.note))
    if not await apply(Reading(connection), change, *effects):
        raise OutOfStep(request.order_id, "ahead of its approval", change.facts[0].key)


def _fact(request: WriteApproval, number: int, fact: ApprovalFact) -> Fact:
    return Fact(
        kind=fact.kind,
        key=f"approval:{request.n}:{request.version}:{number}",
        actor=fact.actor,
        data={"approval": str(request.approval_id), "n": request.n, **fact.data},
    )


def _noted(approval_id: UUID, note: Note) -> Effect:
    ballot = note.ballot
    match note.kind:
        case NoteKind.TAKEN:
            assert note.decision is not None  # noqa: S101 - what is taken was said
            assert note.decided is not None  # noqa: S101
            vote = _vote(approval_id, note.decision, ballot.level, COUNTED) | {"result": result_of(note.decided)}
            return Effect(_insert_counted, _vote_values(vote))
        case NoteKind.WITHDRAWN:
            taken_back = {"vote_approval": approval_id, "vote_level": ballot.level, "vote_actor": ballot.actor}
            return Effect(_withdraw, taken_back)


async def _keep_void(connection: Writing, row: Row[Any], note: Note | None) -> None:
    """A vote nobody needs any more is kept, as it was answered; not where another workflow may still ask for it."""
    if row.status != ApprovalStatus.VOID or note is None or note.decision is None:
        return
    answer = result_of(Decided(status=ApprovalStatus.VOID))
    vote = _vote(row.id, note.decision, note.ballot.level, VOID) | {"result": answer}
    await connection.execute(_KEEP, _vote_values(vote))


def _vote(approval_id: UUID, decision: Decision, level: str | None, state: str) -> dict[str, Any]:
    return {
        "approval_id": approval_id,
        "key": decision.key,
        "level": level,
        "vote": decision.vote,
        "actor": decision.actor,
        "on_behalf_of": decision.on_behalf_of,
        "roles": list(decision.roles),
        "comment": decision.comment,
        "state": state,
        "fingerprint": decision.fingerprint,
        "fingerprint_key": decision.fingerprint_key,
    }


# One set of columns for all votes: each statement is made once.
_VOTE = (
    *("approval_id", "key", "level", "vote", "actor", "on_behalf_of", "roles", "comment", "state", "refusal", "result"),
    *("fingerprint", "fingerprint_key"),
)


def _vote_values(vote: dict[str, Any]) -> dict[str, Any]:
    return new_values({"refusal": None, **vote})


def _insert_new(changed: CTE) -> CTE:
    return _insertion(changed).on_conflict_do_nothing().cte("vote")


def _insert_counted(changed: CTE) -> CTE:
    """A signal that comes again after its vote was withdrawn counts again: the rows follow the workflow."""
    insertion = _insertion(changed)
    anew = {name: insertion.excluded[name] for name in _VOTE}
    return insertion.on_conflict_do_update(
        index_elements=["approval_id", "key"], set_=anew | {"withdrawn_at": null(), "at": func.now()}
    ).cte("vote")


_KEEP = insert(approval_votes).values(**parameters_for(approval_votes, _VOTE)).on_conflict_do_nothing()


def _insertion(changed: CTE) -> Insert:
    parameters = parameters_for(approval_votes, _VOTE)
    return insert(approval_votes).from_select(list(parameters), select(*parameters.values()).select_from(changed))


def _withdraw(changed: CTE) -> CTE:
    return (
        update(approval_votes)
        .where(
            _votes.approval_id == bindparam("vote_approval", type_=Uuid),
            _votes.level == bindparam("vote_level", type_=Text),
            _votes.actor == bindparam("vote_actor", type_=Text),
            _votes.state == COUNTED,
            exists().where(changed.c.id.is_not(None)),
        )
        .values(state=WITHDRAWN, withdrawn_at=func.now())
        .cte("vote")
    )


_WRITTEN = ("status", "version", "levels", "waiting_for", "due_at")


def _row_values(request: WriteApproval) -> dict[str, Any]:
    values = {
        "status": request.status,
        "version": request.version,
        "levels": LEVELS.dump_python(request.levels, mode="json"),
        "waiting_for": list(request.waiting_for),
        "due_at": request.due_at,
    }
    return {f"approval_{name}": value for name, value in values.items()}


def _update() -> Update:
    parameters = {name: bindparam(f"approval_{name}", type_=approvals.c[name].type) for name in _WRITTEN}
    closed = case((parameters["status"] == ApprovalStatus.PENDING.value, null()), else_=func.now())
    return (
        update(approvals)
        .where(approvals.c.id == bindparam("written_approval", type_=Uuid))
        .values(**parameters, closed_at=closed)
    )


def _rewrite(changed: CTE) -> CTE:
    return _update().where(approvals.c.order_id == changed.c.id).cte("approval")


_REWRITE = _update()
_CLAIMED = ("owner", "status", "version", "levels", "waiting_for", "started_at", "due_at", "closed_at")
_CLAIM: ReturningUpdate[Any] = (
    update(approvals)
    .where(approvals.c.id == bindparam("written_approval", type_=Uuid))
    .values(**parameters_for(approvals, _CLAIMED))
    .returning(*approvals.c)
)
