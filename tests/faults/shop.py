"""
The service and its providers as the harness sees them: over HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2

from fulfillment.local.callers import OPERATOR, SHOP

PRICE = 1250
QUANTITY = 2
TOTAL = PRICE * QUANTITY
ON_HAND = 5

Json = Mapping[str, Any]

_LOOK_EVERY = 0.25
# Updates wait for workers that are being started again.
_PATIENCE = 60.0


class Shop:
    """
    Places and changes orders, as the shop and as its operator; one look at all of them serves everybody who waits.
    """

    def __init__(self, http: httpx2.AsyncClient, api: str, sandbox: str, keys: Mapping[str, str]) -> None:
        self._http = http
        self._api = api
        self._sandbox = sandbox
        self._callers = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
        self._seen: dict[str, Json] = {}
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at all orders again and again while the block runs."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait({watch})

    async def count(self, sku: str, on_hand: int) -> None:
        url, headers = f"{self._api}/inventory/{sku}", self._callers[OPERATOR]
        (await self._http.put(url, json={"on_hand": on_hand}, headers=headers)).raise_for_status()

    async def place(self, name: str, *, pays: bool, postal_code: str | None) -> str:
        """Place the order of a cell, with an article of its own; its id."""
        line = {"sku": name, "name": name, "quantity": QUANTITY, "unit_price": {"amount": PRICE, "currency": "EUR"}}
        address = {"name": "Somebody", "line1": "1 Street", "city": "Graz", "country": "AT"}
        body = {
            "customer_id": "faults",
            "lines": [line],
            "shipping_address": address | ({"postal_code": postal_code} if postal_code else {}),
        } | ({"payment": {"method": "card", "token": "tok_visa"}} if pays else {})
        answer = await self._insist(SHOP, "/orders", body, {"Idempotency-Key": name})
        return str(answer["id"])

    async def cancel(self, order_id: str) -> None:
        await self._insist(SHOP, f"/orders/{order_id}/cancel", {"reason": "a cell of the matrix"})

    async def press(self, order_id: str, button: str) -> None:
        await self._insist(OPERATOR, f"/orders/{order_id}/actions/{button}", {"reason": "a cell of the matrix"})

    async def until(self, order_id: str, claim: Callable[[Json], bool], seconds: float) -> Json:
        """
        The order, once the claim is true of it.

        Raises:
            TimeoutError: it did not become true in time.
        """

        def true() -> bool:
            return order_id in self._seen and claim(self._seen[order_id])

        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(true)
            return self._seen[order_id]

    def last(self, order_id: str) -> Json:
        """What was last seen of an order."""
        return self._seen.get(order_id, {})

    async def stock(self, sku: str) -> tuple[int, int]:
        """Pieces on hand, and those of them that are reserved."""
        answer = await self._http.get(f"{self._api}/inventory/{sku}", headers=self._callers[SHOP])
        article = answer.raise_for_status().json()
        return article["on_hand"], article["reserved"]

    async def ledger(self, order_id: str) -> list[Json]:
        """What the payment provider did for an order."""
        answer = await self._http.get(f"{self._sandbox}/ledger", params={"order_id": order_id})
        return [entry for entry in answer.raise_for_status().json()["items"] if entry["status"] == "succeeded"]

    async def balance(self, order_id: str) -> Json:
        """The money of an order at the provider: live, taken, given back."""
        answer = await self._http.get(f"{self._sandbox}/ledger/summary", params={"order_id": order_id})
        balance: Json = answer.raise_for_status().json()
        return balance

    async def parcels(self, order_id: str) -> list[Json]:
        """The parcels of an order at the carrier."""
        answer = await self._http.get(f"{self._sandbox}/parcels", params={"order_id": order_id})
        parcels: list[Json] = answer.raise_for_status().json()["items"]
        return parcels

    async def deliver(self, order_id: str) -> None:
        """The carrier picks the parcel up and brings it."""
        for parcel in await self.parcels(order_id):
            for event in ("picked_up", "delivered"):
                path = f"/parcels/{parcel['tracking_number']}/events"
                (await self._http.post(self._sandbox + path, json={"type": event})).raise_for_status()

    async def undo_by_hand(self, order_id: str, operation: str) -> None:
        """What an operator does at the provider's own desk."""
        if operation == "cancel":
            (parcel,) = await self.parcels(order_id)
            path, body = f"/parcels/{parcel['tracking_number']}/cancel", {}
        else:
            path = f"/payments/authorizations/{await self._authorization(order_id)}/{operation}"
            body = {"amount": TOTAL, "currency": "EUR"} if operation == "refund" else {}
        headers = {"Idempotency-Key": f"by-hand-{operation}-{order_id}"}
        (await self._http.post(self._sandbox + path, json=body, headers=headers)).raise_for_status()

    async def _authorization(self, order_id: str) -> str:
        answer = await self._http.get(f"{self._sandbox}/payments/operations/{order_id}:authorize:1")
        return str(answer.raise_for_status().json()["id"])

    async def _insist(self, caller: str, path: str, body: Json, headers: Mapping[str, str] | None = None) -> Json:
        """Repeating is safe; 503 says to."""
        sent = {**self._callers[caller], **(headers or {})}
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self._http.post(self._api + path, json=body, headers=sent)
                if answer.status_code != 503:
                    if answer.is_error:
                        msg = f"POST {path}: {answer.status_code} {answer.text[:300]}"
                        raise AssertionError(msg)
                    accepted: Json = answer.json()
                    return accepted
                await asyncio.sleep(1)

    async def _watch(self) -> None:
        while True:
            with suppress(httpx2.HTTPError):
                await self._look()
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        cursor: str | None = None
        while True:
            query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            answer = await self._http.get(f"{self._api}/orders", params=query, headers=self._callers[SHOP])
            page = answer.raise_for_status().json()
            async with self._news:
                self._seen |= {order["id"]: order for order in page["items"]}
                self._news.notify_all()
            cursor = page["next_cursor"]
            if cursor is None:
                return
