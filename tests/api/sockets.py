"""
Requests byte by byte, as no well-behaved client would send them.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any

import httpx2

from tests.fixtures.identity import TESTER_KEY

GOOD = b"GET /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TESTER_KEY.text.encode() + b"\r\n\r\n"
"""A request that is answered with 200."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return str(problem["code"])


class Raw:
    """An open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_what_is_taken(self, data: bytes) -> None:
        """The server may close before it has all."""
        with suppress(ConnectionError):
            await self.send(data)

    async def answer(self, seconds: float = 10) -> Reply:
        """The next answer."""
        async with asyncio.timeout(seconds):
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            headers = {name.lower(): value for name, value in BytesHeaderParser().parsebytes(rest).items()}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(line.split()[1]), headers, body)

    async def closed(self, seconds: float = 10) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(seconds):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def connected(api: httpx2.AsyncClient) -> AsyncIterator[Raw]:
    """A connection to the API, closed at the end of the block."""
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
