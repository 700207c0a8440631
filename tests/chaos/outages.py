"""
Servers that are gone in the middle of everything: our own, the engine's, the database's.
"""

import asyncio
import signal
from random import Random
from uuid import uuid4

from tests.chaos.scenario import Size
from tests.chaos.stand import API, FORGOTTEN_AFTER, POSTGRES, TEMPORAL, Stand

_AT_ONCE = 20
_BOOKED = {"awaiting_shipment", "shipped", "delivered"}


async def api_killed_before_the_answer(stand: Stand, size: Size, _: Random) -> None:
    """
    The API dies while requests are under way; whoever repeats them gets the receipt of the one order there is.
    """
    tea = await stand.shop.stock(size.orders)
    keys = [uuid4().hex for _ in range(size.orders)]
    before = stand.shop.cut_off
    first = []
    for start in range(0, size.orders, _AT_ONCE):
        placing = [asyncio.create_task(stand.shop.place(tea, key=key)) for key in keys[start : start + _AT_ONCE]]
        await asyncio.wait(placing, return_when=asyncio.FIRST_COMPLETED)
        await stand.break_down(API)
        first += await asyncio.gather(*placing)
    assert stand.shop.cut_off > before, "no request was under way when the API died"
    stand.say(f"{stand.shop.cut_off - before} requests were cut off")

    second = await asyncio.gather(*(stand.shop.place(tea, key=key) for key in keys))

    assert [receipt.content for receipt in second] == [receipt.content for receipt in first]
    assert all(receipt.replayed for receipt in second)
    ids = [receipt.order_id for receipt in first]
    assert len(set(ids)) == size.orders
    await stand.shop.until({"delivered"}, ids, seconds=60)
    # A second order under one of the keys would have taken a piece too.
    article = await stand.shop.article(tea)
    assert (article["on_hand"], article["reserved"]) == (0, 0)


async def temporal_killed(stand: Stand, size: Size, chance: Random) -> None:
    """
    The engine dies and is started again on its file.
    """
    await _outage(stand, TEMPORAL, signal.SIGKILL, size, chance)


async def postgres_stopped_immediately(stand: Stand, size: Size, chance: Random) -> None:
    """
    The database is stopped in its mode `immediate`, which is a crash, and recovers.
    """
    await _outage(stand, POSTGRES, signal.SIGQUIT, size, chance)


async def _outage(stand: Stand, process: str, how: signal.Signals, size: Size, chance: Random) -> None:
    """Some orders are paid, some under way, some placed while it is down: all arrive."""
    half = size.orders // 2
    tea = await stand.shop.stock(2 * half)
    ids = await stand.shop.place_many(half, tea)
    await stand.shop.until(_BOOKED, ids, seconds=60, enough=1)
    placing = asyncio.create_task(stand.shop.place_many(half, tea))
    for _ in range(size.crashes):
        # Long enough for the first of them to be written down, too short for all.
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        await stand.break_down(process, how)
    ids += await placing
    await stand.shop.until({"delivered"}, ids, seconds=4 * FORGOTTEN_AFTER)
    article = await stand.shop.article(tea)
    assert (article["on_hand"], article["reserved"]) == (0, 0)
