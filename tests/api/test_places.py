"""
Turns at something of which only so many may be busy at once.
"""

import asyncio
from datetime import timedelta

from fulfillment.api.identity.places import Places

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=20)


async def waiting(places: Places, count: int) -> list[asyncio.Task[bool]]:
    """So many who wait for a place."""
    tasks = [asyncio.create_task(places.take()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_first_is_first_and_each_place_has_one_at_a_time() -> None:
    places = Places(2, LONG)
    taken = [await places.take(), await places.take()]
    first, second = await waiting(places, 2)
    places.give_back()

    assert taken == [True, True]
    assert await first
    assert not second.done()
    assert places.are_taken
    places.give_back()
    assert await second


async def test_who_waits_too_long_gets_none_and_keeps_none_from_others() -> None:
    places = Places(1, SHORT)
    await places.take()
    refused = await places.take()
    places.give_back()

    assert not refused
    assert await places.take()


async def test_all_who_wait_can_be_sent_away_and_places_stay_what_they_are() -> None:
    places = Places(1, LONG)
    await places.take()
    sent_away = await waiting(places, 3)
    places.send_away()

    assert await asyncio.gather(*sent_away) == [False, False, False]
    assert places.are_taken
    places.give_back()
    assert await places.take()


async def test_a_turn_of_somebody_who_is_gone_is_the_next_ones() -> None:
    places = Places(1, LONG)
    await places.take()
    gone, gone_at_its_turn, patient = await waiting(places, 3)
    gone.cancel()
    await asyncio.sleep(0)
    places.give_back()
    gone_at_its_turn.cancel()

    assert await asyncio.wait_for(patient, 5)
    assert gone_at_its_turn.cancelled()
