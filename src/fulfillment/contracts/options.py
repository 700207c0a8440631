"""
How long each kind of step may take and how it is retried; in one place, so that they can be compared.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

_FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=60)
"""Between two attempts of a remote step."""

_SLOW = RetryPolicy(initial_interval=_FIRST_PAUSE, backoff_coefficient=2.0, maximum_interval=LONGEST_PAUSE)


class LocalOptions(TypedDict):
    """Keyword arguments of a local activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class RemoteOptions(TypedDict):
    """Keyword arguments of a remote activity, without its queue."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


# Short: a local activity that retries keeps queries and Updates waiting (measured: 6 to 8 s).
DATABASE_LOCAL: LocalOptions = {
    "start_to_close_timeout": timedelta(seconds=5),
    "schedule_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=1), maximum_attempts=3
    ),
}

# No schedule-to-close and no maximum of attempts: both would also end an order because our own side was away.
DATABASE_REMOTE: RemoteOptions = {"start_to_close_timeout": timedelta(seconds=30), "retry_policy": _SLOW}

PROVIDER: RemoteOptions = {"start_to_close_timeout": timedelta(seconds=30), "retry_policy": _SLOW}


def pause_after(attempt: int) -> timedelta:
    """The pause between an attempt of a provider step (1 is the first) and the next."""
    # Beyond the tenth it is the longest anyway, and a power of a large number takes its time.
    pause: timedelta = _FIRST_PAUSE * 2 ** min(attempt - 1, 10)
    return min(pause, LONGEST_PAUSE)


def attempts_within(patience: timedelta) -> int:
    """How many attempts of a provider step in a row take about this long; at least one, so that it is tried at all."""
    attempts, left = 0, patience
    while (pause := pause_after(attempts + 1)) < LONGEST_PAUSE and pause <= left:
        attempts += 1
        left -= pause
    return max(1, attempts + left // LONGEST_PAUSE)
