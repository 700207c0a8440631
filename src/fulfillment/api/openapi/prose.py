"""
What the document says in words: the conventions of the whole API, its parts, and how callers prove who they are.
"""

from collections.abc import Mapping
from typing import Any

DESCRIPTION = """
Holds stock, takes the money, books the parcel and follows it to the door.

**Callers.** Send `Authorization: Bearer <API key or JWT>`. Each operation names the scopes it needs; alternatives are
listed one by one. Credentials may be bound to one customer: the orders of others do not exist for them (404).

**Repeating.** A request that makes something has an `Idempotency-Key`: a new one for every new intention, the same one
to repeat a request. The same key, caller and body never act twice; another body is refused. Refusals are not kept.

**Problems.** Every answer that is neither 2xx nor 304 is `application/problem+json` (RFC 9457). Branch on `code`; each
operation lists its codes. Methods that are not listed here answer 405 `method_not_allowed` with `Allow`, addresses that
are not listed 404 `not_found`. 429 and 503 say in `Retry-After` when to repeat the same request.

**Versions.** `ETag` is the version of an order or article. Send it as `If-None-Match` to read only what has changed
(304), as `If-Match` to change only what you have seen (412).

**Lists.** `limit` and `cursor`; go on with `next_cursor` until it is null. Rows that are added do not disturb it.

**Values.** JSON in UTF-8, of at most 32 KiB where nothing else is said. Money is whole minor units (129999 EUR is
1299.99 euros), times are RFC 3339 and answered in UTC. Texts are trimmed, blank ones refused. Unknown fields and
parameters are refused (422).

**Compatibility.** Within `/v1` operations, fields and codes are only added, and so are values of answers: ignore fields
you do not know, and treat an unknown code by its status.
""".strip()

_TAGS: Mapping[str, str] = {
    "orders": "Place orders, follow them and change them.",
    "operators": "What needs a person: questions about orders, and the answers to them.",
    "approvals": "Who is asked before an order goes on, and what they say.",
    "inventory": "Articles, their stock, and how it came about.",
    "carriers": "Where carriers tell what happened to parcels.",
    "payment providers": "Where payment providers tell what happened to payments.",
    "problems": "Pages about problem codes, for people; served where documentation is.",
}

SECURITY_SCHEME = "bearer"
SIGNATURE_SCHEME = "webhookSignature"

SECURITY_SCHEMES: Mapping[str, Mapping[str, Any]] = {
    SECURITY_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`ful_...`) or a JWT. The scopes an operation needs stand with it.",
    },
    SIGNATURE_SCHEME: {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": (
            "Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256 of `webhook-id.webhook-timestamp.body` under "
            "the secret that sender and service share; several, separated by spaces, while a secret is replaced."
        ),
    },
}


def tags() -> list[dict[str, Any]]:
    """The parts of the API."""
    return [{"name": name, "description": description} for name, description in _TAGS.items()]
