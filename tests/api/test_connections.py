"""
What one connection may cost, and how many there may be: for those who ask much at once, and those who never listen.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from temporalio.client import Client

from fulfillment.api.protocol import FRAMING_LIMIT, PIPELINE_LIMIT, GuardedProtocol
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from tests.api.sockets import GOOD, connected
from tests.api.test_slow_senders import BODY, KEY, placing
from tests.fixtures.api import serving
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import MakeSettings

WAITING = placing().replace(b"Host: x\r\n", b"Host: x\r\nPrefer: wait=1\r\n") + BODY
CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\n"
PATIENCE = 0.5


def asking(path: bytes) -> bytes:
    """A request that needs no credentials."""
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path


@asynccontextmanager
async def reluctant(api: httpx2.AsyncClient) -> AsyncIterator[socket.socket]:
    """A connection with hardly any room for answers, which nobody reads unless asked to."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)  # noqa: FBT003 - its only parameter
        await asyncio.get_running_loop().sock_connect(sock, (api.base_url.host, api.base_url.port))
        yield sock


async def rest_of(sock: socket.socket, seconds: float = 20) -> bytes:
    """All that comes until the server closes."""
    found = bytearray()
    async with asyncio.timeout(seconds):
        try:
            while data := await asyncio.get_running_loop().sock_recv(sock, 65_536):
                found += data
        except ConnectionError:
            pass
    return bytes(found)


@pytest.fixture
async def impatient(resources: ApiResources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """An API whose answers have to be taken soon."""
    monkeypatch.setattr(GuardedProtocol, "taking_seconds", PATIENCE)
    async with serving(resources, send_buffer=4096) as client:
        yield client


@pytest.fixture
async def narrow(
    make_settings: MakeSettings, database: Database, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx2.AsyncClient]:
    """An API with room for two connections, which turns two more away at a time."""
    monkeypatch.setattr(GuardedProtocol, "most_turned_away", 2)
    async with serving(ApiResources.of(make_settings(limits={"connections": 2}), database, temporal)) as client:
        yield client


async def test_eight_requests_may_wait_for_their_turn_and_the_connection_goes_on(api: httpx2.AsyncClient) -> None:
    async with connected(api) as raw:
        for _ in range(2):
            await raw.send(WAITING + GOOD * PIPELINE_LIMIT)
            assert [(await raw.answer()).status for _ in range(1 + PIPELINE_LIMIT)] == [202] + [200] * PIPELINE_LIMIT


async def test_who_sends_more_requests_ahead_gets_the_answers_of_the_first_and_no_more(api: httpx2.AsyncClient) -> None:
    async with connected(api) as raw:
        await raw.send(WAITING + GOOD * 20)
        replies = [await raw.answer() for _ in range(1 + PIPELINE_LIMIT)]
        assert [reply.status for reply in replies] == [202] + [200] * PIPELINE_LIMIT
        assert [reply.headers.get("connection") for reply in replies] == [None] * PIPELINE_LIMIT + ["close"]
        assert await raw.closed() == b""


# Answers that the server cannot finish writing, and answers it takes for written long before they are.
@pytest.mark.parametrize("path", [b"/openapi.json", b"/docs/oauth2-redirect"])
async def test_who_never_reads_answers_is_cut_off(
    impatient: httpx2.AsyncClient, log_lines: LogLines, path: bytes
) -> None:
    whole = 9 * len((await impatient.get(path.decode())).content)
    async with reluctant(impatient) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, asking(path) * 9)
        await asyncio.sleep(PATIENCE * 3)
        assert len(await rest_of(sock)) < whole
    assert [line["left_bytes"] > 0 for line in log_lines() if line["event"] == "http_answer_not_taken"] == [True]


async def test_who_reads_answers_late_gets_all_of_them_and_the_connection_goes_on(
    impatient: httpx2.AsyncClient,
) -> None:
    whole = 9 * len((await impatient.get("/openapi.json")).content)
    last = asking(b"/openapi.json").replace(b"Host: x", b"Host: x\r\nConnection: close")
    async with reluctant(impatient) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, asking(b"/openapi.json") * 8)
        await asyncio.sleep(PATIENCE / 5)
        reading = asyncio.create_task(rest_of(sock))
        await asyncio.sleep(PATIENCE * 1.5)
        await asyncio.get_running_loop().sock_sendall(sock, last)
        assert len(await reading) > whole


async def test_who_hangs_up_without_reading_leaves_no_timer_behind(impatient: httpx2.AsyncClient) -> None:
    async with reluctant(impatient) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, asking(b"/openapi.json") * 9)
        await asyncio.sleep(PATIENCE / 5)
    await asyncio.sleep(0.2)

    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    assert [timer for timer in scheduled if not timer.cancelled() and "Protocol" in repr(timer)] == []


async def test_what_follows_a_body_is_no_header(api: httpx2.AsyncClient) -> None:
    body = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    order = b"POST /v1/orders HTTP/1.1\r\nContent-Type: application/json\r\n" + CHUNKED
    list_orders = b"GET /v1/orders HTTP/1.1\r\n" + CHUNKED
    cases = [
        (list_orders + b"\r\n0\r\n" + KEY + b"\r\n", "unauthorized"),
        (order + KEY + b"\r\n" + body + b"Idempotency-Key: behind\r\n\r\n", "idempotency_key_missing"),
        (list_orders + b"\r\n0\r\nX-Request-Id: behind\r\nHost: y\r\n\r\n", "unauthorized"),
    ]
    for data, code in cases:
        async with connected(api) as raw:
            await raw.send(data)
            reply = await raw.answer()
            assert reply.code == code
            assert reply.headers["x-request-id"] != "behind"
            await raw.send(GOOD)
            assert (await raw.answer()).status == 200


async def test_a_body_has_little_around_it(api: httpx2.AsyncClient) -> None:
    order = placing().replace(b"Host: x\r\n", CHUNKED)
    order = b"\r\n".join(line for line in order.split(b"\r\n") if not line.startswith(b"Content-Length"))
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    much = FRAMING_LIMIT * 2
    for around in (
        b"1;" + b"e" * much,
        chunk + b"0\r\nX-Endless: " + b"v" * much,
        chunk + b"0\r\n" + b"X: v\r\n" * much,
    ):
        async with connected(api) as raw:
            await raw.send_what_is_taken(order + around)
            assert (await raw.answer(5)).code == "malformed_request"
            assert await raw.closed(5) == b""


async def test_a_connection_too_many_is_told_so_and_leaves_the_others_alone(narrow: httpx2.AsyncClient) -> None:
    async with connected(narrow) as first, AsyncExitStack() as until_the_end:
        async with connected(narrow) as second:
            third = await until_the_end.enter_async_context(connected(narrow))
            reply = await third.answer()
            assert (reply.status, reply.code, reply.headers["connection"]) == (503, "unavailable", "close")
            assert int(reply.headers["retry-after"]) > 0
            assert await third.closed() == b""
            for raw in (first, second):
                await raw.send(GOOD)
                assert (await raw.answer()).status == 200
        await asyncio.sleep(0.1)
        async with connected(narrow) as next_one:
            await next_one.send(GOOD)
            assert (await next_one.answer()).status == 200


async def test_a_crowd_that_is_turned_away_does_not_grow(narrow: httpx2.AsyncClient) -> None:
    async with connected(narrow) as first, connected(narrow):
        for _ in range(2):
            async with AsyncExitStack() as stack:
                crowd = [await stack.enter_async_context(connected(narrow)) for _ in range(4)]
                told = [b"503 Service Unavailable" in await raw.closed(5) for raw in crowd]
            assert told == [True, True, False, False]
            await first.send(GOOD)
            assert (await first.answer()).status == 200
