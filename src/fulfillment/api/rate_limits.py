"""
How often one caller may ask.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from limits import RateLimitItem, WindowStats, parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter

from fulfillment.api.problems import Problem
from fulfillment.api.rate_storage import OUTAGES, OwnCounts, SharedCounts
from fulfillment.domain.identity import Principal
from fulfillment.settings import Limits

REFUSED = Counter("fulfillment_rate_limited", "Requests refused because their caller asked too often.")
UNSHARED = Counter(
    "fulfillment_rate_limit_unavailable", "Requests that were not counted for all processes: Redis was away."
)

# A Redis nearby answers within a millisecond. What takes this long is away, and no limit is worth a slow request.
_PATIENCE_SECONDS = 0.25
_WARN_EVERY_SECONDS = 60.0

_log = structlog.stdlib.get_logger(__name__)


class RateLimits:
    """
    Counts the requests of each caller, in a sliding window.

    In the memory of this process, or in a Redis for all processes together. While Redis is away every process counts
    for itself, so that nobody is refused who would not be refused otherwise. Redis is asked again every `pause`, by
    one request; the others do not wait for it.

    Raises:
        UnusableRateStorage: Redis is configured, but its client is not installed.
    """

    def __init__(self, limits: Limits, *, pause: timedelta = timedelta(seconds=5)) -> None:
        self._item: RateLimitItem | None = None if limits.rate == "off" else parse(limits.rate)
        self._own = OwnCounts()
        self._shared = SharedCounts(limits.storage.get_secret_value()) if self._item and limits.storage else None
        self._pause = pause.total_seconds()
        self._away_until = 0.0
        self._warned_at = -math.inf

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """
        Count for as long as the block runs.

        Raises:
            UnusableRateStorage: see `SharedCounts.running`.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._own.running())
            if self._shared:
                await stack.enter_async_context(self._shared.running())
            yield

    async def count(self, principal: Principal) -> Mapping[str, str]:
        """
        Count a request of this caller; the `RateLimit` headers of its answer.

        Raises:
            Problem: the caller has asked too often.
        """
        if self._item is None:
            return {}
        # The label: who a token stands for may be a person, whose name does not belong into a shared storage.
        allowed, stats = await self._hit(self._item, principal.label)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        headers = _headers(self._item, stats.remaining, reset)
        if not allowed:
            REFUSED.inc()
            detail = f"at most {self._item.amount} requests in {self._item.get_expiry()} s; ask again in {reset} s"
            raise Problem("rate_limited", detail, headers={**headers, "Retry-After": str(reset)})
        return headers

    async def _hit(self, item: RateLimitItem, caller: str) -> tuple[bool, WindowStats]:
        if self._shared:
            shared = await self._hit_shared(self._shared, item, caller)
            if shared:
                return shared
            UNSHARED.inc()
        return await _counted(SlidingWindowCounterRateLimiter(self._own.storage), item, caller)

    async def _hit_shared(
        self, shared: SharedCounts, item: RateLimitItem, caller: str
    ) -> tuple[bool, WindowStats] | None:
        now = time.monotonic()
        if now < self._away_until:
            return None
        if self._away_until:
            self._away_until = now + self._pause
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await _counted(SlidingWindowCounterRateLimiter(shared.storage), item, caller)
        except OUTAGES as error:
            self._away_until = now + self._pause
            self._warn(now, error)
            return None
        self._away_until = 0.0
        return answer

    def _warn(self, now: float, error: BaseException) -> None:
        if now - self._warned_at >= _WARN_EVERY_SECONDS:
            self._warned_at = now
            _log.warning("rate_limit_storage_unavailable", error=type(error).__name__)


async def _counted(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, caller: str
) -> tuple[bool, WindowStats]:
    allowed = await limiter.hit(item, caller)
    return allowed, await limiter.get_window_stats(item, caller)


def _headers(item: RateLimitItem, remaining: int, reset: int) -> Mapping[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers has them: quota and window, what remains and for how many seconds."""
    return {
        "RateLimit-Policy": f'"default";q={item.amount};w={item.get_expiry()}',
        "RateLimit": f'"default";r={remaining};t={reset}',
    }
