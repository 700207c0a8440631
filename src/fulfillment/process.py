"""
What every long-running process has in common: it stops on SIGTERM or SIGINT, in its own time, with exit code 0.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


class CannotStart(Exception):
    """
    A process cannot do its work, for a reason that is not in our code; the message says what to do.

    `code` is the exit code: 1 when starting again later may help, 2 when somebody has to change a setting.
    """

    code = 1


class CannotListen(CannotStart):
    """An address is not to be had; `setting` is the variable that chooses its port."""

    def __init__(self, host: str, port: int, setting: str, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        super().__init__(f"cannot listen on {host}:{port} ({reason}): stop what uses it, or set {setting}")


@asynccontextmanager
async def stop_signal() -> AsyncIterator[asyncio.Event]:
    """An event that is set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def first() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, first)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, None]) -> None:
    """
    Run a process that may talk to Temporal to its end.

    The SDK's clients must be gone before the interpreter exits: one exit in three crashes otherwise.
    """
    asyncio.run(_collected(main))


async def _collected(main: Coroutine[Any, Any, None]) -> None:
    try:
        await main
    finally:
        del main
        gc.collect()
