"""
Reading bodies: so many bytes, in so much time, and JSON without the freedoms Python's reader takes.
"""

import asyncio
import codecs
import json
import math
from collections import Counter
from datetime import timedelta
from email.message import Message
from typing import Any, Never

from starlette.requests import Request
from starlette.types import Receive, Scope

from fulfillment.api.problems import Problem, printable

BODY_LIMIT = 32 * 1024
"""Bytes; contract. A route may take more."""
DEEPEST = 20
"""Lists and objects within each other; ours need five."""


class BoundedRequest(Request):
    """A request whose body is read within bounds (`limit` in bytes), and whose JSON is read strictly."""

    _bytes: bytes
    _value: Any

    def __init__(self, scope: Scope, receive: Receive, limit: int = BODY_LIMIT) -> None:
        super().__init__(scope, receive)
        self._limit = limit

    async def body(self) -> bytes:
        """
        The body.

        Raises:
            Problem: it is too large (408 when it is too slow).
            ClientDisconnect: the caller has hung up.
        """
        if not hasattr(self, "_bytes"):
            self._bytes = await self._read()
        return self._bytes

    async def json(self) -> Any:  # noqa: ANN401 - whatever JSON says
        """
        What the body says.

        Raises:
            Problem: see `body`; it is not declared as JSON, or is not JSON.
        """
        if not hasattr(self, "_value"):
            self._value = await self._parsed()
        return self._value

    async def _read(self) -> bytes:
        if int(self.headers.get("content-length", 0)) > self._limit:
            raise self._too_large()
        patience: timedelta = self.app.state.resources.settings.limits.body_timeout
        body = bytearray()
        try:
            async with asyncio.timeout(patience.total_seconds()):
                async for chunk in self.stream():
                    body += chunk
                    if len(body) > self._limit:
                        raise self._too_large()
        except TimeoutError:
            detail = f"the body was not complete within {patience.total_seconds():g} s"
            raise Problem("request_timeout", detail, headers={"Connection": "close"}) from None
        return bytes(body)

    def _too_large(self) -> Problem:
        return Problem("body_too_large", f"a body may have at most {self._limit // 1024} KiB here")

    async def _parsed(self) -> Any:  # noqa: ANN401 - see json
        body = await self.body()
        if not body:
            raise malformed("it is empty; send a JSON object")
        self._check_type()
        value = strict_json(body)
        if value is None:
            raise malformed("it is null; send a JSON object")
        return value

    def _check_type(self) -> None:
        declared = Message()
        declared["Content-Type"] = self.headers.get("content-type", "")
        kind, charset = declared.get_content_type(), declared.get_content_charset("utf-8")
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Problem("unsupported_media_type", "send the body with Content-Type: application/json")
        if charset not in ("utf-8", "us-ascii"):
            raise Problem("unsupported_media_type", "JSON is always UTF-8: leave the charset out")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem("unsupported_media_type", "send the body without Content-Encoding")


def strict_json(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON says
    """
    What a body says: RFC 8259, with every name once, every text valid Unicode and every number one that can be held.

    Raises:
        Problem: it is something else; the detail says what.
    """
    if body.startswith(codecs.BOM_UTF8):
        raise malformed("it starts with a byte order mark; leave that out")
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise malformed(f"byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise malformed(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        raise malformed("a number has too many digits") from None
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def malformed(what: str) -> Problem:
    """The body cannot be read, and why."""
    return Problem("malformed_body", f"the body cannot be read: {what}")


def _too_deep() -> Problem:
    return malformed(f"its lists and objects are nested deeper than {DEEPEST}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two values counts: a proxy that checks one and a service that takes the other is how
    # checks are passed by.
    fields = dict(pairs)
    if len(fields) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise malformed(f"the field {printable(twice)} is there twice")
    return fields


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise malformed("a number is too large")
    return value


def _no_constant(_: str) -> Never:
    raise malformed("NaN and Infinity are not JSON")


def _check(document: object) -> None:
    """Depth and texts. No recursion: the caller chooses how deep it nests."""
    unseen = [(document, 1)]
    while unseen:
        value, depth = unseen.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth > DEEPEST:
                raise _too_deep()
            inside = [*value, *value.values()] if isinstance(value, dict) else value
            unseen.extend((part, depth + 1) for part in inside)


def _check_text(value: str) -> None:
    # Half of a pair, written as \ud800: no encoding has it, so neither the database nor an answer could.
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise malformed("a text has a lone surrogate, which is not Unicode")
