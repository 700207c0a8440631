"""
The sandbox's side of the story: moving parcels, and the payment provider's books.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2

from fulfillment.domain.ids import OrderId
from fulfillment.invariants import Account

_PAGE = 200


class Parcels:
    """What the carrier does; it tells the service by itself."""

    def __init__(self, http: httpx2.AsyncClient, sandbox: str) -> None:
        self._http = http
        self._sandbox = sandbox

    async def advance(self) -> None:
        """Every parcel on its way moves one step."""
        (await self._http.post(f"{self._sandbox}/parcels/advance")).raise_for_status()

    async def happen(self, tracking_number: str, event: str) -> None:
        """Something happens to one parcel."""
        answer = await self._http.post(f"{self._sandbox}/parcels/{tracking_number}/events", json={"type": event})
        answer.raise_for_status()


class PaymentProvider:
    """What goes wrong at the payment provider on request, and what it tells by itself."""

    def __init__(self, http: httpx2.AsyncClient, sandbox: str) -> None:
        self._http = http
        self._sandbox = sandbox

    async def stop_taking_money(self) -> None:
        """Every capture is answered 503 from now on."""
        await self._control({"capture": {"down": True}})

    async def work_again(self) -> None:
        """Nothing goes wrong any more, but for what cards and addresses ask for."""
        await self._control({})

    async def settle(self, action_url: str, *, agree: bool) -> None:
        """The customer does what the bank asks for, or refuses."""
        (await self._http.post(action_url, json={"agree": agree})).raise_for_status()

    async def done_under(self, key: str) -> str:
        """What the provider calls what it did under a key."""
        answer = await self._http.get(f"{self._sandbox}/payments/operations/{quote(key, safe='')}")
        return str(answer.raise_for_status().json()["id"])

    async def happen(self, payment: str, event: str) -> None:
        """The provider tells something of a payment."""
        path = f"/payments/authorizations/{payment}/events"
        (await self._http.post(f"{self._sandbox}{path}", json={"type": event})).raise_for_status()

    async def _control(self, faults: Mapping[str, Any]) -> None:
        (await self._http.put(f"{self._sandbox}/control", json=faults)).raise_for_status()


class SandboxLedger:
    """The books of the sandbox's payment provider."""

    def __init__(self, http: httpx2.AsyncClient, sandbox: str) -> None:
        self._http = http
        self._sandbox = sandbox

    async def accounts(self) -> Sequence[Account]:
        """Money from its balances, how often something was done from its ledger."""
        done: Counter[tuple[str, str, str]] = Counter()
        async for entry in self._pages("/ledger"):
            if entry["status"] == "succeeded":
                done[entry["order_id"], entry["currency"], entry["operation"]] += 1
        return [
            _account(balance, order_id, done)
            async for balance in self._pages("/ledger/summary")
            if (order_id := _order_id(balance["order_id"]))
        ]

    async def _pages(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        cursor: str | None = "0"
        while cursor is not None:
            answer = await self._http.get(f"{self._sandbox}{path}", params={"cursor": cursor, "limit": _PAGE})
            page = answer.raise_for_status().json()
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]


def _account(balance: Mapping[str, Any], order_id: OrderId, done: Counter[tuple[str, str, str]]) -> Account:
    times = {
        operation: done[balance["order_id"], balance["currency"], operation]
        for operation in ("authorize", "capture", "void")
    }
    live = times["authorize"] - times["capture"] - times["void"]
    return Account(
        order_id=order_id,
        currency=balance["currency"],
        # A balance that still holds money is live, whatever the ledger adds up to.
        live=max(live, int(balance["authorized"] > 0)),
        captures=times["capture"],
        captured=balance["captured"],
        refunded=balance["refunded"],
    )


def _order_id(text: str) -> OrderId | None:
    """Who else uses this provider may name orders as they like."""
    try:
        return OrderId(UUID(text))
    except ValueError:
        return None
