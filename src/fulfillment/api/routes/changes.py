"""
What customers change about their orders: cancel, pay, other lines, another address.
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.changes import Outcome, Request
from fulfillment.api.dependencies import Caller, Expected, GivenKey, IdempotencyKey, NoQuery, OrderIdInPath, Resources
from fulfillment.api.headers import entity_tag
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer
from fulfillment.api.schemas.changes import CancelBody, LinesBody
from fulfillment.api.schemas.order_views import OrderOut
from fulfillment.api.schemas.orders import AddressBody, PaymentBody
from fulfillment.domain.identity import Principal, Scope
from fulfillment.domain.orders import OrderStatus

router = APIRouter(tags=["orders"], route_class=GuardedRoute)

CHANGE = (
    *BODY,
    "not_found",
    "precondition_failed",
    "idempotency_key_reused",
)
"""What every change may be refused with."""


async def change_request(order_id: OrderIdInPath, caller: Caller, key: GivenKey, versions: Expected) -> Request:
    return Request(order_id=order_id, caller=caller.id, key=key, versions=versions)


def changed(outcome: Outcome, status: int, caller: Principal) -> Response:
    """The order after a change, as its caller may see it."""
    headers = {"ETag": entity_tag(outcome.order.version)}
    if outcome.replayed:
        headers["Idempotency-Replayed"] = "true"
    return answer(OrderOut.of(outcome.order, caller), status, headers)


@router.post(
    "/orders/{order_id}/cancel",
    operation_id="cancelOrder",
    summary="Cancel an order",
    status_code=202,
    response_model=OrderOut,
    response_description="The order is being undone.",
    responses={
        200: {"model": OrderOut, "description": "The order is cancelled."},
        **problems(*CHANGE, "order_not_cancellable", "too_many_changes"),
    },
)
@requires(Scope.ORDERS_CHANGE)
async def cancel_order(
    request: Annotated[Request, Depends(change_request)],
    body: CancelBody,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    From the answer on nothing more is done for the order, and what happened is undone; the status follows. Possible
    until the parcel is picked up, and in `needs_attention` where `actions` has `cancel`.
    """
    outcome = await resources.changes.cancel(request, body.reason)
    return changed(outcome, 200 if outcome.order.status is OrderStatus.CANCELLED else 202, caller)


@router.post(
    "/orders/{order_id}/payment",
    operation_id="payOrder",
    summary="Give an order a card",
    status_code=202,
    response_model=OrderOut,
    response_description="The card is taken on; read the order for the outcome.",
    responses=problems(*CHANGE, "idempotency_key_missing", "payment_not_awaited", "too_many_changes"),
)
@requires(Scope.ORDERS_CHANGE)
async def pay_order(
    request: Annotated[Request, Depends(change_request)],
    body: PaymentBody,
    _key: IdempotencyKey,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    The card an `awaiting_payment` order waits for. Repeating the request with its key charges nothing twice.
    """
    return changed(await resources.changes.pay(request, body), 202, caller)


@router.put(
    "/orders/{order_id}/lines",
    operation_id="putOrderLines",
    summary="Replace the lines of an order",
    response_model=OrderOut,
    response_description="The order with its new lines.",
    responses=problems(*CHANGE, "order_not_amendable", "stock_short", "unknown_sku", "too_many_changes"),
)
@requires(frozenset({Scope.ORDERS_CHANGE, Scope.ORDERS_PLACE}))
async def put_lines(
    request: Annotated[Request, Depends(change_request)],
    body: LinesBody,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    All of them, while the order is not paid. The answer comes once the stock is held anew; a refusal changes nothing.
    """
    lines = tuple(line.to_line() for line in body.lines)
    return changed(await resources.changes.amend(request, lines), 200, caller)


@router.put(
    "/orders/{order_id}/shipping-address",
    operation_id="putOrderAddress",
    summary="Send an order somewhere else",
    response_model=OrderOut,
    response_description="The order with its new address.",
    responses=problems(*CHANGE, "order_not_amendable", "too_many_changes"),
)
@requires(Scope.ORDERS_CHANGE, customers=False)
async def put_address(
    request: Annotated[Request, Depends(change_request)],
    body: AddressBody,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
) -> Response:
    """
    Possible until the parcel is being booked. The whole address is replaced.
    """
    return changed(await resources.changes.readdress(request, body.to_address()), 200, caller)
