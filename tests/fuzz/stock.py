"""
What the service knows before the fuzzer comes: articles, orders in every state, and what leads to them.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2

from fulfillment.api.problems import PROBLEM_TYPES
from tests.fuzz.stand import ASKED_ABOUT, Stand

Dictionaries = Mapping[str, Sequence[str | int]]
"""Values worth sending, by the name the configuration calls them."""

SKUS = ("TEA", "POT", "CUP 2 %", "Ähre #1", "KETTLE-1", "FILTER-3")
"""The last two are those of the document's examples."""
LISTS = (
    "/v1/orders",
    "/v1/inventory",
    "/v1/attention",
    "/v1/inventory/{sku}/movements",
    "/v1/orders/{order_id}/events",
    "/v1/orders/{order_id}/operations",
)
"""All that have pages; `cursors` are in this order."""
_MANY = 100_000
_CUSTOMERS = ("C-1", "C-2")
_BUSY = {"received", "processing", "cancelling"}
_PATIENCE = 60
_UNPAID = 20
# How an order is placed, what then happens to it, and how many: changes of some must not use up all.
_PLAYS: Sequence[tuple[int, Mapping[str, Any]]] = (
    (_UNPAID, {"pay": None}),
    (6, {"pay": "tok_visa"}),
    (3, {"pay": "tok_visa", "parcel": "picked_up"}),
    (3, {"pay": "tok_visa", "parcel": "delivered"}),
    (4, {"pay": "tok_visa", "parcel": "lost"}),
    (4, {"pay": "tok_visa", "parcel": "returned"}),
    (3, {"pay": "tok_undo_fails", "cancel": True}),
    (2, {"pay": "tok_visa", "cancel": True}),
    (2, {"pay": "tok_visa", "sku": "NOT-SOLD-HERE"}),
    (2, {"pay": None, "sku": "TEST-ORDER"}),
)
_WAITING = 24
"""Orders that wait for people; every second one has the fuzzer's vote already."""


class Warehouse:
    """Fills the service through its own door."""

    def __init__(self, stand: Stand, http: httpx2.AsyncClient) -> None:
        self._api = stand.endpoints.api
        self._sandbox = stand.endpoints.sandbox
        self._http = http
        self._headers = {"Authorization": f"Bearer {stand.key}"}

    async def fill(self) -> Dictionaries:
        """Articles and orders; what leads to them."""
        for sku in SKUS:
            await self._ask("PUT", f"/v1/inventory/{quote(sku, safe='')}", json={"on_hand": _MANY, "name": sku})
        plays = [play for count, play in _PLAYS for _ in range(count)]
        orders = [await self._play(number, play) for number, play in enumerate(plays)]
        await asyncio.gather(*(self._until_it_leaves(order, _BUSY) for order in orders))
        approvals = [await self._await_approval(number) for number in range(_WAITING)]
        return {
            **FIXED,
            "orders": [*orders, *(order for order, _ in approvals)],
            "approvals": [approval for _, approval in approvals],
            "delegations": [await self._delegate()],
            "skus": [*SKUS, "TEST-ORDER", "NOT-SOLD-HERE"],
            "parcels": await self._parcels(),
            # The first that was paid: it has more than one event and more than one operation.
            "cursors": await self._cursors(orders[_UNPAID]),
        }

    async def _play(self, number: int, play: Mapping[str, Any]) -> str:
        body = _order(play.get("sku", "TEA"), _CUSTOMERS[number % 2], play["pay"])
        placed = await self._ask("POST", "/v1/orders", json=body, headers={"Idempotency-Key": f"stock-{number}"})
        order = str(placed["id"])
        if "parcel" in play or "cancel" in play:
            await self._until_it_leaves(order, _BUSY)
        if "parcel" in play:
            (parcel,) = (await self._ask("GET", f"/v1/orders/{order}"))["shipments"]
            path = f"{self._sandbox}/parcels/{parcel['tracking_number']}/events"
            (await self._http.post(path, json={"type": play["parcel"]})).raise_for_status()
            await self._until_it_leaves(order, {"awaiting_shipment"})
        if "cancel" in play:
            await self._ask("POST", f"/v1/orders/{order}/cancel", json={"reason": "Changed my mind"})
        return order

    async def _await_approval(self, number: int) -> tuple[str, str]:
        """An order that somebody else asked for, and the request it waits for."""
        order = _order("TEA", _CUSTOMERS[0], "tok_visa")
        address = {**order["shipping_address"], "country": ASKED_ABOUT}
        body = {**order, "requested_by": "somebody", "shipping_address": address}
        headers = {"Idempotency-Key": f"waiting-{number}", "Prefer": "wait=20"}
        placed = await self._ask("POST", "/v1/orders", json=body, headers=headers)
        approval = str(placed["approval"]["id"])
        # By turns in each of the four groups that `hooks` makes.
        if number // 4 % 2:
            path, key = f"/v1/approvals/{approval}/decisions", {"Idempotency-Key": f"vote-{number}"}
            await self._ask("POST", path, json={"decision": "approve"}, headers=key)
        return str(placed["id"]), approval

    async def _delegate(self) -> str:
        return str((await self._ask("PUT", "/v1/delegations", json=DELEGATION))["id"])

    async def _until_it_leaves(self, order: str, statuses: Collection[str]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while (await self._ask("GET", f"/v1/orders/{order}"))["status"] in statuses:  # noqa: ASYNC110 - HTTP tells nobody
                await asyncio.sleep(0.2)

    async def _parcels(self) -> list[str]:
        answer = await self._http.get(f"{self._sandbox}/parcels", params={"limit": 200})
        return [parcel["tracking_number"] for parcel in answer.raise_for_status().json()["items"]]

    async def _cursors(self, order: str) -> Sequence[str]:
        pages = [await self._ask("GET", path.format(sku="TEA", order_id=order), params={"limit": 1}) for path in LISTS]
        return [page["next_cursor"] for page in pages]

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **content: Any) -> Any:
        sent = {**self._headers, **(headers or {})}
        answer = await self._http.request(method, self._api + path, headers=sent, **content)
        return answer.raise_for_status().json()


FIXED: Dictionaries = {
    "carriers": ["sandbox"],
    "codes": sorted(PROBLEM_TYPES),
    "customers": _CUSTOMERS,
    "keys": ["stock-0", "stock-1", "again", '"quoted"'],
    "tags": ['"1"', '"2"', '"3"', '"5"', "*", 'W/"1"', '"0", "1", "2", "3", "4", "5", "6", "7", "8"'],
    "preferences": ["wait=1", "wait=0", "respond-async, wait=2"],
    "quantities": [1, 2, 3],
    "currencies": ["EUR"],
    "countries": ["IE", "DE", "JP"],
    "postal_codes": ["TEST-REFUSED", "TEST-TOO-LATE", "TEST-CANCEL-FAILS", "10115"],
    "tokens": ["tok_visa", "tok_declined", "tok_insufficient_funds", "tok_undo_fails", "tok_capture_declined"],
}


def _order(sku: str, customer: str, token: str | None) -> Mapping[str, Any]:
    price = {"amount": 1250, "currency": "EUR"}
    return {
        "customer_id": customer,
        "lines": [{"sku": sku, "name": "Tea", "quantity": 2, "unit_price": price}],
        "shipping_address": {"name": "A. Buyer", "line1": "High Street 1", "city": "Dublin", "country": "IE"},
        **({"payment": {"method": "card", "token": token}} if token else {}),
    }


ORDER = _order("TEA", "C-1", None)
"""One that the service accepts, without anything that must be unique; unpaid, since hundreds are made of it."""
DELEGATION = {"delegate": "key:ada", "from": "2126-01-01T00:00:00Z", "until": "2126-02-01T00:00:00Z"}
"""One that the service accepts, for a long time to come."""
