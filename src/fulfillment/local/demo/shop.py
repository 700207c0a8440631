"""
The service as a shop sees it: orders placed, changed and read.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason, OrderStatus, PaymentStatus
from fulfillment.local.callers import OPERATOR, SHOP
from fulfillment.local.demo.orders_file import Article, FileOrder
from fulfillment.local.demo.service import PAGE, Service

_WAIT_FOR_OUTCOME = 10
_REASON = "the demo's file says so"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOrder:
    """An order as the service last told it; `approvers` are the roles it waits for."""

    id: OrderId
    status: OrderStatus
    version: int
    code: str | None
    asks: str | None
    carrier: str | None
    tracking_number: str | None
    payment: str
    action_url: str | None
    approvers: tuple[str, ...]
    authorized: Money
    captured: Money
    refunded: Money
    accepted_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> Self:
        """From the service's JSON."""
        parcel = order["shipments"][-1] if order["shipments"] else {}
        return cls(
            id=OrderId(UUID(order["id"])),
            status=OrderStatus(order["status"]),
            version=order["version"],
            code=order["failure"]["code"] if order["failure"] else None,
            asks=order["attention"]["reason"] if order["attention"] else None,
            carrier=parcel.get("carrier"),
            tracking_number=parcel.get("tracking_number"),
            payment=order["payment"]["status"],
            action_url=(order["payment"]["next_action"] or {}).get("url"),
            approvers=tuple((order["approval"] or {}).get("waiting_for", ())),
            authorized=Money(**order["payment"]["authorized"]),
            captured=Money(**order["payment"]["captured"]),
            refunded=Money(**order["payment"]["refunded"]),
            accepted_at=datetime.fromisoformat(order["accepted_at"]),
            updated_at=datetime.fromisoformat(order["updated_at"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An order was accepted."""

    id: OrderId
    accepted_at: datetime

    def as_seen(self, currency: str) -> SeenOrder:
        """All that is known of the order before anybody has looked at it."""
        nothing = Money(0, currency)
        return SeenOrder(
            id=self.id,
            status=OrderStatus.RECEIVED,
            version=0,
            code=None,
            asks=None,
            carrier=None,
            tracking_number=None,
            payment=PaymentStatus.NONE,
            action_url=None,
            approvers=(),
            authorized=nothing,
            captured=nothing,
            refunded=nothing,
            accepted_at=self.accepted_at,
            updated_at=self.accepted_at,
        )


class Shop:
    """
    Places orders and reads what becomes of them.

    Every method raises `Refused` for an answer that will not change, and `DemoError` when there is none in time.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def count(self, article: Article) -> None:
        """Put an article that is new to the warehouse there."""
        body = {"on_hand": article.on_hand, "name": article.name}
        await self._service.send(OPERATOR, "PUT", f"/v1/inventory/{quote(article.sku, safe='')}", json=body)

    async def place(self, order: FileOrder) -> Receipt:
        """Place an order and stay until it is paid and booked, or refused, but not for long; not at all in haste."""
        wait = 0 if order.scenario.is_hasty else _WAIT_FOR_OUTCOME
        headers = {"Idempotency-Key": order.idempotency_key, "Prefer": f"wait={wait}"}
        answer = (await self._service.send(SHOP, "POST", "/v1/orders", json=order.body, headers=headers)).json()
        return Receipt(id=OrderId(UUID(answer["id"])), accepted_at=datetime.fromisoformat(answer["accepted_at"]))

    async def read(self, order_id: OrderId) -> SeenOrder:
        """One order, written down or not."""
        return await self._seen((await self._service.send(SHOP, "GET", _path(order_id))).json())

    async def payment_of(self, order_id: OrderId) -> str:
        """What the provider calls the order's last payment."""
        operations = await self._service.send(OPERATOR, "GET", f"{_path(order_id)}/operations", params={"limit": PAGE})
        return next(
            str(operation["provider_reference"])
            for operation in reversed(operations.json()["items"])
            if operation["kind"] == OperationKind.AUTHORIZE and operation["provider_reference"]
        )

    async def cancel(self, order_id: OrderId, key: str) -> SeenOrder:
        """Cancel an order; what is told may be from a moment before."""
        return await self._change(SHOP, f"{_path(order_id)}/cancel", key, {"reason": _REASON})

    async def pay(self, order_id: OrderId, key: str, token: str) -> SeenOrder:
        """Give an order a card; what is told may be from a moment before."""
        return await self._change(SHOP, f"{_path(order_id)}/payment", key, {"method": "card", "token": token})

    async def act(self, order_id: OrderId, key: str, action: str, provider_reference: str | None = None) -> SeenOrder:
        """Answer what an order asks an operator, who may have found out what the provider calls its payment."""
        found = {"provider_reference": provider_reference} if provider_reference else {}
        return await self._change(OPERATOR, f"{_path(order_id)}/actions/{action}", key, {"reason": _REASON, **found})

    async def doubted(self, order_id: OrderId) -> str:
        """Key of what an operator is to find out about."""
        return str((await self._questions(AttentionReason.OUTCOME_UNKNOWN))[str(order_id)]["operation"])

    async def placed_since(self, moment: datetime) -> AsyncIterator[SeenOrder]:
        """Every order accepted at or after a moment."""
        async for order in self._service.pages(SHOP, "/v1/orders", {"placed_from": moment.isoformat()}):
            yield await self._seen(order)

    async def _change(self, role: str, path: str, key: str, body: Mapping[str, str]) -> SeenOrder:
        return await self._seen(
            (await self._service.send(role, "POST", path, json=body, headers={"Idempotency-Key": key})).json()
        )

    async def _seen(self, order: Mapping[str, Any]) -> SeenOrder:
        """An order that has ended does not tell itself what it still asks."""
        seen = SeenOrder.of(order)
        if not (seen.status.is_final and order["actions"]):
            return seen
        is_disputed = order["id"] in await self._questions(AttentionReason.PROVIDER_DISPUTE)
        return replace(seen, asks=AttentionReason.PROVIDER_DISPUTE if is_disputed else AttentionReason.LATE_EVENT)

    async def _questions(self, reason: AttentionReason) -> dict[str, Mapping[str, Any]]:
        """What operators are asked for this reason, by order; the oldest of them, if there are very many."""
        query: dict[str, str | int] = {"reason": reason, "limit": PAGE}
        items = (await self._service.send(OPERATOR, "GET", "/v1/attention", params=query)).json()["items"]
        return {item["order_id"]: item for item in items}


def _path(order_id: OrderId) -> str:
    return f"/v1/orders/{order_id}"
