"""
Orders that wait for an operator, and the operator's answers.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.changes import Request
from fulfillment.api.cursors import CursorCodec
from fulfillment.api.dependencies import Caller, NoQuery, Resources
from fulfillment.api.openapi.refusals import problems
from fulfillment.api.pages import answer, page
from fulfillment.api.routes.changes import CHANGE, change_request, changed
from fulfillment.api.schemas.changes import ActionBody, AttentionItem, AttentionQuery
from fulfillment.api.schemas.common import Instant, Page
from fulfillment.api.schemas.order_views import OrderOut
from fulfillment.db import questions
from fulfillment.domain.attention import Action
from fulfillment.domain.identity import Scope

router = APIRouter(tags=["operators"], route_class=GuardedRoute)

_POSITIONS: CursorCodec[tuple[datetime, UUID, int]] = CursorCodec(
    tuple[Instant, UUID, Annotated[int, Field(ge=0, lt=2**63)]]
)


@router.post(
    "/orders/{order_id}/actions/{name}",
    operation_id="actOnOrder",
    summary="Answer what an order asks",
    status_code=202,
    response_model=OrderOut,
    response_description="The answer is taken; the order as it is now.",
    responses=problems(*CHANGE, "action_not_available", "stock_short"),
)
@requires(Scope.OPERATIONS)
async def act_on_order(
    request: Annotated[Request, Depends(change_request)],
    name: Annotated[Action, Path(description="One of the `actions` of the order.", examples=["retry"])],
    body: ActionBody,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    One of the `actions` of an order that needs attention. The answer is written down, then the order goes on.
    """
    return changed(await resources.changes.act(request, name, body), 202, caller)


@router.get(
    "/attention",
    operation_id="listAttention",
    summary="List what waits for an operator",
    response_model=Page[AttentionItem],
    response_description="A page of questions.",
)
@requires(Scope.OPERATIONS)
async def list_attention(query: Annotated[AttentionQuery, Query()], resources: Resources) -> Response:
    """
    Oldest first; each with its due date and the actions it offers.
    """
    after = _POSITIONS.decode(query.cursor)
    async with resources.database.statement() as connection:
        rows = await questions.attention(connection, reason=query.reason, after=after, limit=query.limit + 1)
    return answer(page(rows, query.limit, AttentionItem.of, _POSITIONS, lambda entry: entry.position))
