"""
Requests and answers of every operation, as an order of kettles goes through its life. Made up, all of it.
"""

from collections.abc import Mapping
from typing import Any

Example = Mapping[str, Any]
Named = Mapping[str, Any]
"""Values by what they show."""

_ORDER_ID = "6f1c1d5e-2b52-5c39-9a55-0c6f8a3d7b10"
_ORDER_PATH = f"/v1/orders/{_ORDER_ID}"
_ACCEPTED = "2026-11-22T10:15:30.125000Z"
_UPDATED = "2026-11-22T10:15:31.402000Z"


def _euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


_LINES = [
    {"sku": "KETTLE-1", "name": "Kettle", "quantity": 2, "unit_price": _euros(4950)},
    {"sku": "FILTER-3", "name": "Filter", "quantity": 1, "unit_price": _euros(890)},
]
_TOTAL = _euros(10790)
_ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 Analytical Street",
    "city": "Münster",
    "postal_code": "48143",
    "country": "DE",
}
_CARD = {"method": "card", "token": "tok_visa"}
_UNPAID = {
    "customer_id": "C-1007",
    "email": "ada@example.com",
    "reference": "WEB-20417",
    "lines": _LINES,
    "shipping_address": _ADDRESS,
}
_TEST_ORDER = {
    "customer_id": "probe",
    "lines": [{"sku": "TEST-ORDER", "name": "Probe", "quantity": 1, "unit_price": _euros(100)}],
    "shipping_address": _ADDRESS,
}

_RECEIPT = {
    "id": _ORDER_ID,
    "status": "received",
    "reference": "WEB-20417",
    "total": _TOTAL,
    "accepted_at": _ACCEPTED,
    "links": {"self": _ORDER_PATH, "events": f"{_ORDER_PATH}/events"},
}


def _payment(status: str, *, authorized: int = 0, captured: int = 0) -> dict[str, Any]:
    return {
        "status": status,
        "authorized": _euros(authorized),
        "captured": _euros(captured),
        "refunded": _euros(0),
        "next_action": None,
    }


_PAID: dict[str, Any] = {
    "id": _ORDER_ID,
    "status": "awaiting_shipment",
    "reference": "WEB-20417",
    "customer_id": "C-1007",
    "email": "ada@example.com",
    "requested_by": None,
    "lines": _LINES,
    "total": _TOTAL,
    "shipping_address": {**_ADDRESS, "line2": None, "region": None},
    "metadata": {"channel": "web"},
    "payment": _payment("captured", authorized=10790, captured=10790),
    "shipments": [{"carrier": "sandbox", "tracking_number": "SBX-4T7KQ2", "status": "booked"}],
    "approval": None,
    "failure": None,
    "attention": None,
    "actions": [],
    "version": 7,
    "accepted_at": _ACCEPTED,
    "updated_at": _UPDATED,
}
_PLACED = {
    **_PAID,
    "status": "awaiting_payment",
    "payment": _payment("none"),
    "shipments": [],
    "version": 2,
}
_PAGE_OF_THE_BANK = {"type": "redirect_to_url", "url": "https://bank.example.com/agree/8Zq1"}
_WAITS_FOR_CUSTOMER = {**_PLACED, "payment": {**_payment("none"), "next_action": _PAGE_OF_THE_BANK}, "version": 4}
_CANCELLED = {**_PLACED, "status": "cancelled", "version": 3}
_CANCELLED["failure"] = {"code": "cancelled", "message": "The order was cancelled."}
_QUESTION = {
    "reason": "undo_failed",
    "owner": "operations",
    "since": "2026-11-22T10:20:00Z",
    "due_at": "2026-11-23T10:20:00Z",
    "resume_status": "cancelling",
    "operation": f"{_ORDER_ID}:void:1",
}
_BUTTONS = [{"name": name, "href": f"{_ORDER_PATH}/actions/{name}"} for name in ("retry", "skip", "resolved_by_hand")]

_ARTICLE = {"sku": "KETTLE-1", "name": "Kettle", "on_hand": 120, "reserved": 2, "available": 118, "version": 4}
_ADJUSTED = {
    "id": 311,
    "sku": "KETTLE-1",
    "kind": "adjusted",
    "on_hand_delta": 20,
    "reserved_delta": 0,
    "order_id": None,
    "reason": "delivery 4711",
    "actor": "key:warehouse",
    "at": "2026-11-22T09:00:00Z",
}
_HELD = {
    **_ADJUSTED,
    "id": 312,
    "kind": "held",
    "on_hand_delta": 0,
    "reserved_delta": 2,
    "order_id": _ORDER_ID,
    "reason": None,
    "actor": "key:shop",
    "at": _UPDATED,
}
_EVENTS = [
    {"sequence": 1, "kind": "order_received", "actor": "key:shop", "at": _ACCEPTED, "data": {}},
    {"sequence": 2, "kind": "stock_held", "actor": "system", "at": _ACCEPTED, "data": {}},
]
_OPERATION = {
    "key": f"{_ORDER_ID}:authorize:1",
    "kind": "authorize",
    "amount": _TOTAL,
    "state": "done",
    "provider": "sandbox",
    "provider_reference": "auth_8Zq1",
    "refusal": None,
    "attempts": 1,
    "actor": "key:shop",
    "created_at": _ACCEPTED,
    "updated_at": _UPDATED,
}
_APPROVAL_ID = "0b7d2f7e-9a56-5f0c-8f0e-5f2f3f0a1c11"
_LEVEL = {
    "level": "manager",
    "role": "manager",
    "roles": ["manager"],
    "status": "approved",
    "quorum": 1,
    "votes": 1,
    "missing": 0,
    "reasons": ["amount"],
    "opened_at": _UPDATED,
    "escalated_to": None,
}
_LEVELS = [_LEVEL, {**_LEVEL, "level": "director", "role": "director", "roles": ["director"], "status": "open"}]
_LEVELS[1] |= {"votes": 0, "missing": 1}
_APPROVAL: dict[str, Any] = {
    "id": _APPROVAL_ID,
    "order_id": _ORDER_ID,
    "n": 1,
    "status": "pending",
    "total": _euros(1250000),
    "customer_id": "C-1007",
    "requested_by": "grace",
    "policy": "2026-11+86edf54a",
    "mode": "sequential",
    "levels": _LEVELS,
    "waiting_for": ["director"],
    "requested_at": _UPDATED,
    "due_at": "2026-11-29T10:15:31.402000Z",
    "expires_at": "2026-12-06T10:15:31.402000Z",
    "closed_at": None,
    "version": 2,
    "links": {
        "self": f"/v1/approvals/{_APPROVAL_ID}",
        "order": _ORDER_PATH,
        "decisions": f"/v1/approvals/{_APPROVAL_ID}/decisions",
    },
}
_SPOKEN = {"level": "manager", "decision": "approve", "approval": _APPROVAL_ID, "n": 1, "status": "pending"}
_WHOLE_APPROVAL = {
    **_APPROVAL,
    "risk": {"score": 10, "points": {"first_order": 10}},
    "votes": [
        {
            "level": "manager",
            "decision": "approve",
            "actor": "key:mia",
            "on_behalf_of": None,
            "comment": "within the budget",
            "state": "counted",
            "at": "2026-11-22T11:00:00Z",
        }
    ],
    "events": [
        {
            "sequence": 4,
            "kind": "approval_decided",
            "actor": "key:mia",
            "at": "2026-11-22T11:00:00Z",
            "data": _SPOKEN,
        }
    ],
}
_ASKED = {
    "id": _APPROVAL_ID,
    "status": "pending",
    "waiting_for": ["director"],
    "since": _UPDATED,
    "due_at": "2026-11-29T10:15:31.402000Z",
}
_RULE = {
    "role": "manager",
    "quorum": 1,
    "from": {"EUR": 100000},
    "reminders": ["P3D", "P6D"],
    "escalate_after": "P7D",
    "expire_after": "P3D",
    "escalates_to": "director",
}
_POLICY = {
    "version": "2026-11+86edf54a",
    "mode": "sequential",
    "deadline": "P14D",
    "base_currency": "EUR",
    "rates": {"USD": "0.92"},
    "levels": [_RULE, {**_RULE, "role": "director", "from": {"EUR": 1000000}, "escalates_to": None}],
    "risk": {
        "first_order": 10,
        "unusual_address": 0,
        "orders_within_hour": None,
        "units_of_one_sku": None,
        "countries": {},
        "forced": [],
        "refuse_from": None,
    },
}
_EXPLANATION = {
    "policy": "2026-11+86edf54a",
    "total": _euros(1250000),
    "compared": _euros(1250000),
    "outcome": "approval",
    "mode": "sequential",
    "levels": [
        {"role": "manager", "quorum": 1, "reasons": ["amount"]},
        {"role": "director", "quorum": 1, "reasons": ["amount"]},
    ],
    "risk": {"score": 10, "points": {"first_order": 10}, "not_judged": []},
}
_DELEGATED = {"delegate": "key:ada", "from": "2026-12-21T00:00:00Z", "until": "2027-01-04T00:00:00Z"}
_DELEGATION = {
    "id": "0b6e4b52-6a3e-4c0e-9f3b-1d2c3b4a5f60",
    "delegator": "key:grace",
    "roles": ["manager"],
    **_DELEGATED,
    "revoked_at": None,
}
_PARCEL = {"tracking_number": "SBX-4T7KQ2", "reference": _ORDER_ID, "occurred_at": "2026-11-23T08:30:00Z"}
_DISPUTED = {"payment": "auth_8Zq1", "reference": _ORDER_ID, "occurred_at": "2026-12-20T14:05:00Z"}


def _page(*items: Example, next_cursor: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": next_cursor}


REQUESTS: Mapping[str, Named] = {
    "placeOrder": {
        "paid by card": {**_UNPAID, "payment": _CARD, "metadata": {"channel": "web"}},
        "paid later": _UNPAID,
        "test order": _TEST_ORDER,
    },
    "cancelOrder": {"changed mind": {"reason": "the customer changed their mind"}},
    "payOrder": {"card": _CARD},
    "putOrderLines": {"one line": {"lines": _LINES[:1]}},
    "putOrderAddress": {"other street": {**_ADDRESS, "line1": "3 Engine Lane"}},
    "actOnOrder": {
        "retry": {"reason": "the provider is back"},
        "it happened": {"reason": "seen at the provider", "provider_reference": "auth_8Zq1"},
    },
    "decideApproval": {
        "yes": {"decision": "approve", "comment": "within the budget"},
        "no": {"decision": "reject", "comment": "ask for another offer first"},
        "for somebody else": {"decision": "approve", "level": "director", "on_behalf_of": "key:dora"},
    },
    "reassignApproval": {
        "vp instead": {"level": "director", "role": "vp", "reason": "both directors are away"},
    },
    "recoverOrder": {
        "go on": {"reason": "its workflow was terminated by mistake"},
        "undo": {"reason": "the customer gave up", "undo": True},
    },
    "putDelegation": {"all roles": _DELEGATED, "one role": {**_DELEGATED, "roles": ["manager"]}},
    "putArticle": {"counted": {"on_hand": 120, "name": "Kettle"}},
    "adjustArticle": {
        "goods came": {"delta": 20, "reason": "delivery 4711"},
        "broken": {"delta": -1, "reason": "broken"},
    },
    "receiveCarrierEvent": {
        "picked up": {"type": "parcel.picked_up", "timestamp": "2026-11-23T08:31:00Z", "data": _PARCEL}
    },
    "receivePaymentEvent": {
        "disputed": {"type": "payment.disputed", "timestamp": "2026-12-20T14:05:10Z", "data": _DISPUTED}
    },
}
"""What may be sent, by operation."""

ANSWERS: Mapping[tuple[str, str], Named] = {
    ("placeOrder", "202"): {"accepted": _RECEIPT},
    ("placeOrder", "200"): {"paid": _PAID, "waits for a payment": _PLACED},
    ("getOrder", "200"): {
        "paid": _PAID,
        "the customer must act": _WAITS_FOR_CUSTOMER,
        "waits for people": {**_PLACED, "status": "awaiting_approval", "approval": _ASKED},
        "needs attention": {**_PAID, "status": "needs_attention", "attention": _QUESTION, "actions": _BUTTONS},
    },
    ("listOrders", "200"): {"last page": _page(_PAID)},
    ("listOrderEvents", "200"): {"first page": _page(*_EVENTS, next_cursor="Mg")},
    ("listOrderOperations", "200"): {"authorised": _page(_OPERATION)},
    ("cancelOrder", "202"): {"being undone": {**_PAID, "status": "cancelling", "version": 8}},
    ("cancelOrder", "200"): {"cancelled": _CANCELLED},
    ("payOrder", "202"): {"being paid": {**_PLACED, "status": "processing", "version": 3}},
    ("putOrderLines", "200"): {
        "one line": {**_PLACED, "lines": _LINES[:1], "total": _euros(9900), "version": 3},
    },
    ("putOrderAddress", "200"): {
        "other street": {
            **_PLACED,
            "shipping_address": {**_PAID["shipping_address"], "line1": "3 Engine Lane"},
            "version": 3,
        },
    },
    ("actOnOrder", "202"): {"goes on": {**_PAID, "status": "cancelling", "version": 9}},
    ("recoverOrder", "202"): {"goes on": {**_PAID, "status": "processing", "version": 5}},
    ("recoverOrder", "200"): {"has ended": _CANCELLED},
    ("listAttention", "200"): {"one question": _page({"order_id": _ORDER_ID, **_QUESTION, "actions": _BUTTONS})},
    ("getApprovalPolicy", "200"): {"two levels": _POLICY},
    ("explainApprovalPolicy", "200"): {"two people are asked": _EXPLANATION},
    ("listApprovals", "200"): {"one waits": _page(_APPROVAL)},
    ("getApproval", "200"): {"director is missing": _WHOLE_APPROVAL},
    ("decideApproval", "200"): {
        "more is needed": {"status": "pending", "missing": [{"level": "director", "votes": 1}]},
        "the last yes": {"status": "approved", "missing": []},
    },
    ("withdrawDecision", "200"): {"as before": {"status": "pending", "missing": [{"level": "director", "votes": 1}]}},
    ("reassignApproval", "200"): {"vp": {"status": "pending", "missing": [{"level": "director", "votes": 1}]}},
    ("putDelegation", "200"): {"valid for two weeks": _DELEGATION},
    ("listDelegations", "200"): {"given": _page(_DELEGATION)},
    ("revokeDelegation", "200"): {"revoked": {**_DELEGATION, "revoked_at": "2026-12-23T08:15:00Z"}},
    ("listArticles", "200"): {"first page": _page(_ARTICLE, next_cursor="IktFVFRMRS0xIg")},
    ("getArticle", "200"): {"kettle": _ARTICLE},
    ("putArticle", "200"): {"corrected": {**_ARTICLE, "version": 5}},
    ("putArticle", "201"): {"new": {**_ARTICLE, "reserved": 0, "available": 120, "version": 1}},
    ("adjustArticle", "201"): {"goods came": _ADJUSTED},
    ("listMovements", "200"): {"newest first": _page(_HELD, _ADJUSTED)},
    ("explainProblem", "200"): {"page": "<!doctype html>…"},
}
"""What may be answered, by operation and status."""


def shown(values: Named) -> dict[str, Any]:
    """The `examples` of a body."""
    return {name.replace(" ", "_"): {"summary": name.capitalize(), "value": value} for name, value in values.items()}
