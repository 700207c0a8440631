"""
The door of a provider: counts who comes, and is shut while the provider is to be away.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_AWAY = b"HTTP/1.1 503 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Gate:
    """Passes HTTP requests on to the server at `upstream` (host:port), one per connection."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.is_shut = False
        self.calls = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        self.calls += 1
        writer.write(_AWAY if self.is_shut else await self._passed_on(lines, body))
        await writer.drain()
        writer.close()

    async def _passed_on(self, lines: list[str], body: bytes) -> bytes:
        host, port = self._upstream.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        kept = [line for line in lines if line and not line.lower().startswith("connection:")]
        writer.write("\r\n".join([*kept, "Connection: close", "", ""]).encode() + body)
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def gate_to(url: str) -> AsyncIterator[Gate]:
    """A running door to the server at `url`."""
    gate = Gate(url.removeprefix("http://").rstrip("/"))
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
