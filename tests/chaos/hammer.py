"""
Everybody wants the same things at the same moment.
"""

import asyncio
from collections.abc import Sequence
from random import Random

from tests.chaos.scenario import Size
from tests.chaos.stand import POSTGRES, Stand

_HELD = {"awaiting_payment"}
_PATIENCE = 120
_ARTICLES = 20
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def twice_as_many_orders_as_pieces(stand: Stand, size: Size, _: Random) -> None:
    """
    All at once order one piece of an article of which there are half as many: as many get one, the others are told.
    """
    pieces = size.orders // 2
    tea = await stand.shop.stock(pieces)
    ids = await stand.shop.place_many(2 * pieces, tea, paid=False)
    orders = (await stand.shop.until({*_HELD, "rejected"}, ids, seconds=_PATIENCE)).values()

    assert sum(order["status"] in _HELD for order in orders) == pieces
    assert {order["failure"]["code"] for order in orders if order["status"] == "rejected"} == {"stock_short"}
    article = await stand.shop.article(tea)
    assert (article["on_hand"], article["reserved"], article["available"]) == (pieces, pieces, 0)

    held = [order["id"] for order in orders if order["status"] in _HELD]
    await asyncio.gather(*(stand.shop.cancel(order_id) for order_id in held))
    await stand.shop.until({"cancelled"}, held, seconds=_PATIENCE)
    article = await stand.shop.article(tea)
    assert (article["on_hand"], article["reserved"], article["available"]) == (pieces, 0, pieces)


async def same_articles_in_opposite_order(stand: Stand, size: Size, _: Random) -> None:
    """
    Orders that name the same articles the other way round, held and let go of at the same moment.
    """
    third = size.orders // 3
    # Many of them: locking takes its time, and two that lock in different orders are sure to meet.
    skus = await asyncio.gather(*(stand.shop.stock(size.orders) for _ in range(_ARTICLES)))
    first = await _crossing(stand, third, skus)
    await stand.shop.until(_HELD, first, seconds=_PATIENCE)
    cancelling = asyncio.gather(*(stand.shop.cancel(order_id) for order_id in first))
    second = await _crossing(stand, size.orders - third, skus)
    await cancelling
    await stand.shop.until({"cancelled"}, first, seconds=_PATIENCE)
    await stand.shop.until(_HELD, second, seconds=_PATIENCE)

    for sku in skus:
        assert (await stand.shop.article(sku))["reserved"] == len(second)
    ((deadlocks,),) = await stand.fetch(_DEADLOCKS)
    assert deadlocks == 0
    # The counter lags behind by seconds, the log does not.
    assert "deadlock detected" not in stand.log(POSTGRES)


async def _crossing(stand: Stand, count: int, skus: Sequence[str]) -> list[str]:
    forth, back = count - count // 2, count // 2
    placed = await asyncio.gather(
        *(stand.shop.place(*skus, paid=False) for _ in range(forth)),
        *(stand.shop.place(*reversed(skus), paid=False) for _ in range(back)),
    )
    return [receipt.order_id for receipt in placed]
