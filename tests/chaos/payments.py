"""
Answers of the payment provider that nobody hears: the worker is dead, or has stopped listening.
"""

import asyncio
from collections import Counter
from random import Random

from tests.chaos.scenario import Size
from tests.chaos.stand import FORGOTTEN_AFTER, PROVIDER_TIMEOUT, PROVIDERS_WORKER, Stand
from tests.fixtures.waiting import until

_STEPS = ("authorize", "book", "capture")
_DOWN = {"down": True}
_LOST = {"lose_answer_rate": 1}
_IN_FLIGHT = {"latency_ms": [1500, 1500]}
# From just after we stop listening to well after the first look-up.
_LATE = {"latency_ms": [int((PROVIDER_TIMEOUT + late) * 1000) for late in (0.2, 1.5)]}


async def worker_killed_after_payment(stand: Stand, size: Size, _: Random) -> None:
    """
    The worker dies with captures and authorisations that were done but not yet heard of, and dies again with captures
    that are still on their way.
    """
    each = max(1, size.orders // 3)
    tea = await stand.shop.stock(3 * each)
    async with stand.sandbox.troubled(capture=_LOST):
        captured = await stand.shop.place_many(each, tea)
        await _done(stand, "capture", captured)
        async with stand.sandbox.troubled(authorize=_LOST, capture=_LOST):
            authorized = await stand.shop.place_many(each, tea)
            await _done(stand, "authorize", authorized)
            await _break_down_in_doubt(stand, [*captured, *authorized])
    async with stand.sandbox.troubled(capture=_IN_FLIGHT):
        in_flight = await stand.shop.place_many(each, tea)
        await until(lambda: _all_intended(stand, "capture", in_flight))
        await asyncio.sleep(0.2)
        await _break_down_in_doubt(stand, in_flight)
    await _all_delivered_and_paid_once(stand, [*captured, *authorized, *in_flight])


async def provider_answers_too_late(stand: Stand, size: Size, _: Random) -> None:
    """
    Both providers do what they are asked, and say so when we have stopped listening. Asked again they refuse: only a
    look-up tells.
    """
    tea = await stand.shop.stock(size.orders)
    async with stand.sandbox.troubled(**dict.fromkeys(_STEPS, _LATE)):
        ids = await stand.shop.place_many(size.orders, tea)
        for number, step in enumerate(_STEPS, 1):
            await _done(stand, step, ids)
            await stand.sandbox.trouble(
                **dict.fromkeys(_STEPS[:number], _DOWN), **dict.fromkeys(_STEPS[number:], _LATE)
            )
        await _all_delivered_and_paid_once(stand, ids)
    in_time = await stand.fetch("SELECT key FROM operations WHERE order_id = ANY($1::uuid[]) AND attempts < 2", ids)
    assert not in_time, f"answers came in time: {in_time}"


async def _break_down_in_doubt(stand: Stand, ids: list[str]) -> None:
    doubtful = await stand.fetch(
        "SELECT 1 FROM operations WHERE state = 'intended' AND order_id = ANY($1::uuid[])", ids
    )
    assert doubtful, "nothing was under way when the worker died"
    stand.say(f"{len(doubtful)} calls are under way")
    await stand.break_down(PROVIDERS_WORKER)


async def _all_delivered_and_paid_once(stand: Stand, ids: list[str]) -> None:
    await stand.shop.until({"delivered"}, ids, seconds=4 * FORGOTTEN_AFTER)
    payments = Counter(await stand.sandbox.payments(ids))
    assert payments == Counter((order_id, done) for order_id in ids for done in ("authorize", "capture"))
    assert sorted(await stand.sandbox.parcels(ids)) == sorted((order_id, "delivered") for order_id in ids)


async def _done(stand: Stand, operation: str, ids: list[str]) -> None:
    """Until the providers have done this for all of them."""

    async def all_of_them() -> bool:
        done = [(order_id, "book") for order_id, _ in await stand.sandbox.parcels(ids)]
        done += await stand.sandbox.payments(ids)
        return {order_id for order_id, what in done if what == operation} == set(ids)

    await until(all_of_them, 4 * FORGOTTEN_AFTER)


async def _all_intended(stand: Stand, kind: str, ids: list[str]) -> bool:
    return await stand.intended(kind, ids) == len(ids)
