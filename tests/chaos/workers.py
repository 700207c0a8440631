"""
Workers that die again and again while orders run, and while customers change their minds.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from tests.chaos.scenario import Size
from tests.chaos.stand import FORGOTTEN_AFTER, ORDERS_WORKER, PROVIDERS_WORKER, Stand

_PATIENCE = 8 * FORGOTTEN_AFTER
# From placing to pick-up and a little beyond.
_SECOND_THOUGHTS = (0.0, 6.0)
_ORDERS_PER_PROVIDERS = 4


async def orders_worker_killed_again_and_again(stand: Stand, size: Size, chance: Random) -> None:
    """
    The worker that runs the workflows lives for a second or two at a time.
    """
    tea = await stand.shop.stock(size.orders)
    async with dying(stand, ORDERS_WORKER, size.crashes, chance):
        ids = await stand.shop.place_many(size.orders, tea)
        await stand.shop.until({"delivered"}, ids, seconds=_PATIENCE)
    payments = Counter(await stand.sandbox.payments(ids))
    assert payments == Counter((order_id, done) for order_id in ids for done in ("authorize", "capture"))


async def cancelled_while_workers_die(stand: Stand, size: Size, chance: Random) -> None:
    """
    Half of the customers cancel at a random moment: each order arrives or is undone, whichever the answer promised.
    """
    tea = await stand.shop.stock(size.orders)
    async with (
        dying(stand, ORDERS_WORKER, size.crashes, chance),
        # Seldom: what dies with it is noticed after half a minute.
        dying(stand, PROVIDERS_WORKER, size.crashes // _ORDERS_PER_PROVIDERS, chance),
    ):
        ids = await stand.shop.place_many(size.orders, tea)
        fickle = ids[::2]
        answers = await asyncio.gather(*(_cancel(stand, order_id, chance) for order_id in fickle))
        orders = await stand.shop.until({"delivered", "cancelled"}, ids, seconds=_PATIENCE)
    statuses = {order_id: order["status"] for order_id, order in orders.items()}
    assert {statuses[order_id] for order_id in ids[1::2]} == {"delivered"}
    for order_id, answer in zip(fickle, answers, strict=True):
        await _check_promise(stand, order_id, answer, statuses[order_id])
    await _check_goods(stand, tea, statuses)


async def _cancel(stand: Stand, order_id: str, chance: Random) -> int:
    await asyncio.sleep(chance.uniform(*_SECOND_THOUGHTS))
    return await stand.shop.cancel(order_id)


async def _check_promise(stand: Stand, order_id: str, answer: int, status: str) -> None:
    """A cancellation that was accepted is carried out unless the carrier was faster; a refused one changes nothing."""
    if answer == 409:
        assert status == "delivered", f"{order_id} was {status} although cancelling it was refused"
    elif status == "delivered":
        assert "cancellation_refused" in await stand.shop.events(order_id), f"{order_id}: nobody says why it arrived"


async def _check_goods(stand: Stand, sku: str, statuses: dict[str, str]) -> None:
    """No parcel of a cancelled order leaves, and every piece that did not leave is there."""
    delivered = sum(status == "delivered" for status in statuses.values())
    stand.say(f"{delivered} delivered, {len(statuses) - delivered} cancelled")
    article = await stand.shop.article(sku)
    assert (article["on_hand"], article["reserved"]) == (len(statuses) - delivered, 0)
    for order_id, parcel in await stand.sandbox.parcels(statuses):
        assert parcel == statuses[order_id], f"{order_id} is {statuses[order_id]}, its parcel {parcel}"


@asynccontextmanager
async def dying(stand: Stand, process: str, times: int, chance: Random) -> AsyncIterator[None]:
    """A process that dies up to so many times while the block runs, each time a second or two after it was ready."""
    over = asyncio.Event()

    async def die() -> None:
        for _ in range(times):
            await asyncio.sleep(chance.uniform(1, 2))
            if over.is_set():
                return
            await stand.break_down(process)

    deaths = asyncio.create_task(die())
    try:
        yield
        over.set()
        await deaths
    finally:
        deaths.cancel()
        await asyncio.wait({deaths})
