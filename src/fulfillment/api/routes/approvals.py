"""
`/approvals`: what waits for people, and what they decide.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.cursors import CursorCodec
from fulfillment.api.decisions import Said, Speaker
from fulfillment.api.dependencies import Caller, Expected, IdempotencyKey, IfNoneMatch, NoQuery, Resources
from fulfillment.api.headers import entity_tag, matches_entity_tag
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer, page
from fulfillment.api.schemas.approvals import (
    ApprovalQuery,
    ApprovalRequestOut,
    ApprovalSummary,
    DecidedOut,
    DecisionBody,
    ReassignBody,
)
from fulfillment.api.schemas.common import Instant, Page
from fulfillment.db import approval_views, delegations
from fulfillment.db.approval_views import Mine
from fulfillment.db.engine import Reading
from fulfillment.domain.approvals import Authority
from fulfillment.domain.errors import ApprovalNotFound
from fulfillment.domain.identity import Principal, Scope

router = APIRouter(tags=["approvals"], route_class=GuardedRoute)

_POSITIONS: CursorCodec[tuple[datetime, UUID]] = CursorCodec(tuple[Instant, UUID])
_SAID = ("not_found", "approval_closed", "precondition_failed", "too_many_changes")


async def _approval_id(
    approval_id: Annotated[
        UUID,
        Path(
            description="The `id` of the approval; that of an order is in its `approval`.",
            examples=["0b7d2f7e-9a56-5f0c-8f0e-5f2f3f0a1c11"],
        ),
    ],
) -> UUID:
    structlog.contextvars.bind_contextvars(approval_id=str(approval_id))
    return approval_id


ApprovalId = Annotated[UUID, Depends(_approval_id)]


async def _speaker(approval_id: ApprovalId, caller: Caller, versions: Expected) -> Speaker:
    return Speaker(approval_id=approval_id, caller=caller, versions=versions)


@router.get(
    "/approvals",
    operation_id="listApprovals",
    summary="List what people decide, oldest first",
    response_model=Page[ApprovalSummary],
    response_description="A page of approvals.",
)
@requires(Scope.APPROVALS_READ)
async def list_approvals(query: Annotated[ApprovalQuery, Query()], caller: Caller, resources: Resources) -> Response:
    """
    With `mine=true` the inbox of the caller: what they can decide now.
    """
    after = _POSITIONS.decode(query.cursor)
    async with resources.database.statement() as connection:
        wanted = query.to_filter(await _rights_of(connection, caller) if query.mine else None)
        rows = await approval_views.approvals(connection, wanted, after=after, limit=query.limit + 1)
    return answer(page(rows, query.limit, ApprovalSummary.of, _POSITIONS, lambda row: (row.requested_at, row.id)))


@router.get(
    "/approvals/{approval_id}",
    operation_id="getApproval",
    summary="Read an approval",
    response_model=ApprovalRequestOut,
    response_description="The approval as it is now.",
    responses={304: {"description": "It still has the version of `If-None-Match`."}, **problems("not_found")},
)
@requires(Scope.APPROVALS_READ)
async def get_approval(
    approval_id: ApprovalId, resources: Resources, caller: Caller, _: NoQuery, if_none_match: IfNoneMatch = None
) -> Response:
    """
    With everything that was said and what the timeline of its order has about it.
    """
    async with resources.database.statement() as connection:
        approval = await approval_views.approval(connection, approval_id)
        if approval is None:
            raise ApprovalNotFound(approval_id)
        headers = {"ETag": entity_tag(approval.version)}
        if matches_entity_tag(if_none_match, approval.version):
            return Response(status_code=304, headers=headers)
        events = await approval_views.events(connection, approval)
    return answer(ApprovalRequestOut.whole(approval, events, caller), 200, headers)


@router.post(
    "/approvals/{approval_id}/decisions",
    operation_id="decideApproval",
    summary="Approve, reject or abstain",
    response_model=DecidedOut,
    response_description="It counts, and is written down.",
    responses=problems(
        *BODY,
        *_SAID,
        "idempotency_key_missing",
        "idempotency_key_reused",
        "already_voted",
        "not_an_approver",
        "one_level_per_person",
        "own_order",
    ),
)
@requires(Scope.APPROVALS_DECIDE)
async def decide(
    speaker: Annotated[Speaker, Depends(_speaker)],
    body: DecisionBody,
    key: IdempotencyKey,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    One person has one vote in an approval. A rejection ends it; the last approval that was missing opens the next
    level, or lets the order go on. An abstention counts for nothing, but is on record.

    The roles come from the credentials, or from a delegation that is valid now. `status` is `void` when the order was
    cancelled or changed at the same moment.
    """
    return _answered(await resources.decisions.decide(speaker, key, body))


@router.post(
    "/approvals/{approval_id}/withdraw",
    operation_id="withdrawDecision",
    summary="Take a vote back",
    response_model=DecidedOut,
    response_description="The vote does not count any more.",
    responses=problems(*_SAID, "nothing_to_withdraw"),
)
@requires(Scope.APPROVALS_DECIDE)
async def withdraw(speaker: Annotated[Speaker, Depends(_speaker)], resources: Resources, _: NoQuery) -> Response:
    """
    The caller's own, while its level is open; they may vote anew.
    """
    return _answered(await resources.decisions.withdraw(speaker))


@router.post(
    "/approvals/{approval_id}/reassign",
    operation_id="reassignApproval",
    summary="Let another role decide at a level",
    response_model=DecidedOut,
    response_description="The other role is asked.",
    responses=problems(*BODY, *_SAID),
)
@requires(Scope.OPERATIONS)
async def reassign(
    speaker: Annotated[Speaker, Depends(_speaker)], body: ReassignBody, resources: Resources, _: NoQuery
) -> Response:
    """
    It has the whole time of the level; votes that were given there still count.
    """
    return _answered(await resources.decisions.reassign(speaker, body))


async def _rights_of(connection: Reading, caller: Principal) -> Mine:
    """With what a caller can decide at this moment."""
    lent = await delegations.active_for(connection, caller.id, datetime.now(UTC))
    return Mine(actor=caller.id, rights=(Authority(roles=caller.roles), *lent))


def _answered(said: Said) -> Response:
    return answer(DecidedOut.of(said.decided), 200, {"Idempotency-Replayed": "true"} if said.replayed else None)
