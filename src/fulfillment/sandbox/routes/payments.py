"""
The payment provider over HTTP.
"""

import json
from functools import partial
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from fulfillment.sandbox.exchange import json_response
from fulfillment.sandbox.faults import BY_TOKEN, PLAIN
from fulfillment.sandbox.payment_rules import LATE_TOKEN
from fulfillment.sandbox.payment_store import Balance, PaymentOperation
from fulfillment.sandbox.routes.dependencies import AnyPeer, Cursor, Key, Limit, OrderId, Page, page
from fulfillment.sandbox.schemas import AmountBody, AuthorizeBody, EmptyBody

router = APIRouter()


class LedgerItem(BaseModel):
    """
    One line of the ledger as it is shown.
    """

    model_config = ConfigDict(from_attributes=True)

    order_id: str
    operation: PaymentOperation
    key: str
    amount: int
    currency: str
    status: Literal["succeeded", "declined"]
    at: str


@router.post("/payments/authorizations", status_code=201)
async def authorize(body: AuthorizeBody, key: Key, peer: AnyPeer) -> Response:
    act = peer.provider.postpone if body.token == LATE_TOKEN else peer.provider.authorize
    return await peer.exchange.change("authorize", key, partial(act, key, body), BY_TOKEN.get(body.token, PLAIN))


@router.post("/payments/authorizations/{authorization_id}/capture", status_code=201)
async def capture(authorization_id: str, body: AmountBody, key: Key, peer: AnyPeer) -> Response:
    return await peer.exchange.change("capture", key, partial(peer.provider.capture, authorization_id, key, body))


@router.post("/payments/authorizations/{authorization_id}/void", status_code=201)
async def void(authorization_id: str, key: Key, peer: AnyPeer, _body: EmptyBody | None = None) -> Response:
    return await peer.exchange.change("void", key, partial(peer.provider.void, authorization_id, key))


@router.post("/payments/authorizations/{authorization_id}/refund", status_code=201)
async def refund(authorization_id: str, body: AmountBody, key: Key, peer: AnyPeer) -> Response:
    return await peer.exchange.change("refund", key, partial(peer.provider.refund, authorization_id, key, body))


@router.get("/payments/operations/{key:path}")
async def operation(key: str, peer: AnyPeer) -> Response:
    return await peer.exchange.look_up(lambda: json_response(json.dumps(peer.provider.operation(key))))


@router.get("/ledger")
async def ledger(peer: AnyPeer, order_id: OrderId = None, cursor: Cursor = 0, limit: Limit = 50) -> Page[LedgerItem]:
    rows = peer.provider.ledger(order_id, cursor, limit + 1)
    return page([(position, LedgerItem.model_validate(entry)) for position, entry in rows], limit)


@router.get("/ledger/summary")
async def summary(
    peer: AnyPeer, order_id: OrderId = None, cursor: Cursor = 0, limit: Limit = 50
) -> Page[Balance] | Balance:
    if order_id is not None:
        return peer.provider.balance(order_id)
    return page(peer.provider.balances(cursor, limit + 1), limit)
