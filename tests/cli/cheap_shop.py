"""
A service that takes orders over HTTP and does nothing with them, for files too large for the real one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

Answer = tuple[int, dict[str, str], dict[str, Any]]
Judge = Callable[[str, dict[str, Any]], Answer | None]


class CheapShop:
    """
    Takes every order once.

    Attributes:
        judge: says of a key and an order what is answered instead; None takes it, a ConnectionError hangs up.
        is_open: while it is not set requests wait for their answers.
        keys: how often each was taken; none when the shop does not remember.
        waiting: requests under way, and `most_waiting` of them at once.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self.url = ""
        self.judge: Judge = lambda _key, _order: None
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.keys: Counter[str] = Counter()
        self.waiting = self.most_waiting = self.answered = 0
        self._remembers = remembers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            writer.transport.abort()
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            order = json.loads(await reader.readexactly(int(head["content-length"])))
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
            await asyncio.sleep(0)
            await self.is_open.wait()
            self.waiting -= 1
            status, headers, body = self._answer(head["idempotency-key"], order)
            content = json.dumps(body).encode()
            lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(content))}.items()]
            writer.write(
                "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *lines, "", ""]).encode() + content
            )
            self.answered += 1
            await writer.drain()

    async def _head(self, reader: asyncio.StreamReader) -> dict[str, str] | None:
        try:
            text = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        pairs = (line.partition(": ") for line in text.splitlines()[1:] if line)
        return {name.lower(): value for name, _, value in pairs}

    def _answer(self, key: str, order: dict[str, Any]) -> Answer:
        if instead := self.judge(key, order):
            return instead
        replayed = {"Idempotency-Replayed": "true"} if self.keys[key] else {}
        if self._remembers:
            self.keys[key] += 1
        return 202, replayed, {"id": key, "total": {"amount": 100, "currency": "EUR"}}


@asynccontextmanager
async def cheap_shop(*, remembers: bool = True) -> AsyncIterator[CheapShop]:
    """A shop that listens."""
    shop = CheapShop(remembers=remembers)
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    shop.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield shop
    finally:
        server.close()
