"""
API keys: every request asks the database; only while it is away, keys that were good lately are remembered.

Anybody can make keys up, and each one costs a query. So keys are looked up on connections of their own, of which those
that were not seen good have a share: they can take neither the other routes' connections nor those of known callers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self

import structlog

from fulfillment.api.identity.last_use import LastUses
from fulfillment.api.identity.places import Places
from fulfillment.api.problems import RETRY_SECONDS, Problem
from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database, connect
from fulfillment.db.outages import is_outage
from fulfillment.db.principals import KnownKey
from fulfillment.domain.identity import Principal
from fulfillment.settings import Database as DatabaseSettings

REMEMBERED = timedelta(minutes=5)
"""How long a key outlives the database's last word on it; callers were promised this, operators that it is no more."""
PATIENCE = timedelta(seconds=2)
"""Longer than any healthy look-up takes, shorter than a caller's patience."""
PAUSE = timedelta(seconds=1)
"""Between two attempts to reach a database that is away: as long, a revoked key may live once it is back."""
MOST_REMEMBERED = 10_000

SEEN_GOOD_AT_ONCE = 4
"""Look-ups of keys that were good the last time; one takes about a millisecond."""
OTHERS_AT_ONCE = 3
TURN_OF_SEEN_GOOD, TURN_OF_OTHERS = timedelta(seconds=5), timedelta(seconds=2)
"""How long they wait, then 503: only an overloaded process, or a crowd of made-up keys, takes as long."""
CONNECTIONS = SEEN_GOOD_AT_ONCE + OTHERS_AT_ONCE + 1
"""One for each look-up, so that none waits for another one's and takes that for an outage; one to note uses."""

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
    """
    Knows whose a key is; belongs to one event loop.

    The pool has at least `CONNECTIONS` and serves nobody else; it is closed at the end of `running`. The clock counts
    seconds and never goes back; `most` keys are remembered.
    """

    def __init__(self, database: Database, clock: Clock = time.monotonic, *, most: int = MOST_REMEMBERED) -> None:
        self._database = database
        self._clock = clock
        self._seen_good = Places(SEEN_GOOD_AT_ONCE, TURN_OF_SEEN_GOOD)
        self._others = Places(OTHERS_AT_ONCE, TURN_OF_OTHERS)
        self._outage = _Outage(clock)
        self._memory = _Memory(clock, most)
        self._uses = LastUses(database)
        self._asking: set[asyncio.Task[KnownKey | None]] = set()

    @classmethod
    def of(cls, settings: DatabaseSettings) -> Self:
        """With connections of its own, opened when they are first needed."""
        own = settings.model_copy(update={"pool_size": CONNECTIONS})
        return cls(connect(own, application="fulfillment-api-keys"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close everything at the end, after the last request."""
        try:
            yield
        finally:
            await self._uses.close()
            await self._database.close()

    async def check(self, text: str) -> Checked:
        """
        Whose key this is.

        Raises:
            Problem: nobody can tell while the database is away, or too many ask at once.
        """
        key = ApiKey.read(text)
        if key is None:
            return Checked(None)
        places = self._seen_good if self._memory.has(key) else self._others
        if not await self._may_ask(places):
            return self._unasked(key)
        asked_at = self._clock()
        try:
            known = await self._ask(key, places)
        except Exception as error:
            if not is_outage(error):
                raise
            self._outage_goes_on(error)
            return self._unasked(key)
        self._outage.is_over()
        self._memory.note(key, known, asked_at)
        if known is not None and known.use_is_news:
            self._uses.note(key)
        return Checked(known.principal if known else None)

    async def _may_ask(self, places: Places) -> bool:
        """Whether it is this request's turn; then it has taken a place."""
        if not self._outage.is_time_to_ask or (self._outage.is_on and places.are_taken):
            return False
        if not await places.take():
            return False
        # An outage may have begun while this one waited: then a single request asks.
        if not self._outage.may_ask():
            places.give_back()
            return False
        return True

    def _outage_goes_on(self, error: Exception) -> None:
        self._outage.goes_on(error)
        for places in (self._seen_good, self._others):
            places.send_away()

    def _unasked(self, key: ApiKey) -> Checked:
        """From memory while the database is away. Only then: a key that was revoked is not to live on in a crowd."""
        if not self._outage.is_on:
            detail = "more API keys are being checked than can be at once; repeat the same request"
            raise Problem("unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})
        principal = self._memory.recall(key)
        if principal is None:
            raise Problem.unavailable("database")
        return Checked(principal, remembered=True)

    async def _ask(self, key: ApiKey, places: Places) -> KnownKey | None:
        """
        Raises TimeoutError after our patience, to the point: a connection that nobody answers takes some more seconds
        to close, and the request does not wait for that. Its place is free only then.
        """
        asking = asyncio.create_task(self._look_up(key))
        self._asking.add(asking)
        asking.add_done_callback(lambda asked: self._forget(asked, places))
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE.total_seconds())
        if not done:
            asking.cancel()
            raise TimeoutError
        return asking.result()

    def _forget(self, asking: asyncio.Task[KnownKey | None], places: Places) -> None:
        self._asking.discard(asking)
        places.give_back()
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
            return await principals.find(connection, key)


class _Outage:
    """
    Whether the database is away, and who asks it again: one request at a time, because each may have to wait as long
    as our patience lasts, while all others are answered from memory.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_on = False
        self._ask_at = 0.0

    @property
    def is_time_to_ask(self) -> bool:
        return not self.is_on or self._clock() >= self._ask_at

    def may_ask(self) -> bool:
        """Whether this one may; in an outage, whoever asks keeps others from it until it has had its answer."""
        if not self.is_time_to_ask:
            return False
        self._ask_at = self._clock() + (PATIENCE + PAUSE).total_seconds()
        return True

    def goes_on(self, error: Exception) -> None:
        if not self.is_on:
            _log.warning("api_keys_from_memory", error=type(error).__name__)
        self.is_on = True
        self._ask_at = self._clock() + PAUSE.total_seconds()

    def is_over(self) -> None:
        if self.is_on:
            _log.info("api_keys_from_database")
        self.is_on = False


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

    def has(self, key: ApiKey) -> bool:
        """Whether it was good the last time, however long ago."""
        return key.digest in self._known

    def recall(self, key: ApiKey) -> Principal | None:
        principal, until = self._known.get(key.digest, (None, 0.0))
        return principal if self._clock() < until else None
