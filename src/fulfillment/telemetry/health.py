"""
Whether a process lives and whether it can be given work.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import structlog

from fulfillment.telemetry.metrics import EVENT_LOOP_LAG

Check = Callable[[], Awaitable[object] | None]
"""Raises when something the process needs is not there; a plain function must not wait."""

_BEAT_SECONDS = 1.0
_OK = "ok"

_log = structlog.stdlib.get_logger(__name__)


class Phase(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Readiness:
    """`status` is the phase, or `unready` when a check fails or the event loop is stuck."""

    status: str
    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        """Work may come."""
        return self.status == Phase.READY


class Health:
    """
    Written by the event loop (phases, heartbeats, results of checks), read by any thread.

    Checks run in the loop every `interval`, each for at most `patience`; probes only read the last results.
    A loop that has not beaten for `stuck_after` is neither alive nor ready.
    """

    def __init__(
        self,
        checks: Mapping[str, Check] | None = None,
        *,
        interval: timedelta = timedelta(seconds=2),
        patience: timedelta = timedelta(seconds=2),
        stuck_after: timedelta = timedelta(seconds=10),
    ) -> None:
        self._checks = dict(checks or {})
        self._results = dict.fromkeys(self._checks, "not checked yet")
        self._interval = interval.total_seconds()
        self._patience = patience.total_seconds()
        self._stuck_after = stuck_after.total_seconds()
        self._phase = Phase.STARTING
        self._last_beat = time.monotonic()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Beat and check for as long as the block runs."""
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._keep_checking())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def mark_ready(self) -> None:
        """Started: work may come as soon as every check passes."""
        self._phase = Phase.READY

    def mark_draining(self) -> None:
        """Stopping: no more work, please."""
        self._phase = Phase.DRAINING

    @property
    def is_alive(self) -> bool:
        """The event loop runs."""
        return time.monotonic() - self._last_beat < self._stuck_after

    def readiness(self) -> Readiness:
        """Whether work may come, and which check says otherwise."""
        checks = dict(self._results)
        if not self.is_alive:
            checks["event_loop"] = "stuck"
        sound = all(result == _OK for result in checks.values())
        status = "unready" if self._phase is Phase.READY and not sound else str(self._phase)
        return Readiness(status, checks)

    async def _beat(self) -> None:
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)
            EVENT_LOOP_LAG.set(max(0.0, time.monotonic() - self._last_beat - _BEAT_SECONDS))

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.gather(*(self._run(name, check) for name, check in self._checks.items()))
            await asyncio.sleep(self._interval)

    async def _run(self, name: str, check: Check) -> None:
        result = await self._result(check)
        if result != self._results[name]:
            _log.log(
                logging.INFO if result == _OK else logging.WARNING, "readiness_check_changed", check=name, result=result
            )
        self._results[name] = result

    async def _result(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._patience):
                waiting = check()
                if inspect.isawaitable(waiting):
                    await waiting
        except TimeoutError:
            return f"no answer within {self._patience:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a check raises, it says the same
            return type(error).__name__
        return _OK
