"""
Orders whose workflow is gone: an operator has them taken over.
"""

from fastapi import APIRouter
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.dependencies import Caller, NoQuery, OrderIdInPath, Resources
from fulfillment.api.headers import entity_tag
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer
from fulfillment.api.schemas.changes import RecoverBody
from fulfillment.api.schemas.order_views import OrderOut
from fulfillment.contracts.orders import Resume
from fulfillment.domain.identity import Scope

router = APIRouter(tags=["operators"], route_class=GuardedRoute)


@router.post(
    "/orders/{order_id}/recover",
    operation_id="recoverOrder",
    summary="Take over an order whose workflow is gone",
    status_code=202,
    response_model=OrderOut,
    response_description="The order is being taken over.",
    responses={
        200: {"model": OrderOut, "description": "The order has ended; nothing was done."},
        **problems(*BODY, "not_found", "order_is_running"),
    },
)
@requires(Scope.OPERATIONS)
async def recover_order(
    order_id: OrderIdInPath, body: RecoverBody, caller: Caller, resources: Resources, _: NoQuery
) -> Response:
    """
    A new run of its workflow asks the providers what they did, then goes on from where the order is, or undoes it.
    For an order whose status stands still and about which nobody is asked.
    """
    resume = Resume(actor=caller.id, reason=body.reason, undo=body.undo)
    recovered = await resources.recovery.recover(order_id, resume)
    headers = {"ETag": entity_tag(recovered.order.version)}
    return answer(OrderOut.of(recovered.order, caller), 202 if recovered.is_taken_over else 200, headers)
