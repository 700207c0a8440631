"""
The providers as the peer sagas call them: the same sandbox, the same calls, the same client library as ours.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import httpx2

from fulfillment.contracts.orders import Address, Line
from fulfillment.domain.money import Money


class Providers:
    """Payment provider and carrier; an answer that is not 201 is an error, which Temporal retries."""

    def __init__(self, client: httpx2.AsyncClient, payments: str, carrier: str) -> None:
        self._client = client
        self._payments = payments
        self._carrier = carrier

    async def authorize(self, order_id: UUID, token: str, total: Money) -> str:
        """The id of the authorisation."""
        body = {"order_id": str(order_id), "token": token, **asdict(total)}
        answer = await self._post(f"{self._payments}/payments/authorizations", f"{order_id}:authorize", body)
        return str(answer["id"])

    async def capture(self, order_id: UUID, authorization: str, total: Money) -> None:
        """Take the money."""
        url = f"{self._payments}/payments/authorizations/{authorization}/capture"
        await self._post(url, f"{order_id}:capture", asdict(total))

    async def book(self, order_id: UUID, address: Address, lines: tuple[Line, ...]) -> str:
        """The tracking number of the parcel."""
        items = [{"sku": line.sku, "quantity": line.quantity} for line in lines]
        body = {"order_id": str(order_id), "address": asdict(address), "items": items}
        answer = await self._post(f"{self._carrier}/parcels", f"{order_id}:book", body)
        return str(answer["tracking_number"])

    async def _post(self, url: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._client.post(url, json=body, headers={"Idempotency-Key": key}, timeout=20)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
