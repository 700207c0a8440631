"""
A shop that goes on shopping whatever breaks: every request is repeated until it is answered.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from fulfillment.local.endpoints import Endpoints

Order = Mapping[str, Any]
"""An order as the service tells it."""

PRICE = 12_50
"""Of a piece, in cents, unless a scenario says otherwise."""

FINAL = {"delivered", "cancelled", "rejected", "returned"}

_BUSY = {429, 503}
_PAUSE = 0.2
_PATIENCE = 90
_LOOK_EVERY = 0.5
_PAGE = 200
# These never reached anybody.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the shop got for an order: its id, and every byte."""

    order_id: str
    content: bytes
    replayed: bool


class Shop:
    """
    A caller of the API who may do everything.

    Attributes:
        cut_off: requests that were sent and never answered.
        placed: ids of all its orders.
    """

    def __init__(self, http: httpx2.AsyncClient, endpoints: Endpoints) -> None:
        self.cut_off = 0
        self.placed: set[str] = set()
        self._http = http
        self._api = endpoints.api
        self._keys = endpoints.api_keys

    async def stock(self, on_hand: int) -> str:
        """An article of which there are so many pieces; nobody else sells it."""
        sku = f"CHAOS-{uuid4().hex[:8].upper()}"
        answer = await self.ask("PUT", f"/v1/inventory/{sku}", json={"on_hand": on_hand, "name": "Tea"})
        assert answer.is_success, answer.text
        return sku

    async def article(self, sku: str) -> Mapping[str, Any]:
        """What the warehouse says of it."""
        found: Mapping[str, Any] = (await self.ask("GET", f"/v1/inventory/{sku}")).json()
        return found

    async def place(self, *skus: str, key: str | None = None, paid: bool = True, price: int = PRICE) -> Receipt:
        """Order a piece of each at a price in cents, under a key of its own."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        answer = await self.ask("POST", "/v1/orders", json=_body(skus, paid=paid, price=price), headers=headers)
        assert answer.status_code == 202, f"placing: {answer.status_code} {answer.text}"
        receipt = Receipt(
            order_id=answer.json()["id"],
            content=answer.content,
            replayed="Idempotency-Replayed" in answer.headers,
        )
        self.placed.add(receipt.order_id)
        return receipt

    async def place_many(self, count: int, *skus: str, paid: bool = True) -> list[str]:
        """Place so many orders at once; their ids."""
        receipts = await asyncio.gather(*(self.place(*skus, paid=paid) for _ in range(count)))
        return [receipt.order_id for receipt in receipts]

    async def cancel(self, order_id: str) -> int:
        """Cancel an order; the status of the answer."""
        answer = await self.ask("POST", f"/v1/orders/{order_id}/cancel", json={"reason": "Changed my mind"})
        assert answer.status_code in {200, 202, 409}, f"cancelling: {answer.status_code} {answer.text}"
        return int(answer.status_code)

    async def amend(self, order_id: str, sku: str, price: int) -> int:
        """Another price for a piece of this article; the status of the answer."""
        headers = {"Idempotency-Key": uuid4().hex}
        lines = {"lines": _lines([sku], price)}
        answer = await self.ask("PUT", f"/v1/orders/{order_id}/lines", json=lines, headers=headers)
        assert answer.status_code in {200, 409}, f"amending: {answer.status_code} {answer.text}"
        return int(answer.status_code)

    async def orders(self, ids: Collection[str]) -> dict[str, Order]:
        """Those that are written down."""
        wanted, found = set(ids), dict[str, Order]()
        query: dict[str, str | int] = {"limit": _PAGE}
        while wanted - found.keys():
            answer = await self.ask("GET", "/v1/orders", params=query)
            assert answer.is_success, answer.text
            page = answer.json()
            found |= {order["id"]: order for order in page["items"] if order["id"] in wanted}
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        return found

    async def events(self, order_id: str) -> list[str]:
        """The kinds of what happened to an order."""
        answer = await self.ask("GET", f"/v1/orders/{order_id}/events", params={"limit": _PAGE})
        return [event["kind"] for event in answer.json()["items"]]

    async def until(
        self, statuses: Collection[str], ids: Sequence[str], seconds: float, enough: int | None = None
    ) -> dict[str, Order]:
        """
        Until all of the orders, or `enough` of them, are in one of the statuses.

        Raises:
            AssertionError: they do not come there in time, or some need attention.
        """
        wanted, found = len(ids) if enough is None else enough, dict[str, Order]()
        try:
            async with asyncio.timeout(seconds):
                while sum(order["status"] in statuses for order in found.values()) < wanted:
                    found = await self.orders(ids)
                    asking = [order["attention"] for order in found.values() if order["status"] == "needs_attention"]
                    assert not asking or "needs_attention" in statuses, f"orders need attention: {asking}"
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            waiting = [order_id for order_id, order in found.items() if order["status"] not in statuses]
            msg = f"after {seconds:g} s of {len(ids)} orders: {dict(tally(found.values()))}, not there: {waiting[:3]}"
            raise AssertionError(msg) from None
        return found

    async def ask(
        self,
        method: str,
        path: str,
        *,
        caller: str = "admin",
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> Any:
        """The answer to a request of a caller, which is repeated for as long as there is none."""
        sent = {"Authorization": f"Bearer {self._keys[caller]}", **(headers or {})}
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    answer = await self._http.request(method, self._api + path, headers=sent, **content)
                except _NOT_SENT:
                    pass
                except httpx2.TransportError:
                    self.cut_off += 1
                else:
                    if answer.status_code not in _BUSY:
                        return answer
                await asyncio.sleep(_PAUSE)


def tally(orders: Collection[Order]) -> Counter[str]:
    """How many orders are where."""
    return Counter(
        f"rejected {order['failure']['code']}" if order["status"] == "rejected" else order["status"] for order in orders
    )


def _body(skus: Collection[str], *, paid: bool, price: int) -> dict[str, Any]:
    return {
        "customer_id": "C-1",
        "lines": _lines(skus, price),
        "shipping_address": {"name": "A. Buyer", "line1": "High Street 1", "city": "Dublin", "country": "IE"},
        **({"payment": {"method": "card", "token": "tok_visa"}} if paid else {}),
    }


def _lines(skus: Collection[str], price: int) -> list[dict[str, Any]]:
    unit_price = {"amount": price, "currency": "EUR"}
    return [{"sku": sku, "name": "Tea", "quantity": 1, "unit_price": unit_price} for sku in skus]
