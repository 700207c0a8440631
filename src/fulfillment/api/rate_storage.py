"""
Where requests are counted: in the memory of this process, or in a Redis that all processes share.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.errors import StorageError

from fulfillment.process import CannotStart

OUTAGES = (StorageError, OSError, TimeoutError)
"""What asking Redis raises while it is away."""

_SWEEP_SECONDS = 10.0
# Two counters per active caller, about 500 bytes each: far more callers than one process can serve.
_MOST_COUNTERS = 100_000
_CONNECTIONS = 20

_log = structlog.stdlib.get_logger(__name__)


class UnusableRateStorage(CannotStart):
    """The Redis that is configured cannot count, and starting again will not help; `reason` says why."""

    code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(f"FULFILLMENT_LIMITS__STORAGE: {reason}")


class OwnCounts:
    """
    Counters of this process alone.

    `limits` would look through all counters after every request, which takes longer than the request itself as soon
    as there are thousands of callers. Here they are looked through every ten seconds, and there are never many more
    than `most`.
    """

    def __init__(self, most: int = _MOST_COUNTERS) -> None:
        self.storage = MemoryStorage()
        self._most = most

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forget what has expired for as long as the block runs."""
        self.storage.timer = sweeper = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    async def forget(self) -> None:
        """Drop the counters that have expired; when too many are left, those that expire next."""
        now, left = time.time(), len(self.storage.expirations)
        for key, expires in sorted(self.storage.expirations.items(), key=lambda item: item[1]):
            if expires > now and left <= self._most:
                return
            await self.storage.clear(key)
            left -= 1

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.forget()


class SharedCounts:
    """
    Counters in Redis.

    Raises:
        UnusableRateStorage: the client for Redis is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from redis import asyncio as redis  # noqa: PLC0415 - an extra: most installations have no Redis
            from redis.asyncio.retry import Retry  # noqa: PLC0415 - the same
            from redis.backoff import NoBackoff  # noqa: PLC0415 - the same
        except ImportError:
            raise UnusableRateStorage("needs the extra `redis`: pip install 'order-fulfillment[redis]'") from None
        # A connection that Redis closed while it was idle is replaced at once; more patience is the caller's business.
        self._pool = redis.BlockingConnectionPool.from_url(
            url, max_connections=_CONNECTIONS, retry=Retry(NoBackoff(), 1)
        )
        self._client = redis.Redis(connection_pool=self._pool)
        self.storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            wrap_exceptions=True,
            key_prefix="fulfillment",
            connection_pool=self._pool,  # type: ignore[arg-type]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """
        Connections for as long as the block runs.

        Raises:
            UnusableRateStorage: on entering, Redis refuses us, or it is no Redis.
        """
        try:
            await self._greet()
            yield
        finally:
            await self._pool.aclose()

    async def _greet(self) -> None:
        from redis import exceptions  # noqa: PLC0415 - see above

        try:
            async with asyncio.timeout(1):
                await self._client.ping()
        except (exceptions.AuthenticationError, exceptions.ResponseError, exceptions.InvalidResponse) as error:
            raise UnusableRateStorage(f"what answers there refuses us ({type(error).__name__})") from None
        except (exceptions.RedisError, *OUTAGES) as error:
            _log.warning("rate_limit_storage_unavailable", error=type(error).__name__)
