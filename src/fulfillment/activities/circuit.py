"""
Whether a provider that keeps failing is asked again now.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog

from fulfillment.telemetry.metrics import PROVIDER_CIRCUIT_OPEN

_log = structlog.stdlib.get_logger(__name__)


class Changed(Protocol):
    """Is told that a circuit has opened or closed."""

    def __call__(self, *, is_open: bool) -> None:
        """It is so from now on; called once at the beginning."""


class Circuit:
    """
    Opens after so many `failures` of a provider in a row, whatever it was asked for. While it is open one attempt per
    `pause` is admitted, and any answer closes it. A pause of 0 admits everything.

    Not for threads: the attempts of a process share one event loop.
    """

    def __init__(
        self,
        *,
        failures: int,
        pause: timedelta,
        changed: Changed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._pause = pause.total_seconds()
        self._changed = changed
        self._clock = clock
        self._in_a_row = 0
        self._next: float | None = None
        changed(is_open=False)

    @property
    def holds_back(self) -> bool:
        """An attempt would not be admitted now."""
        return self._next is not None and self._clock() < self._next

    def admits(self) -> bool:
        """Whether an attempt may be made now. While the circuit is open, it is the one of this pause."""
        if self.holds_back:
            return False
        if self._next is not None:
            self._next = self._clock() + self._pause
        return True

    def failed(self) -> None:
        """The provider did not answer an attempt."""
        self._in_a_row += 1
        if self._in_a_row >= self._most and self._next is None:
            self._next = self._clock() + self._pause
            self._changed(is_open=True)

    def answered(self) -> None:
        """The provider answered, be it with a refusal."""
        self._in_a_row = 0
        if self._next is not None:
            self._next = None
            self._changed(is_open=False)


def reporting(queue: str, provider: str) -> Changed:
    """Tells whoever looks after the service that a provider's circuit has opened or closed."""
    gauge = PROVIDER_CIRCUIT_OPEN.labels(queue, provider)
    before = False

    def report(*, is_open: bool) -> None:
        nonlocal before
        gauge.set(is_open)
        if is_open:
            _log.warning("provider_circuit_opened", queue=queue, provider=provider)
        elif before:
            _log.info("provider_circuit_closed", queue=queue, provider=provider)
        before = is_open

    return report
