"""
Stock, as callers send it and are told about it.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.common import Actor, Body, Text200, Text500, View
from fulfillment.db.inventory import MOST_ON_HAND, Article, Movement
from fulfillment.domain.inventory import MovementKind


def _not_nothing(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("nothing", "must not be 0")
    return value


Pieces = Annotated[int, Field(strict=True, ge=0, le=MOST_ON_HAND)]
Delta = Annotated[
    int,
    Field(strict=True, ge=-MOST_ON_HAND, le=MOST_ON_HAND, json_schema_extra={"not": {"const": 0}}),
    AfterValidator(_not_nothing),
]


class CountBody(Body):
    """What was counted."""

    on_hand: Pieces
    """Pieces in the warehouse; not fewer than open orders hold."""
    name: Text200 | None = None
    """Without it the old name stays; a new article is called by its SKU."""


class AdjustmentBody(Body):
    """So many pieces more or less, and why."""

    delta: Delta
    """Pieces more, or less; not 0."""
    reason: Text500
    """Why."""


class ArticleOut(View):
    """An article: 0 ≤ `reserved` ≤ `on_hand`, always."""

    sku: str
    name: str
    on_hand: Annotated[int, Field(ge=0)]
    """Pieces in the warehouse."""
    reserved: Annotated[int, Field(ge=0)]
    """Those held by open orders."""
    available: Annotated[int, Field(ge=0)]
    """Those left to sell."""
    version: Annotated[int, Field(ge=1)]
    """Counts the changes; in quotes it is the `ETag`."""

    @classmethod
    def of(cls, article: Article) -> Self:
        return cls(
            sku=article.sku,
            name=article.name,
            on_hand=article.on_hand,
            reserved=article.reserved,
            available=article.available,
            version=article.version,
        )


class MovementOut(View):
    """One change of an article's figures; all of them add up to `on_hand` and `reserved`."""

    id: Annotated[int, Field(ge=0)]
    sku: str
    kind: MovementKind
    on_hand_delta: int
    """Pieces more in the warehouse, or less."""
    reserved_delta: int
    """Pieces more held by orders, or less."""
    order_id: UUID | None
    """The order that moved them."""
    reason: str | None
    """What was given with an adjustment."""
    actor: Actor
    at: datetime

    @classmethod
    def of(cls, movement: Movement) -> Self:
        return cls(
            id=movement.id,
            sku=movement.sku,
            kind=movement.kind,
            on_hand_delta=movement.on_hand_delta,
            reserved_delta=movement.reserved_delta,
            order_id=movement.order_id,
            reason=movement.reason,
            actor=movement.actor,
            at=movement.at,
        )
