"""
The stock as those who run the warehouse see and change it; what orders do to it is in `holds`.

Every change is one transaction with one movement, so that movements always add up to the figures.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_nothing

from fulfillment.db.engine import Reading, Writing
from fulfillment.db.tables import stock, stock_movements
from fulfillment.domain.errors import BelowReserved, IdempotencyKeyReused, PreconditionFailed, SkuNotFound
from fulfillment.domain.ids import Sku
from fulfillment.domain.inventory import MovementKind

MOST_ON_HAND = 1_000_000_000


class OnHandTooLarge(ValueError):
    """More pieces than `MOST_ON_HAND`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article's figures; `version` counts their changes, holds of orders included."""

    sku: Sku
    name: str
    on_hand: int
    reserved: int
    version: int

    @property
    def available(self) -> int:
        """Pieces that orders may still hold."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of an article's figures, and who made it; `order_id` is set when an order did."""

    id: int
    sku: Sku
    order_id: UUID | None
    kind: MovementKind
    on_hand_delta: int
    reserved_delta: int
    reason: str | None
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """
    "There are `on_hand` pieces": makes the article when it is new, corrects it otherwise.

    Without a `name` the old one stays; a new article is then called by its SKU.
    """

    sku: Sku
    on_hand: int
    name: str | None
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """So many pieces more or less; `key` names the intention, which is carried out once."""

    sku: Sku
    delta: int
    reason: str
    key: str
    actor: str


async def article(connection: Reading, sku: Sku) -> Article:
    """
    One article.

    Raises:
        SkuNotFound: there is none of this name.
    """
    row = (await connection.execute(_articles().where(stock.c.sku == sku))).first()
    if row is None:
        raise SkuNotFound(sku)
    return _article(row)


async def articles(connection: Reading, *, after: str | None, limit: int) -> Sequence[Article]:
    """Articles in the order of their SKU, those behind `after`."""
    page = _articles().order_by(stock.c.sku).limit(limit)
    rows = await connection.execute(page if after is None else page.where(stock.c.sku > after))
    return [_article(row) for row in rows]


async def movements(connection: Reading, sku: Sku, *, before: int | None, limit: int) -> Sequence[Movement]:
    """Movements of an article, the newest first, those older than the id `before`."""
    page = _movements().where(stock_movements.c.sku == sku).order_by(stock_movements.c.id.desc()).limit(limit)
    rows = await connection.execute(page if before is None else page.where(stock_movements.c.id < before))
    return [_movement(row) for row in rows]


async def create(connection: Writing, count: Count) -> Article | None:
    """Make a new article with its first movement; None when it exists already."""
    made = await connection.execute(
        insert_or_nothing(stock)
        .values(sku=count.sku, name=count.name or count.sku, on_hand=count.on_hand)
        .on_conflict_do_nothing()
        .returning(*_articles().selected_columns)
    )
    row = made.first()
    if row is None:
        return None
    await _record(connection, count.sku, f"put:{row.version}", delta=count.on_hand, reason=None, actor=count.actor)
    return _article(row)


async def correct(connection: Writing, count: Count, *, expected: Collection[int] | None) -> Article:
    """
    Set the figures of an article to what was counted.

    Raises:
        SkuNotFound: there is none of this name.
        PreconditionFailed: its version is none of the `expected` ones (None: any will do).
        BelowReserved: orders hold more pieces than were counted.
    """
    before = await _locked(connection, count.sku)
    _check_version(before, expected)
    after = await _set(connection, before, on_hand=count.on_hand, name=count.name or before.name)
    delta = count.on_hand - before.on_hand
    if delta:
        await _record(connection, count.sku, f"put:{after.version}", delta=delta, reason=None, actor=count.actor)
    return after


async def adjust(
    connection: Writing, adjustment: Adjustment, *, expected: Collection[int] | None
) -> tuple[Movement, bool]:
    """
    Change an article's pieces; the movement, and whether it had been made before.

    Raises:
        SkuNotFound: there is none of this name.
        IdempotencyKeyReused: the key has made another movement.
        PreconditionFailed: its version is none of the `expected` ones (None: any will do).
        BelowReserved: orders hold more pieces than would be left.
        OnHandTooLarge: more than can be counted.
    """
    before = await _locked(connection, adjustment.sku)
    earlier = await _movement_of(connection, adjustment)
    if earlier is not None:
        return earlier, True
    _check_version(before, expected)
    await _set(connection, before, on_hand=before.on_hand + adjustment.delta, name=before.name)
    key = _adjustment_key(adjustment)
    movement = await _record(
        connection, adjustment.sku, key, delta=adjustment.delta, reason=adjustment.reason, actor=adjustment.actor
    )
    return movement, False


async def _locked(connection: Writing, sku: Sku) -> Article:
    row = (await connection.execute(_articles().where(stock.c.sku == sku).with_for_update())).first()
    if row is None:
        raise SkuNotFound(sku)
    return _article(row)


def _check_version(found: Article, expected: Collection[int] | None) -> None:
    if expected is not None and found.version not in expected:
        raise PreconditionFailed(found.version)


async def _set(connection: Writing, before: Article, *, on_hand: int, name: str) -> Article:
    if on_hand < before.reserved:
        raise BelowReserved(before.sku, before.reserved)
    if on_hand > MOST_ON_HAND:
        raise OnHandTooLarge
    changed = await connection.execute(
        update(stock)
        .where(stock.c.sku == before.sku)
        .values(on_hand=on_hand, name=name, version=stock.c.version + 1, updated_at=func.now())
        .returning(*_articles().selected_columns)
    )
    return _article(changed.one())


async def _movement_of(connection: Writing, adjustment: Adjustment) -> Movement | None:
    key = _adjustment_key(adjustment)
    statement = _movements().where(stock_movements.c.sku == adjustment.sku, stock_movements.c.key == key)
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    if (row.on_hand_delta, row.reason) != (adjustment.delta, adjustment.reason):
        raise IdempotencyKeyReused
    return _movement(row)


def _adjustment_key(adjustment: Adjustment) -> str:
    return f"adjustment:{adjustment.key}"


async def _record(connection: Writing, sku: Sku, key: str, *, delta: int, reason: str | None, actor: str) -> Movement:
    made = await connection.execute(
        insert(stock_movements)
        .values(
            sku=sku,
            key=key,
            kind=MovementKind.ADJUSTED,
            on_hand_delta=delta,
            reserved_delta=0,
            reason=reason,
            actor=actor,
        )
        .returning(*_movements().selected_columns)
    )
    return _movement(made.one())


def _articles() -> Select[Any]:
    return select(stock.c.sku, stock.c.name, stock.c.on_hand, stock.c.reserved, stock.c.version)


def _movements() -> Select[Any]:
    return select(*(column for column in stock_movements.c if column.name != "key"))


def _article(row: Row[Any]) -> Article:
    return Article(**row._mapping)


def _movement(row: Row[Any]) -> Movement:
    return Movement(**{**row._mapping, "kind": MovementKind(row.kind)})
