"""
Cursors of lists: where a page ended, opaque to callers.
"""

import base64
import binascii
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from fulfillment.api.problems import Problem

Position = TypeVar("Position")
Item = TypeVar("Item")

_LONGEST = 512


class CursorCodec(Generic[Position]):
    """Cursors that stand for a position of one type: the sort keys of the last item of a page."""

    def __init__(self, position: Any) -> None:  # noqa: ANN401 - any form of type that pydantic can validate
        self._adapter: TypeAdapter[Position] = TypeAdapter(position)

    def encode(self, position: Position) -> str:
        """The cursor of a position."""
        return base64.urlsafe_b64encode(self._adapter.dump_json(position)).decode().rstrip("=")

    def decode(self, cursor: str | None) -> Position | None:
        """
        The position of a cursor; None for none.

        Raises:
            Problem: it is none of our cursors.
        """
        if cursor is None:
            return None
        try:
            text = cursor[:_LONGEST].encode("ascii")
            return self._adapter.validate_json(base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True))
        except (UnicodeEncodeError, binascii.Error, ValidationError) as error:
            raise Problem.field("cursor", "must be the next_cursor of an earlier answer") from error
