"""
What waits for the database: a proxy in front of PostgreSQL's socket that reads along and counts.

Each Query or Sync of the protocol is one answer to wait for, whatever the client library. Two things are left out:
preparing a statement (once per connection) and the readiness probe of our own processes (by the clock, not by order).
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"

_PROBE = "SELECT 1"
_CHUNK = 64 * 1024


class RoundTrips:
    """Counts by statement, of all connections since `clear`."""

    def __init__(self) -> None:
        self.by_statement: Counter[str] = Counter()

    def clear(self) -> None:
        self.by_statement.clear()

    def per(self, orders: int) -> dict[str, float]:
        """Round trips per order."""
        return {
            statement: count / orders for statement, count in self.by_statement.most_common() if statement != _PROBE
        }


class _Reader:
    """Follows one connection's messages to the server."""

    def __init__(self, counts: RoundTrips) -> None:
        self._counts = counts
        self._buffer = b""
        self._started = False
        self._statements: dict[bytes, str] = {}
        self._current = ""

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while (size := self._next_size()) and len(self._buffer) >= size:
            message, self._buffer = self._buffer[:size], self._buffer[size:]
            if self._started:
                self._note(message[:1], message[5:])
            self._started = True

    def _next_size(self) -> int:
        """Of a whole message; the first one of a connection has no type in front of its length."""
        prefix = 1 if self._started else 0
        if len(self._buffer) < prefix + 4:
            return 0
        length: int = struct.unpack_from("!i", self._buffer, prefix)[0]
        return prefix + length

    def _note(self, kind: bytes, body: bytes) -> None:
        if kind == b"P":
            name, query, _ = body.split(b"\0", 2)
            self._current = self._statements[name] = " ".join(query.decode().split())
        elif kind == b"B":
            self._current = self._statements.get(body.split(b"\0", 2)[1], "")
        elif kind == b"Q":
            self._counts.by_statement[body.rstrip(b"\0").decode()] += 1
        elif kind == b"S":
            self._counts.by_statement[self._current] += 1


@asynccontextmanager
async def counting_proxy(folder: Path, server: Path, counts: RoundTrips) -> AsyncIterator[None]:
    """Serve a socket in `folder` that leads to PostgreSQL's socket in the folder `server`."""
    lines: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.add(asyncio.create_task(_pass_on(reader, writer, server / SOCKET, counts)))

    listening = await asyncio.start_unix_server(connected, folder / SOCKET)
    try:
        yield
    finally:
        listening.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Path, counts: RoundTrips
) -> None:
    """Until one side hangs up; then the other side is told."""
    upstream_reader, upstream_writer = await asyncio.open_unix_connection(server)
    ways = {
        asyncio.create_task(_copy(reader, upstream_writer, _Reader(counts))),
        asyncio.create_task(_copy(upstream_reader, writer, None)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        upstream_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, follower: _Reader | None) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            if follower:
                follower.feed(data)
            writer.write(data)
            await writer.drain()
