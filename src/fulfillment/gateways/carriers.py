"""
The way to a carrier.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict
from urllib.parse import quote

import httpx2

from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import FailureCode
from fulfillment.gateways.answers import CANCEL_REFUSED, TOO_LATE, Answer
from fulfillment.gateways.http import ProviderClient, UnexpectedAnswer, is_unknown, text_in

_CANCEL_REFUSALS = {"already_picked_up": TOO_LATE, "cancel_refused": CANCEL_REFUSED}


class Item(TypedDict):
    """Pieces of one article in a parcel."""

    sku: str
    quantity: int


class Carrier(Protocol):
    """
    Parcels, each named by a key: the same key is the same parcel, however often it is asked for.

    Every method raises `ProviderUnavailable` when nothing was done and `OutcomeUnknown` when nobody knows. The
    reference in an answer is the tracking number.
    """

    async def book(self, key: str, order_id: OrderId, address: dict[str, Any], items: Sequence[Item]) -> Answer:
        """Have a parcel picked up."""

    async def cancel(self, key: str, tracking_number: str) -> Answer:
        """Keep a parcel from leaving; one that was cancelled before is cancelled. Refused: `TOO_LATE`, or for good."""

    async def find(self, key: str) -> Answer | None:
        """What became of an earlier booking; None when the carrier never made it."""

    async def find_cancelled(self, booking: str) -> Answer | None:
        """The parcel of an earlier booking if it is cancelled; None when it is not, or there is none."""


class HttpCarrier(Carrier):
    """The carrier's HTTP interface (that of the sandbox)."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def book(self, key: str, order_id: OrderId, address: dict[str, Any], items: Sequence[Item]) -> Answer:
        body = {"order_id": str(order_id), "address": address, "items": list(items)}
        response = await self._client.post("/parcels", key, body, expected=(201, 422))
        if response.status_code == 201:
            return _booked(response)
        if text_in(response, "code") != "address_refused":
            raise UnexpectedAnswer("carrier POST parcels", response.status_code)
        return Answer(refusal=FailureCode.CARRIER_REFUSED)

    async def find(self, key: str) -> Answer | None:
        response = await self._parcel(key)
        return None if is_unknown(response) else _booked(response)

    async def cancel(self, key: str, tracking_number: str) -> Answer:
        path = f"/parcels/{quote(tracking_number, safe='')}/cancel"
        response = await self._client.post(path, key, {}, expected=(201, 404, 409))
        if response.status_code == 201:
            return _booked(response)
        if is_unknown(response):
            return Answer(refusal=CANCEL_REFUSED)
        refusal = _CANCEL_REFUSALS.get(text_in(response, "code"))
        if refusal is None:
            raise UnexpectedAnswer("carrier POST cancel", response.status_code)
        return Answer(refusal=refusal)

    async def find_cancelled(self, booking: str) -> Answer | None:
        response = await self._parcel(booking)
        if is_unknown(response):
            return None
        parcel = _booked(response)
        return parcel if text_in(response, "status") == "cancelled" else None

    async def _parcel(self, booking: str) -> httpx2.Response:
        return await self._client.get(f"/parcels/by-key/{quote(booking, safe='')}", expected=(200, 404))


def _booked(response: httpx2.Response) -> Answer:
    return Answer(reference=text_in(response, "tracking_number"))
