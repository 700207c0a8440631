"""
`/orders`: place, read, list; events and operations of one.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, Scoped, requires
from fulfillment.api.cursors import CursorCodec
from fulfillment.api.dependencies import Caller, IdempotencyKey, IfNoneMatch, NoQuery, OrderIdInPath, Resources, Wait
from fulfillment.api.headers import entity_tag, matches_entity_tag
from fulfillment.api.intake import Acceptance
from fulfillment.api.openapi.headers import LOCATION
from fulfillment.api.openapi.refusals import BODY, problems
from fulfillment.api.pages import answer, page
from fulfillment.api.resources import ApiResources
from fulfillment.api.schemas.common import Instant, Page, Text500
from fulfillment.api.schemas.events import EventOut
from fulfillment.api.schemas.order_views import OperationOut, OrderOut, Receipt, order_path
from fulfillment.api.schemas.orders import OrderQuery, PageQuery, PlaceOrderBody
from fulfillment.db import views
from fulfillment.db.outages import is_outage
from fulfillment.db.views import OrderView
from fulfillment.domain.identity import Scope

router = APIRouter(tags=["orders"], route_class=GuardedRoute)

# Placing needs one scope or the other: which one, the body tells.
_PLACING = {False: Scoped((frozenset({Scope.ORDERS_PLACE}),)), True: Scoped((frozenset({Scope.OPERATIONS}),))}

_ORDERS: CursorCodec[tuple[datetime, UUID]] = CursorCodec(tuple[Instant, UUID])
_OPERATIONS: CursorCodec[tuple[datetime, str]] = CursorCodec(tuple[Instant, Text500])
_EVENTS: CursorCodec[int] = CursorCodec(Annotated[int, Field(ge=0, lt=2**31)])


@router.post(
    "/orders",
    operation_id="placeOrder",
    summary="Place an order",
    status_code=202,
    response_model=Receipt,
    response_description="The order is accepted. The receipt has the same bytes for every repetition of the request.",
    responses={
        200: {
            "model": OrderOut,
            "description": "With `Prefer: wait=N`: the outcome of placing is known.",
            "headers": LOCATION,
        },
        202: {"headers": LOCATION},
        **problems(*BODY, "idempotency_key_missing", "idempotency_key_reused", "reference_taken"),
    },
)
@requires(Scope.ORDERS_PLACE, Scope.OPERATIONS)
async def place_order(
    body: PlaceOrderBody, key: IdempotencyKey, caller: Caller, resources: Resources, wait: Wait, _: NoQuery
) -> Response:
    """
    Accept an order. From the answer on it cannot be lost; repeating the request with its key changes nothing.

    An order whose only SKU is `TEST-ORDER` is a test order: it needs the scope `operations` instead of
    `orders:place`, takes no payment and reaches no provider.
    """
    _PLACING[body.is_test].check(caller)
    acceptance = await resources.intake.accept(body, caller.id, key)
    headers = {"Location": order_path(acceptance.order_id)}
    if acceptance.replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait:
        headers["Preference-Applied"] = f"wait={int(wait.total_seconds())}"
        order = await _settled(resources, acceptance, wait)
        if order:
            headers["ETag"] = entity_tag(order.version)
            return answer(OrderOut.of(order, caller), 200, headers)
    return answer(acceptance.receipt, 202, headers)


@router.get(
    "/orders/{order_id}",
    operation_id="getOrder",
    summary="Read an order",
    response_model=OrderOut,
    response_description="The order as it is now.",
    responses={304: {"description": "The order still has the version of `If-None-Match`."}, **problems("not_found")},
)
@requires(Scope.ORDERS_READ)
async def get_order(
    order_id: OrderIdInPath,
    caller: Caller,
    resources: Resources,
    _: NoQuery,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """
    The order as it is now; one that is accepted but not yet written has version 0.
    """
    order = await resources.changes.read(order_id)
    headers = {"ETag": entity_tag(order.version)}
    if matches_entity_tag(if_none_match, order.version):
        return Response(status_code=304, headers=headers)
    return answer(OrderOut.of(order, caller), 200, headers)


@router.get(
    "/orders",
    operation_id="listOrders",
    summary="List orders, newest first",
    response_model=Page[OrderOut],
    response_description="A page of orders.",
)
@requires(Scope.ORDERS_READ)
async def list_orders(query: Annotated[OrderQuery, Query()], caller: Caller, resources: Resources) -> Response:
    """
    Orders that are written down; those placed while you read pages do not disturb them.
    """
    before = _ORDERS.decode(query.cursor)
    wanted = query.to_filter().seen_by(caller)
    if wanted is None:
        return answer(Page[OrderOut](items=[], next_cursor=None))
    async with resources.database.statement() as connection:
        rows = await views.newest_orders(connection, wanted, before=before, limit=query.limit + 1)
    shown = page(rows, query.limit, lambda order: OrderOut.of(order, caller), _ORDERS, _position)
    return answer(shown)


@router.get(
    "/orders/{order_id}/events",
    operation_id="listOrderEvents",
    summary="Read the timeline of an order",
    response_model=Page[EventOut],
    response_description="A page of the timeline.",
    responses=problems("not_found"),
)
@requires(Scope.ORDERS_READ)
async def list_events(
    order_id: OrderIdInPath, query: Annotated[PageQuery, Query()], caller: Caller, resources: Resources
) -> Response:
    """
    What happened, in the order it happened; `sequence` has no gaps.
    """
    after = _EVENTS.decode(query.cursor) or 0
    async with resources.database.statement() as connection:
        rows = await views.events(connection, order_id, after=after, limit=query.limit + 1)
        known = bool(rows) or await views.exists(connection, order_id)
    if not known:
        await resources.changes.read(order_id)
    return answer(page(rows, query.limit, lambda row: EventOut.of(row, caller), _EVENTS, lambda row: row.sequence))


@router.get(
    "/orders/{order_id}/operations",
    operation_id="listOrderOperations",
    summary="List what providers were asked to do for an order",
    response_model=Page[OperationOut],
    response_description="A page of the ledger.",
    responses=problems("not_found"),
)
@requires(Scope.OPERATIONS)
async def list_operations(
    order_id: OrderIdInPath, query: Annotated[PageQuery, Query()], resources: Resources
) -> Response:
    """
    The operations ledger of the order, for operators: one entry per intended effect outside this service.
    """
    after = _OPERATIONS.decode(query.cursor)
    async with resources.database.statement() as connection:
        rows = await views.order_operations(connection, order_id, after=after, limit=query.limit + 1)
        known = bool(rows) or await views.exists(connection, order_id)
    if not known:
        await resources.changes.read(order_id)
    return answer(page(rows, query.limit, OperationOut.of, _OPERATIONS, lambda entry: (entry.created_at, entry.key)))


async def _settled(resources: ApiResources, acceptance: Acceptance, wait: timedelta) -> OrderView | None:
    """The order once there is something to tell, None when the wait was too short or the database is away."""
    if not await resources.watcher.settled(acceptance.order_id, wait):
        return None
    try:
        async with resources.database.statement() as connection:
            return await views.order(connection, acceptance.order_id)
    except Exception as error:
        if not is_outage(error):
            raise
        return None


def _position(order: OrderView) -> tuple[datetime, UUID]:
    return order.accepted_at, order.id
