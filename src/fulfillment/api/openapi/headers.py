"""
The headers of answers, and which answers have them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fulfillment.api.openapi.prose import SECURITY_SCHEME

_TEXT = {"type": "string"}

HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-Id": {
        "description": "The id of the request: yours, if you sent one of 1 to 128 visible ASCII characters.",
        "required": True,
        "schema": {**_TEXT, "pattern": "^[!-~]{1,128}$"},
        "example": "0d4b9a52-7f0e-4a57-9d1c-2b8f6f4f6c11",
    },
    "ETag": {
        "description": "The version, in quotes: for `If-None-Match` and `If-Match`.",
        "required": True,
        "schema": {**_TEXT, "pattern": '^"[0-9]+"$'},
        "example": '"7"',
    },
    "Location": {
        "description": "The path of what was made.",
        "required": True,
        "schema": {**_TEXT, "format": "uri-reference"},
        "example": "/v1/orders/6f1c1d5e-2b52-5c39-9a55-0c6f8a3d7b10",
    },
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request with this key had done it; nothing was done again.",
        "schema": {**_TEXT, "const": "true"},
        "example": "true",
    },
    "Preference-Applied": {
        "description": "The preference that was understood, with the time that counted.",
        "schema": {**_TEXT, "pattern": "^wait=[0-9]+$"},
        "example": "wait=10",
    },
    "RateLimit": {
        "description": "Requests that are left (`r`) and seconds until all are (`t`). Absent where no limit is set.",
        "schema": _TEXT,
        "example": '"default";r=2999;t=60',
    },
    "RateLimit-Policy": {
        "description": "Requests that are allowed (`q`) in so many seconds (`w`). Absent where no limit is set.",
        "schema": _TEXT,
        "example": '"default";q=3000;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request is sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {**_TEXT, "pattern": "^Bearer"},
        "example": "Bearer",
    },
}
"""All of them, as components of the document."""

_LIMITS = ("RateLimit", "RateLimit-Policy")
_OF_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_VERSIONED = ("OrderOut", "ArticleOut", "ApprovalRequestOut")
_BY_PARAMETER = {"Idempotency-Key": "Idempotency-Replayed", "Prefer": "Preference-Applied"}


def references(names: Iterable[str]) -> dict[str, Any]:
    """The `headers` of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


LOCATION = references(["Location"])
"""For the answers of routes that make something."""


def of_refusal(status: int) -> dict[str, Any]:
    """The headers of a refusal; shared by all routes, so the limits of those that have no caller are there as well."""
    limits = () if status == 401 else _LIMITS
    return references(("X-Request-Id", *_OF_STATUS.get(status, ()), *limits))


def of_success(operation: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The headers of another answer: they follow from what the operation takes and answers with."""
    content = operation["responses"][status].get("content", {})
    schema = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    takes = [parameter["name"] for parameter in operation.get("parameters", [])]
    tag = ("ETag",) if status == "304" or schema in _VERSIONED else ()
    by_parameter = (header for name, header in _BY_PARAMETER.items() if name in takes)
    limits = _LIMITS if any(SECURITY_SCHEME in way for way in operation["security"]) else ()
    return references(("X-Request-Id", *tag, *by_parameter, *limits))
