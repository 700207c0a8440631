"""
Serving the sandbox over HTTP.
"""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from fulfillment.sandbox.app import create_app
from fulfillment.sandbox.no_answer import HangUpProtocol
from fulfillment.sandbox.settings import SandboxSettings

DRAIN_SECONDS = 5


class SandboxServer(uvicorn.Server):
    """
    Serves one sandbox until `should_exit` is set; leaves signals to the caller.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        app = create_app(settings)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=HangUpProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        self._stopping: asyncio.Event = app.state.stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """
        Nothing: uvicorn would raise the signal again once it is done, and a stopped sandbox exits with 0.
        """
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """
        End the connections that are held, then the others.
        """
        self._stopping.set()
        await super().shutdown(sockets)


async def serve(settings: SandboxSettings) -> None:
    """
    Serve until SIGTERM or SIGINT, then close what is open.

    Raises:
        SystemExit: if it cannot start, for one because the port is taken.
    """
    server = SandboxServer(settings)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve()


def run(settings: SandboxSettings) -> int:
    """
    Serve until SIGTERM or SIGINT; the exit code: 1 if it cannot start.
    """
    try:
        asyncio.run(serve(settings))
    except SystemExit:
        return 1
    return 0
