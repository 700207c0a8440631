"""
Stock, as callers send it and are told about it.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.common import Body, Text200, Text500, View
from fulfillment.db.inventory import MOST_ON_HAND, Article, Movement
from fulfillment.domain.inventory import MovementKind


def _not_nothing(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("nothing", "must not be 0")
    return value


Pieces = Annotated[int, Field(strict=True, ge=0, le=MOST_ON_HAND)]
Delta = Annotated[
    int,
    Field(strict=True, ge=-MOST_ON_HAND, le=MOST_ON_HAND, description="Pieces more, or less; not 0."),
    AfterValidator(_not_nothing),
]


class CountBody(Body):
    """So many pieces are in the warehouse. Without a name the old one stays; a new article is called by its SKU."""

    on_hand: Pieces
    name: Text200 | None = None


class AdjustmentBody(Body):
    """So many pieces more or less, and why."""

    delta: Delta
    reason: Text500


class ArticleOut(View):
    """An article: pieces in the warehouse, those held by open orders, and those left to sell."""

    sku: str
    name: str
    on_hand: int
    reserved: int
    available: int
    version: int

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

    id: int
    sku: str
    kind: MovementKind
    on_hand_delta: int
    reserved_delta: int
    order_id: UUID | None
    reason: str | None
    actor: str
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
