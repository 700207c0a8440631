"""
The way to a payment provider.
"""

from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

import httpx2

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode
from fulfillment.domain.payments import NextAction
from fulfillment.gateways.answers import (
    ALREADY_CAPTURED,
    EXCEEDS_CAPTURED,
    NOT_CAPTURABLE,
    UNKNOWN_PAYMENT,
    Answer,
    Sought,
)
from fulfillment.gateways.http import ProviderClient, UnexpectedAnswer, is_unknown, record_in, text_in


class PaymentGateway(Protocol):
    """
    Effects on money, each named by a key: the same key is the same effect, however often it is asked for.

    Every method raises `ProviderUnavailable` when nothing was done and `OutcomeUnknown` when nobody knows.
    """

    async def open(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer | None:
        """
        Name a payment before any money is set aside: its reference is kept, so that it can be looked up by it.

        None: this provider looks up by key. Refused: it cannot be asked for such a payment.
        """

    async def authorize(self, key: str, order_id: OrderId, token: str, amount: Money, payment: str | None) -> Answer:
        """Set money aside, for the `payment` that was opened. It may have to wait for the customer (`next_action`)."""

    async def capture(self, key: str, authorization: str, amount: Money) -> Answer:
        """Take money that is set aside."""

    async def void(self, key: str, authorization: str) -> Answer:
        """
        Let go of money that is set aside, or of a payment that waits for its customer: nothing comes of it any more.

        Refused: `ALREADY_CAPTURED`, or for good.
        """

    async def refund(self, key: str, authorization: str, amount: Money) -> Answer:
        """Give captured money back. Refused: `EXCEEDS_CAPTURED`, or for good."""

    async def find(self, sought: Sought) -> Answer | None:
        """
        What became of an earlier call; None when the provider has not done it.

        Raises:
            UnexpectedAnswer: it was done with another amount than the one that is sought.
        """


class HttpPaymentGateway(PaymentGateway):
    """The provider's HTTP interface (that of the sandbox)."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def open(self, key: str, order_id: OrderId, token: str, amount: Money) -> Answer | None:  # noqa: ARG002
        return None

    async def authorize(
        self,
        key: str,
        order_id: OrderId,
        token: str,
        amount: Money,
        payment: str | None,  # noqa: ARG002 - it is named by its key
    ) -> Answer:
        body = {"order_id": str(order_id), "token": token, **_money(amount)}
        response = await self._client.post("/payments/authorizations", key, body, expected=(201, 402))
        answer = _answer(response, amount=amount)
        return replace(answer, next_action=_next_action(response))

    async def capture(self, key: str, authorization: str, amount: Money) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/capture"
        response = await self._client.post(path, key, _money(amount), expected=(201, 402, 404, 409))
        # An authorisation that expired, was voided elsewhere or never was: there is no money to be had.
        if is_unknown(response):
            return Answer(refusal=FailureCode.PAYMENT_DECLINED)
        return _answer(response, NOT_CAPTURABLE, amount=amount)

    async def void(self, key: str, authorization: str) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/void"
        response = await self._client.post(path, key, {}, expected=(201, 402, 404, 409))
        return Answer(refusal=UNKNOWN_PAYMENT) if is_unknown(response) else _answer(response, ALREADY_CAPTURED)

    async def refund(self, key: str, authorization: str, amount: Money) -> Answer:
        path = f"/payments/authorizations/{quote(authorization)}/refund"
        response = await self._client.post(path, key, _money(amount), expected=(201, 402, 404, 409))
        return (
            Answer(refusal=UNKNOWN_PAYMENT)
            if is_unknown(response)
            else _answer(response, EXCEEDS_CAPTURED, amount=amount)
        )

    async def find(self, sought: Sought) -> Answer | None:
        response = await self._client.get(f"/payments/operations/{quote(sought.key, safe='')}", expected=(200, 404))
        if is_unknown(response):
            return None
        if text_in(response, "status") == "declined":
            return Answer(refusal=_refusal(response))
        _expect(sought.amount, response)
        return Answer(reference=text_in(response, "id"), next_action=_next_action(response))


def _next_action(response: httpx2.Response) -> NextAction | None:
    """What the customer has to do, if the payment waits for that."""
    record = record_in(response)
    if record.get("status") != "requires_action":
        return None
    action = record.get("next_action")
    if not isinstance(action, dict) or not all(isinstance(action.get(name), str) for name in ("type", "url")):
        raise UnexpectedAnswer("an action without type and url", response.status_code)
    return NextAction(type=action["type"], url=action["url"])


def _money(amount: Money) -> dict[str, int | str]:
    return {"amount": amount.amount, "currency": amount.currency}


def _told_money(response: httpx2.Response) -> dict[str, Any] | None:
    """The amount and currency in an answer; None where it has neither."""
    record = record_in(response)
    told: dict[str, Any] = {name: record[name] for name in ("amount", "currency") if name in record}
    return told or None


def _answer(response: httpx2.Response, conflict: str | None = None, *, amount: Money | None = None) -> Answer:
    """
    Of all conflicts only the one that is named is an answer.

    Raises:
        UnexpectedAnswer: the provider did it with other money than it was asked to; our books would be wrong.
    """
    if response.status_code == 402:
        return Answer(refusal=_refusal(response))
    if response.status_code == 409:
        if text_in(response, "code") != conflict:
            raise UnexpectedAnswer("a conflict", response.status_code)
        return Answer(refusal=conflict)
    _expect(amount, response)
    return Answer(reference=text_in(response, "id"))


def _expect(amount: Money | None, response: httpx2.Response) -> None:
    if amount is not None and _told_money(response) not in (None, _money(amount)):
        raise UnexpectedAnswer("another amount than was asked for", response.status_code)


def _refusal(response: httpx2.Response) -> str:
    if text_in(response, "code") == "insufficient_funds":
        return FailureCode.INSUFFICIENT_FUNDS
    return FailureCode.PAYMENT_DECLINED
