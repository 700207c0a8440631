"""
What Stripe has and localstripe lacks, all in one place; each function says what it adds.

Nothing here remembers anything: money and states are localstripe's alone.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

Form = dict[str, str]


@dataclass(frozen=True)
class Reply:
    """A status and a JSON body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, code: str | None = None, param: str | None = None, **more: Any) -> Reply:
    """An error as Stripe words it; many of its errors have neither code nor parameter."""
    said = {"type": "invalid_request_error", "message": "card 4242 says no", **more}
    said |= {name: value for name, value in (("code", code), ("param", param)) if value}
    return Reply(status, {"error": said}, {"Request-Id": "req_of_the_proxy"})


UNSUPPORTED_CURRENCY = "kpw"
USED_UP = "pm_usedUp"
_CANCELLABLE = {"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"}
_LEAST, _MOST = 50, 99_999_999


class Stripe:
    """Stripe's interface on top of localstripe's."""

    def __init__(self, upstream: httpx2.AsyncClient) -> None:
        self._upstream = upstream

    async def create(self, form: Form) -> Reply:
        """Adds: allowed types instead of types, bounds of amounts, currencies, codes of unusable payment methods."""
        if any(name.startswith("payment_method_types") for name in form):
            return error(400, "payment_method_types_no_longer_supported")
        amount = int(form["amount"])
        if not _LEAST <= amount <= _MOST:
            return error(400, "amount_too_small" if amount < _LEAST else "amount_too_large", "amount")
        if form["currency"] == UNSUPPORTED_CURRENCY:
            return error(400, param="currency")
        if form["payment_method"] == USED_UP:
            return error(400, message="The provided PaymentMethod was previously used. It may not be used again.")
        plain = {name: value for name, value in form.items() if not name.startswith("allowed_payment_method_types")}
        answer = await self._upstream.post("/v1/payment_intents", data=plain)
        if answer.status_code == 404:
            return error(400, "resource_missing", "payment_method")
        return await self._intent(answer)

    async def confirm(self, payment: str, form: Form) -> Reply:
        """Adds: `return_url`, the error of a wrong state, confirming again while the customer acts, card errors."""
        intent = await self.retrieve(payment)
        if intent.status != 200 or intent.body["status"] == "requires_action":
            return intent
        if intent.body["status"] != "requires_confirmation":
            return _unexpected_state(intent)
        assert form["return_url"], "without it Stripe expects a browser to go on"
        answer = await self._upstream.post(f"/v1/payment_intents/{payment}/confirm")
        if answer.status_code == 402:
            failed = await self.retrieve(payment)
            return error(402, **{**failed.body["last_payment_error"], "type": "card_error"})
        return await self._intent(answer)

    async def capture(self, payment: str, form: Form) -> Reply:
        """Adds: metadata, the error of a wrong state (localstripe captures what was cancelled)."""
        intent = await self.retrieve(payment)
        if intent.status != 200:
            return intent
        if intent.body["status"] != "requires_capture":
            return _unexpected_state(intent)
        amount = {"amount_to_capture": form["amount_to_capture"]}
        await self._upstream.post(f"/v1/payment_intents/{payment}/capture", data=amount)
        noted = {name: value for name, value in form.items() if name.startswith("metadata")}
        return await self.update(payment, noted)

    async def cancel(self, payment: str, _form: Form) -> Reply:
        """Adds: the error of a wrong state."""
        intent = await self.retrieve(payment)
        if intent.status == 200 and intent.body["status"] not in _CANCELLABLE:
            return _unexpected_state(intent)
        return await self._intent(await self._upstream.post(f"/v1/payment_intents/{payment}/cancel"))

    async def update(self, payment: str, form: Form) -> Reply:
        return await self._intent(await self._upstream.post(f"/v1/payment_intents/{payment}", data=form))

    async def retrieve(self, payment: str, _form: Form | None = None) -> Reply:
        return await self._intent(await self._upstream.get(f"/v1/payment_intents/{payment}"))

    async def refund(self, form: Form) -> Reply:
        """Adds: the refusals of what was not taken, and of more than is left of it."""
        intent = await self.retrieve(form["payment_intent"])
        if intent.status != 200:
            return error(404, "resource_missing", "payment_intent")
        if intent.body["status"] != "succeeded":
            return error(400)
        made = await self.refunds({"payment_intent": form["payment_intent"]})
        left = intent.body["amount_received"] - sum(one["amount"] for one in made.body["data"])
        if int(form["amount"]) > left:
            return error(400) if left else error(400, "charge_already_refunded")
        answer = await self._upstream.post("/v1/refunds", data=form)
        return Reply(answer.status_code, answer.json())

    async def refunds(self, form: Form) -> Reply:
        """Adds: the empty list of a payment without a charge. Takes away: what a capture of less has released."""
        intent = await self.retrieve(form["payment_intent"])
        if intent.status != 200 or intent.body["latest_charge"] is None:
            return Reply(200, {"object": "list", "data": [], "has_more": False})
        answer = await self._upstream.get("/v1/refunds", params={**form, "limit": "100"})
        body = answer.json()
        return Reply(200, {**body, "data": [one for one in body["data"] if one["payment_intent"]]})

    async def search(self, form: Form) -> Reply:
        """Adds: the search, by one field of the metadata. It does not lag behind, as Stripe's does."""
        wanted = re.fullmatch(r'metadata\["(\w+)"\]:"([^"]+)"', form["query"])
        assert wanted, form["query"]
        answer = await self._upstream.get("/v1/payment_intents", params={"limit": "100000"})
        hits = [one for one in answer.json()["data"] if one["metadata"].get(wanted[1]) == wanted[2]]
        # As old as an index may be: only the ids are of use.
        stale = [{"id": one["id"], "object": "payment_intent", "status": "requires_confirmation"} for one in hits]
        return Reply(200, {"object": "search_result", "data": stale, "has_more": False})

    async def _intent(self, answer: httpx2.Response) -> Reply:
        """Adds: sums, the address the customer goes to, decline codes; a charge is an id, as it is at Stripe."""
        if answer.status_code == 404:
            return error(404, "resource_missing", "intent")
        assert answer.status_code == 200, answer.text
        intent = answer.json()
        charge = intent["latest_charge"] or {}
        intent["latest_charge"] = charge.get("id")
        intent["amount_received"] = _taken(charge) if intent["status"] == "succeeded" else 0
        intent["amount_capturable"] = intent["amount"] if intent["status"] == "requires_capture" else 0
        if intent["next_action"]:
            address = {"url": f"https://bank.example/{intent['id']}", "return_url": "https://shop.example"}
            intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": address}
        if intent["last_payment_error"]:
            intent["last_payment_error"] |= await self._decline_code(intent["payment_method"])
        return Reply(200, intent)

    async def _decline_code(self, payment_method: str | None) -> dict[str, str]:
        if payment_method is None:
            return {}
        answer = await self._upstream.get(f"/v1/payment_methods/{payment_method}")
        return {"decline_code": answer.json()["metadata"].get("decline_code", "generic_decline")}


def _taken(charge: dict[str, Any]) -> int:
    released = sum(one["amount"] for one in charge["refunds"]["data"] if not one["payment_intent"])
    return int(charge["amount"] - released)


def _unexpected_state(intent: Reply) -> Reply:
    return error(400, "payment_intent_unexpected_state", payment_intent=intent.body)


Work = Callable[[Form], Awaitable[Reply]]
_ONE = r"/v1/payment_intents/(\w+)"
_ROUTES = [
    ("create", "POST", r"/v1/payment_intents"),
    ("search", "GET", r"/v1/payment_intents/search"),
    ("confirm", "POST", rf"{_ONE}/confirm"),
    ("capture", "POST", rf"{_ONE}/capture"),
    ("cancel", "POST", rf"{_ONE}/cancel"),
    ("update", "POST", _ONE),
    ("retrieve", "GET", _ONE),
    ("refund", "POST", r"/v1/refunds"),
    ("refunds", "GET", r"/v1/refunds"),
]


def route(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The name of what is asked for, and the ids in its path."""
    for name, its_method, pattern in _ROUTES:
        if method == its_method and (found := re.fullmatch(pattern, path)):
            return name, found.groups()
    raise AssertionError(f"nobody asked for {method} {path} when this was written")
