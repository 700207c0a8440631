"""
Answers that lists have in common.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from fulfillment.api.cursors import CursorCodec
from fulfillment.api.schemas.common import Page

Row = TypeVar("Row")
Item = TypeVar("Item", bound=BaseModel)
Position = TypeVar("Position")


def page(
    rows: Sequence[Row],
    limit: int,
    item: Callable[[Row], Item],
    codec: CursorCodec[Position],
    position: Callable[[Row], Position],
) -> Page[Item]:
    """A page of at most `limit` items; `rows` has one more when another page follows."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[item(row) for row in shown], next_cursor=codec.encode(position(shown[-1])) if more else None)


def answer(body: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, serialised once and always the same way."""
    return Response(body.model_dump_json(by_alias=True), status, headers, media_type="application/json")
