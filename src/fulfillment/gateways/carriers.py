"""
The way to a carrier.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict
from urllib.parse import quote

import httpx2

from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import FailureCode
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.http import ProviderClient, UnexpectedAnswer, is_unknown, text_in


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

    async def find(self, key: str) -> Answer | None:
        """What became of an earlier booking; None when the carrier never made it."""


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
        response = await self._client.get(f"/parcels/by-key/{quote(key, safe='')}", expected=(200, 404))
        return None if is_unknown(response) else _booked(response)


def _booked(response: httpx2.Response) -> Answer:
    return Answer(reference=text_in(response, "tracking_number"))
