"""
The keys an issuer signs its JWTs with: fetched when they are needed, remembered for a while.
"""

import asyncio
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx2
import structlog
from jwt import PyJWK

from fulfillment.settings import Jwt

Keys = Mapping[str, Mapping[str, PyJWK]]
"""By `kid` and algorithm: a key can only ever check what it was made for."""
Clock = Callable[[], float]
"""Seconds since some moment, never going back."""

LAST_KEYS_ARE_GOOD_FOR = timedelta(hours=24)
"""While the issuer is away: long enough to repair it, short enough that a withdrawn key dies within a day."""
UNKNOWN_KEY_PAUSE = timedelta(seconds=30)
"""Anybody can make up a `kid`, so they make us ask the issuer only so often."""
RETRY_PAUSE = timedelta(seconds=5)
"""Between two attempts to reach an issuer that does not answer."""

PATIENCE = timedelta(seconds=5)
"""For one whole fetch."""
RENEWAL = 2 * PATIENCE
"""Time for a request to come and for the fetch it begins: as long, keys older than their lifetime still count."""

LARGEST_SET = 256 * 1024
"""Bytes. The sets of large issuers, certificates included, have some 20 KiB."""
LONGEST_ID = 200
_MOST_KEYS = 200
# Compressed answers are not asked for: their size on the wire says nothing about their size in memory.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_EDWARDS = ("Ed25519", "Ed448")

_log = structlog.stdlib.get_logger(__name__)


class KeysUnavailable(Exception):
    """Whether a key is good cannot be told: the issuer does not answer, and nothing useful is remembered."""


class _BadAnswer(Exception):
    """The issuer answers, but not with a key set."""


_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, OSError, _BadAnswer)
"""What may go wrong; anything else is a mistake of ours."""


class IssuerKeys:
    """
    The keys of one issuer, for one event loop.

    A key that appears is used at once. One that disappears is used for the lifetime and `RENEWAL` at most: keys are
    renewed behind the requests, and only a request that comes later than that waits for what the issuer says now.
    While the issuer is away, known keys stay good for a day; as long as requests come, none of them waits for it.
    """

    def __init__(self, jwt: Jwt, clock: Clock = time.monotonic, patience: timedelta = PATIENCE) -> None:
        self._jwt = jwt
        self._clock = clock
        self._patience = patience.total_seconds()
        self._keys: Keys = {}
        self._fetched_at = self._failed_at = self._asked_at = -math.inf
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """
        The key of this id for this algorithm; None when the issuer has no such key.

        Raises:
            KeysUnavailable: nobody can tell.
        """
        fetching = self._fetch_for(kid)
        if fetching and not (kid in self._usable and self._has_heard_lately()):
            # Others wait for the same fetch: it goes on when this request is given up.
            await asyncio.wait({fetching})
        if kid not in self._usable and self._is_failing:
            raise KeysUnavailable
        return self._usable.get(kid, {}).get(algorithm)

    @property
    def _usable(self) -> Keys:
        return self._keys if self._clock() - self._fetched_at < LAST_KEYS_ARE_GOOD_FOR.total_seconds() else {}

    def _has_heard_lately(self) -> bool:
        """Whether the issuer was asked so lately that known keys count without asking, whatever it answered."""
        asked_at = max(self._fetched_at, self._failed_at)
        return self._clock() - asked_at < (self._jwt.jwks_lifetime + RENEWAL).total_seconds()

    def _fetch_for(self, kid: str) -> asyncio.Task[None] | None:
        """The fetch under way, or one that is begun because it is due, or because of a key that nobody knows."""
        if self._fetching is None and self._may_try():
            if self._is_due():
                self._begin()
            elif kid not in self._usable and self._may_ask():
                # It may have appeared since the last fetch, or somebody made it up.
                self._asked_at = self._clock()
                self._begin()
        return self._fetching

    def _may_try(self) -> bool:
        return self._clock() - self._failed_at >= RETRY_PAUSE.total_seconds()

    def _is_due(self) -> bool:
        return self._clock() - self._fetched_at >= self._jwt.jwks_lifetime.total_seconds()

    def _may_ask(self) -> bool:
        return self._clock() - self._asked_at >= UNKNOWN_KEY_PAUSE.total_seconds()

    def _begin(self) -> None:
        """One fetch at a time. What is under way when the process ends is cancelled with its event loop."""
        self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            self._keys = read_keys(await _body_of(self._jwt.jwks_url, self._patience), self._jwt.algorithms)
        except Exception as error:  # noqa: BLE001 - whatever it is, known keys are as good as before
            self._failed_at, self._is_failing = self._clock(), True
            unforeseen = not isinstance(error, _FAILURES)
            _log.warning("jwks_unavailable", reason=_reason(error), exc_info=unforeseen)
        else:
            self._fetched_at, self._is_failing = self._clock(), False
            _log.info("jwks_fetched", keys=len(self._keys))
        finally:
            self._fetching = None


def read_keys(body: bytes, algorithms: Collection[str]) -> Keys:
    """
    What of a JSON Web Key Set can be used with these algorithms; a key that cannot does not harm the others.

    Raises:
        _BadAnswer: it is no key set.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadAnswer("no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _BadAnswer("no key set")
    keys: dict[str, dict[str, PyJWK]] = {}
    for entry in entries[:_MOST_KEYS]:
        if not _is_for_checking(entry):
            continue
        for algorithm in _algorithms_of(entry):
            key = _key(entry, algorithm) if algorithm in algorithms else None
            if key is not None:
                keys.setdefault(entry["kid"], {}).setdefault(algorithm, key)
    return keys


def _is_for_checking(entry: object) -> bool:
    """A public key with a name that may check signatures. A private one in public is everybody's: it proves nothing."""
    if not isinstance(entry, dict) or "d" in entry:
        return False
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    named = isinstance(kid, str) and 0 < len(kid) <= LONGEST_ID
    return named and entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _algorithms_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """What fits the type of a key, and is not ruled out by its own `alg`."""
    match entry:
        case {"kty": "RSA"}:
            fitting: Collection[str] = _RSA
        case {"kty": "EC", "crv": str(curve)} if curve in _CURVES:
            fitting = (_CURVES[curve],)
        case {"kty": "OKP", "crv": str(curve)} if curve in _EDWARDS:
            fitting = ("EdDSA",)
        case _:
            fitting = ()
    return (algorithm for algorithm in fitting if entry.get("alg", algorithm) == algorithm)


def _key(entry: dict[str, Any], algorithm: str) -> PyJWK | None:
    try:
        key = PyJWK(entry, algorithm)
        too_short = key.Algorithm.check_key_length(key.key)
    except Exception:  # noqa: BLE001 - whatever a library says about numbers that are no key: it is no key
        return None
    return None if too_short else key


async def _body_of(url: str, patience: float) -> bytes:
    """The body of an answer 200. Redirects are not followed: the operator named the place keys come from."""
    async with (
        asyncio.timeout(patience),
        httpx2.AsyncClient(follow_redirects=False, timeout=patience) as http,
        http.stream("GET", url, headers=_HEADERS) as response,
    ):
        if response.status_code != 200:
            raise _BadAnswer(f"status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST_SET:
                raise _BadAnswer("too large")
        return bytes(body)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _BadAnswer) else type(error).__name__
