"""
API keys while the database is away: callers seen good lately go on, all others hear to come back.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from sqlalchemy import text, update
from temporalio.client import Client

from fulfillment.api.identity.credentials import Authenticator
from fulfillment.api.identity.keys import PATIENCE, PAUSE, REMEMBERED, KeyRegister
from fulfillment.api.resources import ApiResources
from fulfillment.api_key import ApiKey
from fulfillment.db.tables import api_keys
from fulfillment.domain.identity import Scope
from tests.api.bodies import a_key, an_order
from tests.api.key_stand import Stand
from tests.fixtures.api import serving
from tests.fixtures.identity import TESTER_KEY, a_caller, calling
from tests.fixtures.logs import LogLines


async def test_without_the_database_a_known_key_is_good_for_five_minutes_and_a_new_one_must_wait(
    stand: Stand,
) -> None:
    known, new = await a_caller(stand.near, "known"), await a_caller(stand.near, "new")
    before = await stand.outcome(known)
    await stand.proxy.stop()
    away = await stand.outcome(known), await stand.outcome(new)
    stand.clock.move(REMEMBERED - timedelta(seconds=1))
    late = await stand.outcome(known)
    stand.clock.move(timedelta(seconds=2))
    too_late = await stand.outcome(known)
    await stand.back()

    assert timedelta(minutes=5) == REMEMBERED
    assert (before, away, late, too_late) == ("good", ("remembered", "unavailable"), "remembered", "unavailable")
    assert (await stand.outcome(known), await stand.outcome(new)) == ("good", "good")


async def test_a_key_is_remembered_with_what_it_may_do(stand: Stand) -> None:
    key = await a_caller(stand.near, "ada", Scope.ORDERS_READ, customer_id="C-1", roles=("manager",))
    before = await stand.register.check(key.text)
    await stand.proxy.stop()
    remembered = await stand.register.check(key.text)

    assert remembered.remembered
    assert remembered.principal == before.principal
    assert before.principal is not None
    assert before.principal.customer_id == "C-1"


async def test_the_end_of_a_key_is_remembered_too(stand: Stand) -> None:
    key, end = await a_caller(stand.near, "shop"), datetime.now(UTC) + timedelta(minutes=2)
    async with stand.near.transaction() as connection:
        await connection.execute(update(api_keys).where(api_keys.c.prefix == key.prefix).values(expires_at=end))
    await stand.outcome(key)
    await stand.proxy.stop()
    stand.clock.move(timedelta(minutes=1, seconds=30))
    before = await stand.outcome(key)
    stand.clock.move(timedelta(seconds=31))

    assert (before, await stand.outcome(key)) == ("remembered", "unavailable")


async def test_a_key_that_was_seen_bad_is_forgotten(stand: Stand) -> None:
    key = await a_caller(stand.near, "shop")
    good = await stand.outcome(key)
    await stand.revoke(key)
    bad = await stand.outcome(key)
    await stand.proxy.stop()

    assert (good, bad, await stand.outcome(key)) == ("good", "bad", "unavailable")


async def test_a_key_revoked_while_the_database_was_away_is_refused_as_soon_as_it_is_back(stand: Stand) -> None:
    key = await a_caller(stand.near, "shop")
    await stand.outcome(key)
    await stand.proxy.stop()
    await stand.revoke(key)
    away = await stand.outcome(key)
    await stand.back()

    assert (away, await stand.outcome(key)) == ("remembered", "bad")


async def test_connections_that_died_while_nobody_used_them_are_no_outage(stand: Stand) -> None:
    key = await a_caller(stand.near, "shop")
    await asyncio.gather(*(stand.outcome(key) for _ in range(5)))
    await stand.revoke(key)
    await stand.proxy.stop()
    await stand.proxy.start()

    assert await stand.outcome(key) == "bad"


async def test_a_database_that_can_only_be_read_is_enough_to_know_a_key(stand: Stand) -> None:
    key = await a_caller(stand.near, "shop")
    async with stand.near.statement() as connection:
        name = (await connection.execute(text("SELECT current_database()"))).scalar()
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))

    assert await stand.outcome(key) == "good"


async def test_what_is_no_key_is_bad_without_asking_anybody(stand: Stand) -> None:
    await stand.proxy.stop()

    assert (await stand.register.check("ful_junk")).outcome == "bad"


async def test_only_so_many_keys_are_remembered_those_seen_last(stand: Stand) -> None:
    stand.register = KeyRegister(stand.far, stand.clock, most=2)
    keys = [await a_caller(stand.near, f"shop-{n}") for n in range(3)]
    for key in (keys[0], keys[1], keys[0], keys[2]):
        await stand.outcome(key)
    await stand.proxy.stop()

    assert [await stand.outcome(key) for key in keys] == ["remembered", "unavailable", "remembered"]


async def test_a_database_that_swallows_everything_makes_callers_wait_once(stand: Stand) -> None:
    stand.register = KeyRegister(stand.far)
    known, new = await a_caller(stand.near, "known"), await a_caller(stand.near, "new")
    await asyncio.gather(*(stand.outcome(known) for _ in range(20)))
    stand.proxy.swallows = True

    first, first_took = await _timed(stand, known, new)
    second, second_took = await _timed(stand, known, new)
    await asyncio.sleep(PAUSE.total_seconds())
    # One of these asks again, and waits for all of them; on a slow machine it may be one of those before.
    third, third_took = await _timed(stand, known, known)

    assert first == second == {"remembered", "unavailable"}
    assert third == {"remembered"}
    patience = PATIENCE.total_seconds()
    assert max(first_took) < 2 * patience
    for took in (second_took, third_took):
        assert sum(seconds > patience / 2 for seconds in took) <= 1


async def _timed(stand: Stand, *keys: ApiKey) -> tuple[set[str], list[float]]:
    """A hundred requests at once: how they fare, and the seconds each takes."""

    async def one(key: ApiKey) -> tuple[str, float]:
        started = time.monotonic()
        return await stand.outcome(key), time.monotonic() - started

    results = await asyncio.gather(*(one(keys[n % len(keys)]) for n in range(100)))
    return {outcome for outcome, _ in results}, [took for _, took in results]


async def test_after_a_black_hole_the_database_is_found_again(stand: Stand) -> None:
    key, new = await a_caller(stand.near, "shop"), await a_caller(stand.near, "new")
    await stand.outcome(key)
    stand.proxy.swallows = True
    away = await stand.outcome(key)
    stand.proxy.swallows = False
    await stand.proxy.stop()
    await stand.back()

    assert (away, await stand.outcome(new), await stand.outcome(key)) == ("remembered", "good", "good")


def counted(outcome: str) -> float:
    labels = {"method": "key", "outcome": outcome}
    return REGISTRY.get_sample_value("fulfillment_authentications_total", labels) or 0.0


async def test_a_known_caller_places_orders_without_the_database_and_a_new_one_hears_when_to_come_back(
    stand: Stand, temporal: Client, log_lines: LogLines
) -> None:
    new = await a_caller(stand.near, "new", Scope.ORDERS_PLACE)
    resources = ApiResources.of(stand.settings, stand.far, temporal)
    async with serving(replace(resources, identity=Authenticator(stand.register, None))) as api:
        assert (await api.get("/v1/orders")).status_code == 200
        before = {outcome: counted(outcome) for outcome in ("remembered", "unavailable")}
        await stand.proxy.stop()
        placed = [await api.post("/v1/orders", json=an_order(), headers=a_key()) for _ in range(2)]
        refused = await calling(api, new).post("/v1/orders", json=an_order(), headers=a_key())
        after = {outcome: counted(outcome) - count for outcome, count in before.items()}
        await stand.back()
        again = await calling(api, new).post("/v1/orders", json=an_order(), headers=a_key())

    assert [answer.status_code for answer in placed] == [202, 202]
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["retry-after"] == "2"
    assert again.status_code == 202
    assert after == {"remembered": 2.0, "unavailable": 1.0}
    told = [line["event"] for line in log_lines() if line["event"].startswith("api_keys_")]
    assert told == ["api_keys_from_memory", "api_keys_from_database"]
    assert TESTER_KEY.text not in str(log_lines())
