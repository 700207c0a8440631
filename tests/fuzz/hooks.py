"""
What schemathesis is told beside its configuration: signatures, rules no schema can state, and a record of all answers.

It loads this file by itself, in its own process.
"""

import atexit
import json
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import schemathesis
from jsonschema_rs import is_valid
from requests import PreparedRequest
from requests.auth import AuthBase
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData
from standardwebhooks import Webhook

from tests.fuzz.rules import is_beyond_schema
from tests.fuzz.stock import DELEGATION, LISTS, ORDER

# Each operation gets orders of its own: the first would leave nothing to change to the others.
_GROUPS = 8
_GROUPS_OF_APPROVALS = 4
_FRESH = "fresh"

_answers: Counter[tuple[str, int]] = Counter()
_slowest: dict[str, float] = {}


class Signature(AuthBase):
    """Signs what is really sent, as the carrier does."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        event_id, at = f"evt_{uuid4()}", datetime.now(UTC)
        signed = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(event_id, at, text),
        }
        request.headers.update(signed)
        return request


_signature = Signature(os.environ["FUZZ_CARRIER_SECRET"])
_known: dict[str, list[str]] = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text())
_SIGNED = ("/carriers/{carrier}/events", "/payment-providers/{provider}/events")
_numbers = count()
_references: set[str] = set()


# Examples that lead somewhere in this database, in place of the document's own.
_EXAMPLES: dict[tuple[str, str], Sequence[str]] = {
    ("path", "sku"): _known["skus"],
    ("path", "carrier"): _known["carriers"],
    ("path", "delegation_id"): _known["delegations"],
    # The sandbox is both, and signs with one secret.
    ("path", "provider"): _known["carriers"],
    # Others would end every request of the coverage phase before it begins.
    ("header", "If-Match"): ["*"],
    ("header", "If-None-Match"): ['"0"'],
    ("header", "Idempotency-Key"): [_FRESH],
    # Hundreds of requests that wait for their order would be most of the run.
    ("header", "Prefer"): ["wait=0"],
}
_BODIES = {"placeOrder": ORDER, "putDelegation": DELEGATION}


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    for number, (path, item) in enumerate(raw_schema["paths"].items()):
        cursors = [cursor for known, cursor in zip(LISTS, _known["cursors"], strict=True) if known == path]
        here = {
            **_EXAMPLES,
            ("query", "cursor"): cursors,
            ("path", "order_id"): _known["orders"][number % _GROUPS :: _GROUPS],
            ("path", "approval_id"): _known["approvals"][number % _GROUPS_OF_APPROVALS :: _GROUPS_OF_APPROVALS],
        }
        for operation in item.values():
            if (body := _BODIES.get(operation.get("operationId"))) is not None:
                operation["requestBody"]["content"]["application/json"]["examples"] = {"known": {"value": body}}
            for parameter in operation.get("parameters", []):
                values = here.get((parameter["in"], parameter["name"]))
                if values is not None:
                    _exemplify(parameter, values)


def _exemplify(parameter: dict[str, Any], values: Sequence[str]) -> None:
    for owner in (parameter, parameter["schema"]):
        owner.pop("example", None)
        owner.pop("examples", None)
    if values:
        parameter["examples"] = {f"known-{n}": {"value": value} for n, value in enumerate(values)}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    _drop_wrong_headers(case)
    case.body = _digits(case.body)
    if (
        case.operation.path == "/v1/orders"
        and isinstance(case.body, dict)
        and not _is_wrong(case, ParameterLocation.BODY)
    ):
        _make_unique(case.body)
    if case.headers.get("Idempotency-Key") == _FRESH:
        # The same key with another body is refused before anything else is looked at.
        case.headers["Idempotency-Key"] = f"{_FRESH}-{next(_numbers)}"
    if case.operation.path.endswith(_SIGNED) and not _is_wrong(case, ParameterLocation.HEADER):
        kwargs["auth"] = _signature


def _is_wrong(case: Case[Any], location: ParameterLocation) -> bool:
    """Whether this part of the request is wrong on purpose."""
    return case.meta is not None and case.meta.is_negative_at(location)


def _drop_wrong_headers(case: Case[Any]) -> None:
    """The coverage phase of 4.32 takes "0" for a header with a pattern (If-Match) and calls the request valid."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for declared in case.operation.definition.raw.get("parameters", []):
        name = declared["name"]
        is_sent = declared["in"] == "header" and name in case.headers
        if is_sent and not is_valid(declared["schema"], case.headers[name]):
            del case.headers[name]


def _make_unique(order: dict[str, Any]) -> None:
    """A reference is taken by its first order; hardly another request would get past that."""
    reference = order.get("reference")
    if reference in _references:
        order["reference"] = f"{_FRESH}-{next(_numbers)}"
    elif reference is not None:
        _references.add(reference)


def _digits(value: Any) -> Any:
    """3.0 is an integer to JSON Schema; money and pieces are written in digits alone, so nothing would be accepted."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _digits(item) for name, item in value.items()}
        case list():
            return [_digits(item) for item in value]
    return value


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    label = case.operation.label
    _answers[label, response.status_code] += 1
    _slowest[label] = max(_slowest.get(label, 0.0), response.elapsed)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    return not (isinstance(failure, RejectedPositiveData) and is_beyond_schema(response.status_code, response.content))


def _write() -> None:
    rows = [
        {"operation": operation, "status": status, "count": times, "slowest": _slowest[operation]}
        for (operation, status), times in sorted(_answers.items())
    ]
    Path(os.environ["FUZZ_ANSWERS"]).write_text(json.dumps(rows))


atexit.register(_write)
