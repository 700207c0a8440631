"""
Between the orders worker and PostgreSQL's socket: recognises the transaction by the key of its stock movement and plays
its fault at the moment it would commit.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.plans import Plan, Plans, Play

SOCKET = ".s.PGSQL.5432"

_KEY = re.compile(rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):(hold|release):")


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of the protocol, whole; the first one of a connection has no kind."""

    kind: bytes
    whole: bytes

    @property
    def body(self) -> bytes:
        return self.whole[5:]


class _Reader:
    """Messages from a stream."""

    def __init__(self, stream: asyncio.StreamReader, *, greets: bool) -> None:
        self._stream = stream
        self._greets = greets

    async def next(self) -> _Message | None:
        """None at the end of the connection."""
        try:
            kind = b"" if self._greets else await self._stream.readexactly(1)
            self._greets = False
            length = await self._stream.readexactly(4)
            rest = await self._stream.readexactly(struct.unpack("!i", length)[0] - 4)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return _Message(kind, kind + length + rest)


class _Line:
    """One connection of the worker and its continuation to the server."""

    def __init__(
        self,
        plans: Plans,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._plans = plans
        self._from_client, self._to_client = _Reader(client[0], greets=True), client[1]
        self._from_server, self._to_server = _Reader(server[0], greets=False), server[1]
        self._in_transaction = False
        self._found: Plan | None = None
        self._committing: tuple[Plan, Play] | None = None

    async def run(self) -> None:
        try:
            await asyncio.gather(self._carry_questions(), self._carry_answers())
        finally:
            self._committed()
            self._cut()

    async def _carry_questions(self) -> None:
        with suppress(ConnectionError):
            while message := await self._from_client.next():
                if message.kind == b"B" and (key := _KEY.search(message.body)):
                    self._found = self._plans.find(key[1].decode(), key[2].decode())
                if self._found and self._commits(message):
                    plan, self._found = self._found, None
                    self._committing = (plan, plan.begin())
                    if not await _goes_on(*self._committing):
                        self._cut()
                        return
                self._to_server.write(message.whole)
                await self._to_server.drain()
            # What the server has heard is done, although nobody waits for it any more.
            self._to_server.write_eof()

    def _commits(self, message: _Message) -> bool:
        """The end of a transaction, or a statement that is one by itself."""
        if self._in_transaction:
            return message.kind == b"Q" and message.body.upper().startswith(b"COMMIT")
        return message.kind == b"B"

    async def _carry_answers(self) -> None:
        while message := await self._from_server.next():
            if message.kind == b"Z":
                self._in_transaction = message.body != b"I"
                if self._committing and not self._in_transaction and not await self._answers():
                    self._cut()
                    return
            with suppress(ConnectionError):
                self._to_client.write(message.whole)
                await self._to_client.drain()
        self._cut()

    async def _answers(self) -> bool:
        """Whether the worker hears that it is done."""
        assert self._committing
        plan, play = self._committing
        if play is Play.HOLD_DONE:
            await plan.lifted.wait()
        self._committed()
        return play is not Play.LOSE and not (play is Play.HOLD_DONE and plan.dropped)

    def _committed(self) -> None:
        if self._committing:
            self._committing[0].end()
        self._committing = None

    def _cut(self) -> None:
        self._to_client.transport.abort()
        self._to_server.transport.abort()


async def _goes_on(plan: Plan, play: Play) -> bool:
    """Whether the server hears of it."""
    if play is Play.LATE:
        await asyncio.sleep(plan.delay)
    if play is Play.HOLD:
        await plan.lifted.wait()
        return not plan.dropped
    return play not in (Play.CUT, Play.UNAVAILABLE)


@asynccontextmanager
async def database_proxy(plans: Plans, folder: Path, server: Path) -> AsyncIterator[None]:
    """Serve a socket in `folder` that leads to PostgreSQL's socket in the folder `server`."""
    lines: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_unix_connection(server / SOCKET)
        line = asyncio.create_task(_Line(plans, (reader, writer), upstream).run())
        lines.add(line)
        line.add_done_callback(lines.discard)

    listening = await asyncio.start_unix_server(connected, folder / SOCKET)
    try:
        yield
    finally:
        listening.close()
        for line in tuple(lines):
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
