"""
Orders whose workflow is gone: an operator has them taken over.
"""

from fastapi import APIRouter
from starlette.responses import Response

from fulfillment.api.dependencies import Caller, NoQuery, OrderIdInPath, Resources
from fulfillment.api.headers import entity_tag
from fulfillment.api.openapi import problems
from fulfillment.api.pages import answer
from fulfillment.api.schemas.changes import RecoverBody
from fulfillment.api.schemas.order_views import OrderOut
from fulfillment.contracts.orders import Resume

router = APIRouter(tags=["operators"])


@router.post(
    "/orders/{order_id}/recover",
    operation_id="recoverOrder",
    summary="Take over an order whose workflow is gone",
    status_code=202,
    response_model=OrderOut,
    responses={
        200: {"model": OrderOut, "description": "The order has ended; nothing was done."},
        **problems("malformed_body", "body_too_large", "unsupported_media_type", "not_found", "order_is_running"),
    },
)
async def recover_order(
    order_id: OrderIdInPath, body: RecoverBody, caller: Caller, resources: Resources, _: NoQuery
) -> Response:
    """
    A new run of its workflow asks the providers what they did, then goes on from where the order is, or undoes it.
    """
    resume = Resume(actor=caller, reason=body.reason, undo=body.undo)
    recovered = await resources.recovery.recover(order_id, resume)
    headers = {"ETag": entity_tag(recovered.order.version)}
    return answer(OrderOut.of(recovered.order), 202 if recovered.is_taken_over else 200, headers)
