"""
API keys in a crowd: neither made-up keys nor busy routes make the database look as if it were away.
"""

import asyncio
import time
from collections.abc import Awaitable, Collection
from contextlib import AsyncExitStack
from typing import TypeVar

import httpx2
from sqlalchemy import text

from fulfillment.api.identity.keys import PATIENCE, SEEN_GOOD_AT_ONCE, KeyRegister
from fulfillment.api.problems import Problem
from fulfillment.api.resources import ApiResources
from fulfillment.api_key import ApiKey
from fulfillment.db.engine import Database
from tests.api.key_stand import Stand, is_used
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.logs import LogLines
from tests.fixtures.waiting import until

SLOW = 0.05
"""Seconds from here to the database, and as long back: few look-ups fit into our patience."""

Result = TypeVar("Result")


async def timed(work: Awaitable[Result]) -> tuple[Result, float]:
    """What comes out, and after how many seconds."""
    started = time.monotonic()
    return await work, time.monotonic() - started


async def answer(stand: Stand, key: ApiKey) -> str:
    """How a key fares; of one that is to come back, when."""
    try:
        return (await stand.register.check(key.text)).outcome
    except Problem as problem:
        return f"{problem.code} for {problem.headers['Retry-After']} s"


def crowd(stand: Stand, *keys: ApiKey) -> list[asyncio.Task[tuple[str, float]]]:
    return [asyncio.create_task(timed(answer(stand, key))) for key in keys]


def told(log_lines: LogLines) -> list[str]:
    return [line["event"] for line in log_lines() if line["event"].startswith("api_key")]


async def all_used(database: Database, keys: Collection[ApiKey]) -> bool:
    return all([await is_used(database, key) for key in keys])


async def waiting_for_locks(database: Database) -> int:
    """How many others the database keeps waiting."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.statement() as connection:
        count: int = (await connection.execute(text(query))).scalar_one()
    return count


async def test_a_crowd_of_made_up_keys_waits_for_itself_and_keeps_no_revoked_key_alive(
    stand: Stand, log_lines: LogLines
) -> None:
    known, leaked = await a_caller(stand.near, "known"), await a_caller(stand.near, "leaked")
    before = [await answer(stand, key) for key in (known, leaked)]
    stand.proxy.delay = SLOW
    strangers = crowd(stand, *(ApiKey.new() for _ in range(400)))
    await asyncio.sleep(0.1)
    await stand.revoke(leaked)
    amid = [await answer(stand, key) for key in (known, leaked, known)]
    waiting = [stranger for stranger in strangers if not stranger.done()]
    outcomes, took = zip(*await asyncio.gather(*strangers), strict=True)
    stand.proxy.delay = 0
    after = [await answer(stand, key) for key in (known, leaked, await a_caller(stand.near, "new"))]

    assert before == ["good", "good"]
    assert amid == ["good", "bad", "good"]
    assert waiting
    assert set(outcomes) == {"bad", "unavailable for 2 s"}
    assert max(took) < 3 * PATIENCE.total_seconds()
    assert after == ["good", "bad", "good"]
    assert told(log_lines) == []


async def test_a_crowd_of_known_callers_is_no_outage_either(stand: Stand, log_lines: LogLines) -> None:
    key = await a_caller(stand.near, "shop")
    await answer(stand, key)
    stand.proxy.delay = SLOW
    outcomes = {outcome for outcome, _ in await asyncio.gather(*crowd(stand, *[key] * 300))}

    assert outcomes == {"good", "unavailable for 2 s"}
    assert told(log_lines) == []


async def test_who_waits_for_a_turn_while_the_database_goes_away_is_answered_with_the_first(stand: Stand) -> None:
    stand.register = KeyRegister(stand.far)
    key = await a_caller(stand.near, "shop")
    await answer(stand, key)
    # All connections are open: to close one that nobody answers takes longer than to give up opening one.
    await asyncio.gather(*crowd(stand, *[key] * 20))
    stand.proxy.swallows = True
    first = crowd(stand, *[key] * SEEN_GOOD_AT_ONCE)
    await asyncio.sleep(PATIENCE.total_seconds() * 3 / 4)
    late = await asyncio.gather(*crowd(stand, *[key] * 20))

    assert {outcome for outcome, _ in (*late, *await asyncio.gather(*first))} == {"remembered"}
    assert max(seconds for _, seconds in late) < PATIENCE.total_seconds() * 0.9


async def test_routes_that_have_all_connections_keep_nobody_from_being_known(
    api: httpx2.AsyncClient, resources: ApiResources, database: Database, log_lines: LogLines
) -> None:
    key = await a_caller(database, "nobody")
    async with AsyncExitStack() as stack:
        for _ in range(resources.settings.database.pool_size):
            await stack.enter_async_context(database.statement())
        refused = await calling(api, key).get("/v1/orders")

    # Known, and not allowed: nothing else of the database is needed to say so.
    assert refused.status_code == 403
    assert told(log_lines) == []


async def test_a_note_of_the_last_use_that_has_to_wait_keeps_nobody_waiting(stand: Stand, log_lines: LogLines) -> None:
    keys = [await a_caller(stand.near, name) for name in ("shop", "other")]
    async with stand.near.transaction() as operator:
        await operator.execute(text("LOCK TABLE api_keys IN SHARE MODE"))
        first = await asyncio.gather(*crowd(stand, *keys * 5))
        await until(lambda: waiting_for_locks(stand.near), seconds=5)
        second = await asyncio.gather(*crowd(stand, *keys * 5))
        waiting = await waiting_for_locks(stand.near)

    assert {outcome for outcome, _ in (*first, *second)} == {"good"}
    assert max(seconds for _, seconds in (*first, *second)) < PATIENCE.total_seconds()
    assert waiting == 1
    assert told(log_lines) == []
    await asyncio.gather(*crowd(stand, *keys))
    await until(lambda: all_used(stand.near, keys), seconds=10)


async def test_what_is_noted_when_the_process_ends_is_finished(stand: Stand) -> None:
    key = await a_caller(stand.near, "shop")
    async with stand.register.running():
        await answer(stand, key)

    assert await is_used(stand.near, key)


async def test_a_note_that_cannot_be_finished_does_not_hold_up_the_end_of_the_process(stand: Stand) -> None:
    key, before = await a_caller(stand.near, "shop"), asyncio.all_tasks()
    async with stand.near.transaction() as operator:
        await operator.execute(text("LOCK TABLE api_keys IN SHARE MODE"))
        async with stand.register.running():
            await answer(stand, key)
            await until(lambda: waiting_for_locks(stand.near), seconds=5)
            ended = time.monotonic()
        took = time.monotonic() - ended

    assert took < 3 * PATIENCE.total_seconds()
    assert not {task for task in asyncio.all_tasks() - before if "_note" in repr(task)}
