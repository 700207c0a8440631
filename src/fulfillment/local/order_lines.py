"""
Files of orders (JSON Lines): one line at a time, so that a file may be of any size.

A line is the body of an order, and optionally a `scenario` (for the demo), a `total_check`, and what
`fulfillment orders place --refused` wrote beside it. Whatever else is there goes to the metadata of the order.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn
from uuid import UUID, uuid5

from fulfillment.local.metadata import as_metadata

BODY = frozenset(
    {"customer_id", "email", "reference", "requested_by", "lines", "shipping_address", "payment", "metadata"}
)
"""What the API knows of an order."""
LONGEST = 256 * 1024
"""Bytes of a line; the service takes 32 KiB of it."""

_OURS = frozenset({"scenario", "total_check", "refused"})
_KEYS = UUID("2f7c3a52-7a0e-5c9b-8a44-3f0d8f1f5e77")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LARGEST = 10**18

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a line; `field` is empty when it is the line as a whole."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class BadLine(Exception):
    """A line that is no order."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it stands in the file, which was read up to byte `end`; one that is too long is cut off."""

    number: int
    content: bytes = field(repr=False)
    end: int

    @property
    def text(self) -> str:
        """What can be read of it."""
        return self.content[:LONGEST].decode(errors="backslashreplace").rstrip("\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """
    An order: the `body` to be sent under a `key` that is the same whenever the same order is sent.

    `original` is the line without what was written beside it when it was refused; `extra` names what of it is no part
    of an order and went to its metadata.
    """

    original: Json = field(repr=False)
    body: Json = field(repr=False)
    key: str
    extra: frozenset[str]


def lines(file: BinaryIO) -> Iterator[Line]:
    """The lines that are not empty."""
    number, end = 0, 0
    while content := file.readline(LONGEST + 1):
        number, end = number + 1, end + len(content)
        rest = content
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
            end += len(rest)
        # Not only on the first: files are joined.
        content = content.removeprefix(_BYTE_ORDER_MARK)
        if content.strip():
            yield Line(number=number, content=content, end=end)


def order_line(line: Line) -> OrderLine:
    """
    The order on a line.

    Raises:
        BadLine: naming what is wrong and where.
    """
    original = as_written(line)
    scenario = original.get("scenario")
    if scenario is not None and not isinstance(scenario, dict):
        raise BadLine(Mistake("scenario", "must be a JSON object"))
    _check_total(original)
    extra = frozenset(original) - BODY - _OURS
    return OrderLine(original=original, body=_body(original, extra), key=_key(original), extra=extra)


def as_written(line: Line) -> Json:
    """
    What a line says, without the reason that was written beside it when it was refused.

    Raises:
        BadLine: see `json_object`.
    """
    original = json_object(line)
    refused = original.pop("refused", None)
    return _again(refused) if not original and isinstance(refused, dict) else original


def unread_text(line: Line) -> str:
    """A line that is no JSON object, as it stood in the first file it was refused from."""
    try:
        refused = json_object(line).get("refused")
    except BadLine:
        return line.text
    text = refused.get("text") if isinstance(refused, dict) else None
    return text if isinstance(text, str) else line.text


def json_object(line: Line) -> Json:
    """
    What a line says.

    Raises:
        BadLine: it is not a JSON object, or would not arrive as it stands there.
    """
    if len(line.content) > LONGEST:
        raise BadLine(Mistake("", f"is longer than {LONGEST // 1024} KiB"))
    try:
        return _parsed(line.content.decode())
    except UnicodeDecodeError as error:
        raise BadLine(Mistake("", f"is not text in UTF-8 (byte {error.start + 1})")) from None


def _parsed(text: str) -> Json:
    try:
        value = json.loads(text.rstrip(), object_pairs_hook=_object, parse_float=_float, parse_constant=_not_json)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise BadLine(Mistake("", f"is not JSON (column {error.colno})")) from None
    except UnicodeEncodeError:
        raise BadLine(Mistake("", "is not JSON (half of a character, like \\ud800)")) from None
    except (ValueError, RecursionError):
        raise BadLine(Mistake("", "is not JSON")) from None
    if not isinstance(value, dict):
        raise BadLine(Mistake("", "is not a JSON object"))
    return value


def _object(pairs: list[tuple[str, Any]]) -> Json:
    # Only the last would be sent, and nobody would know of the others.
    value: Json = {}
    for name, part in pairs:
        if name in value:
            raise BadLine(Mistake(name, "is there twice"))
        value[name] = part
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _not_json(_: str) -> NoReturn:
    raise ValueError


def _again(refused: Json) -> Json:
    """The line that was no JSON when it was refused, as it has been mended since."""
    text = refused.get("text")
    if not isinstance(text, str):
        raise BadLine(Mistake("refused", "stands alone; write the order beside it"))
    return _parsed(text)


def _body(original: Json, extra: frozenset[str]) -> Json:
    body = {name: value for name, value in original.items() if name in BODY}
    given = body.get("metadata") or {}
    if extra and isinstance(given, dict):
        body["metadata"] = {**as_metadata({name: original[name] for name in sorted(extra)}), **given}
    token = (original.get("scenario") or {}).get("token")
    if token is not None and body.get("payment") is None:
        body["payment"] = {"method": "card", "token": token}
    return body


def _key(original: Json) -> str:
    """A customer's reference names the order; without one its content does."""
    reference = original.get("reference")
    name = [original.get("customer_id"), reference] if reference else original
    return str(uuid5(_KEYS, json.dumps(name, sort_keys=True)))


def _check_total(original: Json) -> None:
    expected = original.get("total_check")
    if expected is None:
        return
    found = _total(original)
    if found is not None and (expected is True or expected != found):
        raise BadLine(Mistake("total_check", f"is {expected}, but the lines add up to {found}"))


def _total(original: Json) -> int | None:
    """In minor units; None where the service says better what is wrong."""
    try:
        factors = [(item["quantity"], item["unit_price"]["amount"]) for item in original["lines"]]
    except (KeyError, TypeError):
        return None
    # Anything but a number could be multiplied too, into a text that fills the memory.
    if any(type(factor) is not int or abs(factor) > _LARGEST for pair in factors for factor in pair):
        return None
    total: int = sum(quantity * amount for quantity, amount in factors)
    return total
