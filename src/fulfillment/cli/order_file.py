"""
Files of orders: JSON Lines, each the body of an order, with some freedom for where they come from.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID, uuid5

from fulfillment.local.demo.metadata import as_metadata

_FILE_KEYS = UUID("2f7c3a52-7a0e-5c9b-8a44-3f0d8f1f5e77")
_BODY = frozenset(
    {"customer_id", "email", "reference", "requested_by", "lines", "shipping_address", "payment", "metadata"}
)
_OURS = frozenset({"scenario", "total_check"})


class BadLine(ValueError):
    """A line that is no order; the file is refused as a whole."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}; nothing was placed")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrder:
    """
    One line: the `body` to send under a `key` that is the same whenever the same order is sent.

    `extra` names the keys of the line that are not part of an order and went to its metadata.
    """

    number: int
    key: str
    body: dict[str, Any]
    extra: frozenset[str]


def parse(lines: Iterable[str]) -> Sequence[FileOrder]:
    """
    The orders of a file; empty lines are left out.

    Raises:
        BadLine: names the line and what is wrong with it.
    """
    return [_parse(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse(number: int, text: str) -> FileOrder:
    try:
        line = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise BadLine(number, "is not JSON") from error
    if not isinstance(line, dict):
        raise BadLine(number, "is not a JSON object")
    if not isinstance(line.get("scenario") or {}, dict):
        raise BadLine(number, "its scenario is not a JSON object")
    _check_total(number, line)
    extra = frozenset(line) - _BODY - _OURS
    return FileOrder(number=number, key=_key(line), body=_body(line, extra), extra=extra)


def _not_json(_: str) -> NoReturn:
    raise ValueError


def _body(line: dict[str, Any], extra: frozenset[str]) -> dict[str, Any]:
    body = {name: value for name, value in line.items() if name in _BODY}
    given = body.get("metadata") or {}
    if extra and isinstance(given, dict):
        body["metadata"] = {**as_metadata({name: line[name] for name in sorted(extra)}), **given}
    token = (line.get("scenario") or {}).get("token")
    if token and "payment" not in body:
        body["payment"] = {"method": "card", "token": token}
    return body


def _key(line: dict[str, Any]) -> str:
    """A customer's reference names the order; without one its content does."""
    reference = line.get("reference")
    name = [line.get("customer_id"), reference] if reference else line
    return str(uuid5(_FILE_KEYS, json.dumps(name, sort_keys=True)))


def _check_total(number: int, line: dict[str, Any]) -> None:
    if "total_check" not in line:
        return
    try:
        found = sum(item["quantity"] * item["unit_price"]["amount"] for item in line["lines"])
    except (KeyError, TypeError):
        return  # the service says better what is wrong with its lines
    if found != line["total_check"]:
        raise BadLine(number, f"its lines add up to {found}, total_check says {line['total_check']}")
