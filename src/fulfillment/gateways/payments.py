"""
The way to a payment provider.
"""

from typing import Protocol
from urllib.parse import quote

import httpx2

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.http import ProviderClient, is_unknown, text_in


class PaymentGateway(Protocol):
    """
    Effects on money, each named by a key: the same key is the same effect, however often it is asked for.

    Every method raises `ProviderUnavailable` when nothing was done and `OutcomeUnknown` when nobody knows.
    """

    async def authorize(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer:
        """Set money aside."""

    async def capture(self, key: str, authorization: str, amount: Money) -> Answer:
        """Take money that is set aside."""

    async def void(self, key: str, authorization: str) -> Answer:
        """Let go of money that is set aside."""

    async def refund(self, key: str, authorization: str, amount: Money) -> Answer:
        """Give captured money back."""

    async def find(self, key: str) -> Answer | None:
        """What became of an earlier call; None when the provider never did it."""


class HttpPaymentGateway(PaymentGateway):
    """The provider's HTTP interface (that of the sandbox)."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def authorize(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer:
        body = {"order_id": str(order_id), "token": token, **_money(amount)}
        return _answer(await self._client.post("/payments/authorizations", key, body, expected=(201, 402)))

    async def capture(self, key: str, authorization: str, amount: Money) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/capture"
        return _answer(await self._client.post(path, key, _money(amount), expected=(201, 402)))

    async def void(self, key: str, authorization: str) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/void"
        return _answer(await self._client.post(path, key, {}, expected=(201, 402)))

    async def refund(self, key: str, authorization: str, amount: Money) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/refund"
        return _answer(await self._client.post(path, key, _money(amount), expected=(201, 402)))

    async def find(self, key: str) -> Answer | None:
        response = await self._client.get(f"/payments/operations/{quote(key, safe='')}", expected=(200, 404))
        if is_unknown(response):
            return None
        if text_in(response, "status") == "declined":
            return Answer(refusal=_refusal(response))
        return Answer(reference=text_in(response, "id"))


def _money(amount: Money) -> dict[str, int | str]:
    return {"amount": amount.amount, "currency": amount.currency}


def _answer(response: httpx2.Response) -> Answer:
    if response.status_code == 402:
        return Answer(refusal=_refusal(response))
    return Answer(reference=text_in(response, "id"))


def _refusal(response: httpx2.Response) -> str:
    if text_in(response, "code") == "insufficient_funds":
        return FailureCode.INSUFFICIENT_FUNDS
    return FailureCode.PAYMENT_DECLINED
