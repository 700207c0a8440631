"""
A caller who asks too often is told when to come back; everybody else notices nothing.
"""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import REGISTRY
from pydantic import ValidationError
from redis.asyncio import Redis
from temporalio.client import Client

from fulfillment.api.problems import Problem
from fulfillment.api.rate_limits import RateLimits
from fulfillment.api.rate_storage import OwnCounts, UnusableRateStorage
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from fulfillment.domain.identity import Principal, Scope
from fulfillment.settings import Limits
from tests.api.bodies import a_key, an_order
from tests.api.redis_server import RedisServer
from tests.fixtures.api import serving
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import MakeSettings

Limited = Callable[..., Any]


def sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


def shop() -> Principal:
    return Principal(id="key:shop", scopes=frozenset())


@pytest.fixture
def limited(make_settings: MakeSettings, database: Database, temporal: Client) -> Limited:
    """A running API with limits of its own, as another process would have."""

    @asynccontextmanager
    async def run(**limits: Any) -> AsyncIterator[httpx2.AsyncClient]:
        async with serving(ApiResources.of(make_settings(limits=limits), database, temporal)) as client:
            yield client

    return run


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = RedisServer(port, tmp_path)
    await server.start()
    yield server
    await server.stop()


async def test_every_answer_to_a_caller_says_what_is_left(limited: Limited) -> None:
    async with limited(rate="10/hour") as api:
        answers = [
            await api.get("/v1/orders"),
            await api.get("/v1/orders/none"),
            await api.post("/v1/orders", content=b"{", headers=a_key()),
            await api.post("/v1/orders", json=an_order(), headers=a_key()),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 415, 202]
        for count, answer in enumerate(answers, 1):
            assert answer.headers["ratelimit-policy"] == '"default";q=10;w=3600'
            left = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
            assert left
            assert int(left[1]) == 10 - count
            assert 1 <= int(left[2]) <= 3600
        anonymous = await calling(api, None).get("/v1/orders")
        assert anonymous.status_code == 401
        assert not [name for name in anonymous.headers if name.startswith("ratelimit")]


async def test_the_default_is_3000_a_minute_for_each_caller(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/v1/orders")).headers["ratelimit-policy"] == '"default";q=3000;w=60'


async def test_who_asks_too_often_is_refused_and_may_come_back_when_told(limited: Limited, database: Database) -> None:
    refused = sample("fulfillment_rate_limited_total")
    async with limited(rate="3/second") as api:
        answers = [await api.post("/v1/orders", json=an_order(), headers=a_key()) for _ in range(3)]
        while (last := await api.post("/v1/orders", content=b"{", headers=a_key())).status_code != 429:
            answers.append(last)
        problem = last.json()
        assert (problem["code"], last.headers["content-type"]) == ("rate_limited", "application/problem+json")
        assert "3 requests" in problem["detail"]
        assert last.headers["ratelimit"].startswith('"default";r=0;t=')
        assert re.fullmatch("[1-9][0-9]*", last.headers["retry-after"])
        assert sample("fulfillment_rate_limited_total") == refused + 1

        other = calling(api, await a_caller(database, "other", Scope.ORDERS_READ))
        assert (await other.get("/v1/orders")).status_code == 200

        await asyncio.sleep(int(last.headers["retry-after"]))
        assert (await api.get("/v1/orders")).status_code == 200


async def test_a_limit_can_be_off(limited: Limited) -> None:
    async with limited(rate="off", storage="redis://127.0.0.1:1/0") as api:
        answer = await api.get("/v1/orders")
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


async def test_a_burst_gets_the_limit_and_not_one_more() -> None:
    limits = RateLimits(Limits(rate="50/hour"))
    async with limits.running():
        outcomes = await asyncio.gather(*(limits.count(shop()) for _ in range(80)), return_exceptions=True)
    assert sum(isinstance(outcome, Problem) for outcome in outcomes) == 30


async def test_memory_does_not_grow_with_the_callers_of_yesterday() -> None:
    counts = OwnCounts(most=100)
    limiter, short, long = SlidingWindowCounterRateLimiter(counts.storage), parse("5/second"), parse("5/hour")
    async with counts.running():
        sweeper = counts.storage.timer
        for number in range(500):
            await limiter.hit(short, f"short-{number}")
        await asyncio.sleep(2.1)
        await limiter.hit(long, "long")
        assert counts.storage.timer is sweeper
        await counts.forget()
        assert len(counts.storage.storage) == len(counts.storage.expirations) == len(counts.storage.locks) == 1

        for number in range(500):
            await limiter.hit(long, f"long-{number}")
        await counts.forget()
        assert len(counts.storage.storage) == 100
    assert sweeper is not None
    assert sweeper.done()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": "often"},
        {"rate": "0/minute"},
        {"rate": "10 per minute"},
        {"rate": ""},
        {"storage": "127.0.0.1:6379"},
        {"storage": "redis://127.0.0.1:99999/0"},
        {"storage": "redis://:password@/0"},
        {"storage": "redis://:pass/word@127.0.0.1/0"},
        {"storage": "redis://[::1/0"},
        {"storage": "memcached://127.0.0.1"},
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="must be `"):
        Limits.model_validate(wrong)


def test_the_address_of_redis_may_have_a_password_and_does_not_show_it() -> None:
    limits = Limits.model_validate({"storage": "rediss://user:p%40ss@redis.example.com:6380/2"})
    assert "p%40ss" not in repr(limits)


def test_a_missing_client_for_redis_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UnusableRateStorage, match=r"FULFILLMENT_LIMITS__STORAGE: .*order-fulfillment\[redis\]"):
        RateLimits(Limits.model_validate({"storage": "redis://127.0.0.1:6379/0"}))


async def test_a_redis_that_refuses_us_is_told_at_the_start(redis: RedisServer) -> None:
    wrong = redis.url.replace("secret", "wrong")
    with pytest.raises(UnusableRateStorage, match="FULFILLMENT_LIMITS__STORAGE") as refused:
        async with RateLimits(Limits.model_validate({"storage": wrong})).running():
            pass
    assert refused.value.code == 2
    assert "wrong" not in str(refused.value)


async def test_two_processes_share_one_limit(limited: Limited, redis: RedisServer) -> None:
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(limited(rate="10/hour", storage=redis.url)) for _ in range(2)]
        answers = [await client.get("/v1/orders") for _ in range(6) for client in (one, two)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[4].headers["ratelimit"].startswith('"default";r=5;t=')
    assert int(answers[-1].headers["retry-after"]) <= 3600


async def test_without_redis_each_process_counts_for_itself_until_it_is_back(
    redis: RedisServer, log_lines: LogLines
) -> None:
    unshared = sample("fulfillment_rate_limit_unavailable_total")
    settings = Limits.model_validate({"storage": redis.url, "rate": "10/hour"})
    limits = RateLimits(settings, pause=timedelta(seconds=0.2))
    async with limits.running():
        for _ in range(6):
            await limits.count(shop())
        await redis.stop()
        for _ in range(10):
            await limits.count(shop())
        with pytest.raises(Problem):
            await limits.count(shop())
        assert sample("fulfillment_rate_limit_unavailable_total") == unshared + 11
        warnings = [line for line in log_lines() if line["event"] == "rate_limit_storage_unavailable"]
        assert [warning["level"] for warning in warnings] == ["warning"]

        await redis.start()
        await asyncio.sleep(0.3)
        headers = await limits.count(shop())
        assert headers["RateLimit"].startswith('"default";r=9;')
        assert sample("fulfillment_rate_limit_unavailable_total") == unshared + 11


async def test_a_redis_that_never_answers_slows_one_request_and_is_then_left_alone(log_lines: LogLines) -> None:
    connections = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await asyncio.sleep(30)

    black_hole = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = black_hole.sockets[0].getsockname()[1]
    settings = Limits.model_validate({"storage": f"redis://127.0.0.1:{port}/0"})
    limits = RateLimits(settings, pause=timedelta(hours=1))
    async with limits.running():
        async with asyncio.timeout(10):
            await limits.count(shop())
        asked, unshared = len(connections), sample("fulfillment_rate_limit_unavailable_total")
        await asyncio.gather(*(limits.count(shop()) for _ in range(100)))
        # Asking it costs a connection each time: one that did not answer in time is given up.
        assert len(connections) == asked
        assert sample("fulfillment_rate_limit_unavailable_total") == unshared + 100
    black_hole.close()
    assert {line["event"] for line in log_lines()} == {"rate_limit_storage_unavailable"}


async def test_whom_a_token_stands_for_is_not_told_to_redis(redis: RedisServer) -> None:
    ada = Principal(id="jwt:https://issuer.example#ada@example.com", scopes=frozenset())
    limits = RateLimits(Limits.model_validate({"storage": redis.url, "rate": "10/hour"}))
    async with limits.running(), Redis.from_url(redis.url) as stored:
        await limits.count(ada)
        names = [name.decode() async for name in stored.scan_iter()]
    assert names
    assert all(ada.label in name and "issuer.example" not in name and "ada@" not in name for name in names), names
