"""
What the routes ask for.
"""

from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel

from fulfillment.sandbox.peer import Peer

Item = TypeVar("Item")


async def _peer(request: Request) -> Peer:
    # A coroutine on purpose: a plain function would cost every request a hop to a thread.
    peer: Peer = request.app.state.peer
    return peer


AnyPeer = Annotated[Peer, Depends(_peer)]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
OrderId = Annotated[str | None, Query(min_length=1, max_length=255)]
Cursor = Annotated[int, Query(ge=0, le=2**62)]
Limit = Annotated[int, Query(ge=1, le=200)]


class Page(BaseModel, Generic[Item]):
    """
    A part of a list; `next_cursor` is missing at its end.
    """

    items: list[Item]
    next_cursor: str | None


def page(rows: list[tuple[int, Item]], limit: int) -> Page[Item]:
    """
    Cut a page from one row more than it holds.
    """
    shown = rows[:limit]
    return Page(items=[item for _, item in shown], next_cursor=str(shown[-1][0]) if len(rows) > limit else None)
