"""
`/delegations`: who may decide for whom, and for how long.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.cursors import CursorCodec
from fulfillment.api.dependencies import Caller, NoQuery, Resources
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer, page
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.common import Instant, Page
from fulfillment.api.schemas.delegations import DelegationBody, DelegationOut, DelegationQuery
from fulfillment.db import delegations
from fulfillment.db.delegations import NewDelegation
from fulfillment.domain.identity import Principal, Scope

router = APIRouter(tags=["approvals"], route_class=GuardedRoute)

_POSITIONS: CursorCodec[tuple[datetime, UUID]] = CursorCodec(tuple[Instant, UUID])

DelegationId = Annotated[
    UUID, Path(description="The `id` of the delegation.", examples=["0b6e4b52-6a3e-4c0e-9f3b-1d2c3b4a5f60"])
]


@router.put(
    "/delegations",
    operation_id="putDelegation",
    summary="Let somebody decide for you",
    response_model=DelegationOut,
    response_description="The delegation as it is now.",
    responses=problems(*BODY),
)
@requires(Scope.APPROVALS_DECIDE)
async def put_delegation(body: DelegationBody, caller: Caller, resources: Resources, _: NoQuery) -> Response:
    """
    There is one for each delegate: another takes its place, and is valid even if the one before was revoked. Only own
    roles can be delegated, none that were delegated to the caller.
    """
    new = NewDelegation(
        delegator=caller.id,
        delegate=body.delegate,
        roles=_own(caller, body.roles),
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    if new.ends_at <= datetime.now(UTC):
        raise Problem.field("until", "must be in the future")
    if new.delegate == caller.id:
        raise Problem.field("delegate", "must be somebody else")
    async with resources.database.statement() as connection:
        if not await delegations.may_be_delegated_to(connection, new.delegate):
            raise Problem.field(
                "delegate", "there is no caller of this name with the scope approvals:decide, or it was revoked"
            )
        return answer(DelegationOut.of(await delegations.put(connection, new)))


@router.get(
    "/delegations",
    operation_id="listDelegations",
    summary="List delegations",
    response_model=Page[DelegationOut],
    response_description="A page of delegations.",
)
@requires(Scope.APPROVALS_DECIDE)
async def list_delegations(
    query: Annotated[DelegationQuery, Query()], caller: Caller, resources: Resources
) -> Response:
    """
    The caller's own, in the order they were first made; those that have ended or were revoked, too.
    """
    after = _POSITIONS.decode(query.cursor)
    async with resources.database.statement() as connection:
        rows = await delegations.listed(connection, caller.id, query.direction, after=after, limit=query.limit + 1)
    return answer(page(rows, query.limit, DelegationOut.of, _POSITIONS, lambda row: row.position))


@router.delete(
    "/delegations/{delegation_id}",
    operation_id="revokeDelegation",
    summary="Revoke a delegation",
    response_model=DelegationOut,
    response_description="The delegation, which is revoked.",
    responses=problems("not_found"),
)
@requires(Scope.APPROVALS_DECIDE, Scope.OPERATIONS)
async def revoke_delegation(delegation_id: DelegationId, caller: Caller, resources: Resources, _: NoQuery) -> Response:
    """
    It lends nothing from now on; what was decided with it counts. Callers revoke what they have delegated, those with
    the scope `operations` also what others have. May be repeated.
    """
    delegator = None if Scope.OPERATIONS in caller.scopes else caller.id
    async with resources.database.statement() as connection:
        revoked = await delegations.revoke(connection, delegation_id, delegator=delegator)
    if revoked is None:
        raise Problem("not_found", f"there is no delegation {delegation_id} of yours")
    return answer(DelegationOut.of(revoked))


def _own(caller: Principal, wanted: list[str] | None) -> frozenset[str]:
    if not caller.roles:
        raise Problem.field("roles", "you have none that you could delegate")
    roles = caller.roles if wanted is None else frozenset(wanted)
    if not roles <= caller.roles:
        raise Problem.field("roles", f"must be among your own: {', '.join(sorted(caller.roles))}")
    return roles
