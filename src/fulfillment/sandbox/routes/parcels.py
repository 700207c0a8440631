"""
The carrier over HTTP.
"""

import json
from dataclasses import asdict
from functools import partial

from fastapi import APIRouter, Response
from pydantic import BaseModel

from fulfillment.sandbox.exchange import json_response
from fulfillment.sandbox.faults import BY_POSTAL_CODE, PLAIN
from fulfillment.sandbox.parcel_rules import Parcel, ParcelStatus
from fulfillment.sandbox.routes.dependencies import AnyPeer, Cursor, Key, Limit, OrderId, Page, page
from fulfillment.sandbox.schemas import AdvanceBody, BookBody, EmptyBody, ParcelEventBody, ParcelItem

router = APIRouter(prefix="/parcels")


class ParcelView(BaseModel):
    """
    A parcel as it is shown.
    """

    tracking_number: str
    key: str
    order_id: str
    status: ParcelStatus
    items: list[ParcelItem]
    booked_at: str
    updated_at: str


def _view(parcel: Parcel) -> ParcelView:
    return ParcelView.model_validate(asdict(parcel) | {"items": json.loads(parcel.items)})


@router.post("", status_code=201)
async def book(body: BookBody, key: Key, peer: AnyPeer) -> Response:
    scenario = BY_POSTAL_CODE.get(body.address.postal_code or "", PLAIN)
    return await peer.exchange.change("book", key, partial(peer.carrier.book, key, body), scenario)


@router.post("/advance")
async def advance(peer: AnyPeer, body: AdvanceBody | None = None) -> dict[str, int]:
    return {"moved": peer.carrier.advance(body.order_id if body else None)}


@router.post("/{tracking_number}/cancel", status_code=201)
async def cancel(tracking_number: str, key: Key, peer: AnyPeer, _body: EmptyBody | None = None) -> Response:
    return await peer.exchange.change("cancel", key, partial(peer.carrier.cancel, tracking_number, key))


@router.post("/{tracking_number}/events", status_code=202)
async def happen(tracking_number: str, body: ParcelEventBody, peer: AnyPeer) -> dict[str, str]:
    event_id, parcel = peer.carrier.happen(tracking_number, body.type)
    return {
        "id": event_id,
        "type": f"parcel.{body.type}",
        "tracking_number": tracking_number,
        "status": parcel.status,
    }


@router.get("")
async def parcels(peer: AnyPeer, order_id: OrderId = None, cursor: Cursor = 0, limit: Limit = 50) -> Page[ParcelView]:
    rows = peer.carrier.parcels(order_id, cursor, limit + 1)
    return page([(position, _view(parcel)) for position, parcel in rows], limit)


@router.get("/by-key/{key:path}")
async def by_key(key: str, peer: AnyPeer) -> Response:
    return await peer.exchange.look_up(lambda: json_response(_view(peer.carrier.parcel_by_key(key)).model_dump_json()))
