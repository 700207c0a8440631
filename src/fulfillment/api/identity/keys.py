"""
API keys: every request asks the database; only while it is away, keys that were good lately are remembered.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from fulfillment.api.problems import Problem
from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database, Reading
from fulfillment.db.outages import is_outage
from fulfillment.db.principals import KnownKey
from fulfillment.domain.identity import Principal

REMEMBERED = timedelta(minutes=5)
"""How long a key outlives the database's last word on it; callers were promised this, operators that it is no more."""
PATIENCE = timedelta(seconds=2)
"""Longer than any healthy look-up takes, shorter than a caller's patience."""
PAUSE = timedelta(seconds=1)
"""Between two attempts to reach a database that is away: as long, a revoked key may live once it is back."""
MOST_REMEMBERED = 10_000

Clock = Callable[[], float]

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """Whose credentials these are, None when they are not good; `remembered`: the database was not there to ask."""

    principal: Principal | None
    remembered: bool = False

    @property
    def outcome(self) -> Literal["good", "bad", "remembered"]:
        """The same for counting."""
        if self.principal is None:
            return "bad"
        return "remembered" if self.remembered else "good"


class KeyRegister:
    """Knows whose a key is. The clock counts seconds and never goes back; `most` keys are remembered."""

    def __init__(self, database: Database, clock: Clock = time.monotonic, *, most: int = MOST_REMEMBERED) -> None:
        self._database = database
        self._clock = clock
        self._outage = _Outage(clock)
        self._memory = _Memory(clock, most)
        self._asking: set[asyncio.Task[KnownKey | None]] = set()

    async def check(self, text: str) -> Checked:
        """
        Whose key this is.

        Raises:
            Problem: nobody can tell while the database is away.
        """
        key = ApiKey.read(text)
        if key is None:
            return Checked(None)
        if not self._outage.may_ask():
            return self._remembered(key)
        asked_at = self._clock()
        try:
            known = await self._ask(key)
        except Exception as error:
            if not is_outage(error):
                raise
            self._outage.goes_on(error)
            return self._remembered(key)
        self._outage.is_over()
        self._memory.note(key, known, asked_at)
        return Checked(known.principal if known else None)

    def _remembered(self, key: ApiKey) -> Checked:
        principal = self._memory.recall(key)
        if principal is None:
            raise Problem.unavailable("database")
        return Checked(principal, remembered=True)

    async def _ask(self, key: ApiKey) -> KnownKey | None:
        """
        Raises TimeoutError after our patience, to the point: a connection that nobody answers takes some more seconds
        to close, and the request does not wait for that.
        """
        asking = asyncio.create_task(self._look_up(key))
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE.total_seconds())
        if not done:
            asking.cancel()
            raise TimeoutError
        return asking.result()

    def _forget(self, asking: asyncio.Task[KnownKey | None]) -> None:
        self._asking.discard(asking)
        # Looked at, whatever it was: asyncio reports errors that nobody saw, long after the request was answered.
        if not asking.cancelled():
            asking.exception()

    async def _look_up(self, key: ApiKey) -> KnownKey | None:
        try:
            return await self._look_up_once(key)
        except Exception as error:
            if not is_outage(error):
                raise
            # The pool's connections die with a server that restarts, and tell when they are used next. Only a second
            # failure says that the database is away; revoked keys are not to live on because it was for a moment.
            return await self._look_up_once(key)

    async def _look_up_once(self, key: ApiKey) -> KnownKey | None:
        async with self._database.statement() as connection:
            known = await principals.find(connection, key)
            if known is not None and known.use_is_news:
                await _note_use(connection, key)
        return known


async def _note_use(connection: Reading, key: ApiKey) -> None:
    try:
        await principals.note_use(connection, key)
    except Exception as error:
        # A database that can be read but not written is enough to know a key.
        if not is_outage(error):
            raise


class _Outage:
    """
    Whether the database is away, and who asks it again: one request at a time, because each may have to wait as long
    as our patience lasts, while all others are answered from memory.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_on = False
        self._ask_at = 0.0

    def may_ask(self) -> bool:
        if not self._is_on:
            return True
        if self._clock() < self._ask_at:
            return False
        self._ask_at = self._clock() + (PATIENCE + PAUSE).total_seconds()
        return True

    def goes_on(self, error: Exception) -> None:
        if not self._is_on:
            _log.warning("api_keys_from_memory", error=type(error).__name__)
        self._is_on = True
        self._ask_at = self._clock() + PAUSE.total_seconds()

    def is_over(self) -> None:
        if self._is_on:
            _log.info("api_keys_from_database")
        self._is_on = False


class _Memory:
    """Whose the keys are that were good lately, by their digests; the ones seen longest ago go first."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._known: dict[bytes, tuple[Principal, float]] = {}

    def note(self, key: ApiKey, known: KnownKey | None, asked_at: float) -> None:
        self._known.pop(key.digest, None)
        if known is None:
            return
        lifetime = min(REMEMBERED, known.expires_in) if known.expires_in is not None else REMEMBERED
        self._known[key.digest] = (known.principal, asked_at + lifetime.total_seconds())
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def recall(self, key: ApiKey) -> Principal | None:
        principal, until = self._known.get(key.digest, (None, 0.0))
        return principal if self._clock() < until else None
