"""
Losing answers: connections that are held, or closed, without a word.
"""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_UP = "sandbox.hang_up"


class HangUpProtocol(HttpToolsProtocol):
    """
    Lets an application close its connection instead of answering.
    """

    def on_message_begin(self) -> None:
        """
        Offer the way out in the scope of each request.
        """
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"close": self.transport.close}}


class NoAnswer(Response):
    """
    Says nothing for so many seconds, or until the client hangs up or `stopping` is set; then closes the connection.
    """

    def __init__(self, stopping: asyncio.Event, seconds: float) -> None:
        super().__init__()
        self._stopping = stopping
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (nothing is sent)
        """
        Outlast the client, then hang up.
        """
        gone = asyncio.create_task(_disconnected(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((gone, stopping), timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            scope["extensions"][HANG_UP]["close"]()
            await gone
        finally:
            gone.cancel()
            stopping.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
