"""
Whoever sends slowly, too much or nothing at all costs a connection for seconds, not for ever.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from temporalio.client import Client

from fulfillment.api.request_heads import HEAD_LIMIT, HEADERS_LIMIT, URL_LIMIT
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from tests.api.bodies import a_key, an_order
from tests.api.sockets import GOOD, Raw, connected
from tests.fixtures.api import serving
from tests.fixtures.identity import TESTER_KEY
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import MakeSettings

HEADS = b"GET /v1/orders HTTP/1.1\r\nHost: x\r\n"
KEY = b"Authorization: Bearer " + TESTER_KEY.text.encode() + b"\r\n"
BODY = json.dumps(an_order()).encode()


def placing(*, length: int | None = None, key: bytes = KEY) -> bytes:
    """The head of a request that places an order."""
    idempotency = f"Idempotency-Key: {a_key()['Idempotency-Key']}\r\n".encode()
    size = f"Content-Length: {len(BODY) if length is None else length}\r\n".encode()
    head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return head + key + idempotency + size + b"\r\n"


async def drip(raw: Raw, data: bytes, pause: float) -> None:
    """Send byte by byte until the server closes."""
    try:
        for byte in data:
            await raw.send(bytes([byte]))
            await asyncio.sleep(pause)
    except ConnectionError:
        return


@pytest.fixture
async def strict(
    make_settings: MakeSettings, database: Database, temporal: Client
) -> AsyncIterator[httpx2.AsyncClient]:
    """An API with little patience."""
    limits = {"header_timeout": 0.5, "body_timeout": 0.8, "keep_alive": 1}
    async with serving(ApiResources.of(make_settings(limits=limits), database, temporal)) as client:
        yield client


async def test_a_connection_that_sends_nothing_is_closed(strict: httpx2.AsyncClient) -> None:
    async with connected(strict) as raw:
        started = time.monotonic()
        assert await raw.closed() == b""
        assert 0.4 < time.monotonic() - started < 2


async def test_headers_that_drip_are_answered_with_408_and_the_connection_ends(strict: httpx2.AsyncClient) -> None:
    async with connected(strict) as raw:
        dripping = asyncio.create_task(drip(raw, HEADS + b"X-Slow: " + b"s" * 1000, 0.05))
        reply = await raw.answer()
        assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
        assert await raw.closed() == b""
        dripping.cancel()


async def test_a_body_that_drips_is_answered_with_408_and_the_connection_ends(strict: httpx2.AsyncClient) -> None:
    async with connected(strict) as raw:
        await raw.send(placing())
        dripping = asyncio.create_task(drip(raw, BODY, 0.05))
        reply = await raw.answer()
        assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")
        assert await raw.closed() == b""
        dripping.cancel()


async def test_a_body_that_nobody_waits_for_is_not_read_for_ever(strict: httpx2.AsyncClient) -> None:
    for head, code in ((placing(key=b""), "unauthorized"), (placing(length=10**9), "body_too_large")):
        async with connected(strict) as raw:
            await raw.send(head)
            assert (await raw.answer()).code == code
            dripping = asyncio.create_task(drip(raw, b" " * 1000, 0.05))
            assert await raw.closed(3) == b""
            dripping.cancel()


async def test_a_body_refused_early_is_read_to_its_end_and_the_connection_goes_on(strict: httpx2.AsyncClient) -> None:
    async with connected(strict) as raw:
        await raw.send(placing(length=5_000_000))
        assert (await raw.answer()).code == "body_too_large"
        await raw.send(b" " * 5_000_000 + GOOD)
        assert (await raw.answer()).status == 200


async def test_an_idle_connection_is_closed_and_empty_lines_do_not_keep_it_open(strict: httpx2.AsyncClient) -> None:
    for data in (b"", b"\r\n" * 1000):
        async with connected(strict) as raw:
            await raw.send(GOOD)
            assert (await raw.answer()).status == 200
            dripping = asyncio.create_task(drip(raw, data, 0.1))
            assert await raw.closed(3) == b""
            dripping.cancel()


async def test_a_slow_second_request_does_not_get_the_answer_of_the_first(strict: httpx2.AsyncClient) -> None:
    waiting = placing().replace(b"Host: x\r\n", b"Host: x\r\nPrefer: wait=2\r\n")
    async with connected(strict) as raw:
        await raw.send(waiting + BODY + HEADS)
        reply = await raw.answer()
        assert (reply.status, reply.headers["connection"]) == (202, "close")
        assert await raw.closed() == b""


async def test_nonsense_after_a_request_does_not_get_its_answer(api: httpx2.AsyncClient) -> None:
    async with connected(api) as raw:
        await raw.send(placing() + BODY + b"\x00\x01nonsense\r\n\r\n")
        assert (await raw.answer()).status == 202
        assert await raw.closed() == b""


async def test_requests_in_a_row_and_at_once_are_answered_in_order(api: httpx2.AsyncClient) -> None:
    missing = GOOD.replace(b"/v1/orders", b"/nowhere")
    async with connected(api) as raw:
        for _ in range(3):
            await raw.send(GOOD + missing + placing() + BODY + GOOD)
            assert [(await raw.answer()).status for _ in range(4)] == [200, 404, 202, 200]


async def test_a_pipelined_body_has_its_time_from_when_it_can_be_read(strict: httpx2.AsyncClient) -> None:
    waiting = placing().replace(b"Host: x\r\n", b"Host: x\r\nPrefer: wait=2\r\n")
    async with connected(strict) as raw:
        await raw.send(waiting + BODY + placing() + BODY[:50])
        await asyncio.sleep(0.1)
        await raw.send(BODY[50:])
        assert [(await raw.answer()).status for _ in range(2)] == [202, 202]


async def test_a_body_is_asked_for_before_it_is_sent_and_not_when_it_is_refused(api: httpx2.AsyncClient) -> None:
    expecting = b"Host: x\r\nExpect: 100-continue\r\n"
    async with connected(api) as raw:
        await raw.send(placing().replace(b"Host: x\r\n", expecting))
        assert (await raw.answer()).status == 100
        await raw.send(BODY)
        assert (await raw.answer()).status == 202
    async with connected(api) as raw:
        await raw.send(placing(length=10**9).replace(b"Host: x\r\n", expecting))
        assert (await raw.answer()).code == "body_too_large"
        assert await raw.closed(2) == b""


async def test_headers_beyond_the_limits_are_refused_and_those_within_are_not(api: httpx2.AsyncClient) -> None:
    good = GOOD.removesuffix(b"\r\n")
    few = b"".join(b"X-%d: v\r\n" % n for n in range(HEADERS_LIMIT - 2))
    long = b"X-Long: " + b"v" * (HEAD_LIMIT - 200) + b"\r\n"
    path = b"/v1/orders?cursor="
    url = path + b"c" * (URL_LIMIT - len(path))
    cases = [
        (good + few + b"\r\n", 200, None),
        (good + few + b"X-More: v\r\n\r\n", 431, "headers_too_large"),
        (good + few * 100 + b"\r\n", 431, "headers_too_large"),
        (good + long + b"\r\n", 200, None),
        (good + long + long + b"\r\n", 431, "headers_too_large"),
        (good + b"X-Endless: " + b"v" * 1_000_000, 431, "headers_too_large"),
        (good.replace(b"/v1/orders", url) + b"\r\n", 422, "invalid_request"),
        (good.replace(b"/v1/orders", url + b"c") + b"\r\n", 414, "uri_too_long"),
        (b"GET /" + b"u" * 1_000_000, 414, "uri_too_long"),
    ]
    for data, status, code in cases:
        async with connected(api) as raw:
            await raw.send(data)
            reply = await raw.answer()
            assert reply.status == status, (data[:200], reply)
            assert code is None or reply.code == code


async def test_who_is_refused_while_still_sending_can_read_why(api: httpx2.AsyncClient) -> None:
    async with connected(api) as raw:
        await raw.send(HEADS + b"X-Endless: " + b"v" * 400_000)
        for _ in range(10):
            await asyncio.sleep(0.02)
            await raw.send(b"v" * 1000)
        assert (await raw.answer()).code == "headers_too_large"


async def test_who_hangs_up_leaves_no_timer_and_no_error_behind(api: httpx2.AsyncClient, log_lines: LogLines) -> None:
    for data in (b"", HEADS, placing(), placing() + BODY[:10], GOOD, GOOD + HEADS, b"\x00\r\n\r\n"):
        async with connected(api) as raw:
            await raw.send(data)
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)

    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    assert [timer for timer in scheduled if not timer.cancelled() and "Protocol" in repr(timer)] == []
    assert [line for line in log_lines() if line["level"] in ("error", "critical") or "exception" in line] == []
