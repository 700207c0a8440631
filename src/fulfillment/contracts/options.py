"""
How long each kind of step may take and how it is retried; in one place, so that they can be compared.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

_SLOW = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60))


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
