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


class IssuerKeys:
    """
    The keys of one issuer, for one event loop.

    A key that appears is used at once, a key that disappears for at most the lifetime. An issuer that is away makes no
    difference to keys that are known, for a day.
    """

    def __init__(self, jwt: Jwt, clock: Clock = time.monotonic, patience: timedelta = PATIENCE) -> None:
        self._jwt = jwt
        self._clock = clock
        self._patience = patience.total_seconds()
        self._keys: Keys = {}
        self._fetched_at = self._failed_at = self._asked_at = -math.inf
        self._is_failing = False
        self._fetching = asyncio.Lock()

    async def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """
        The key of this id for this algorithm; None when the issuer has no such key.

        Raises:
            KeysUnavailable: nobody can tell.
        """
        if self._is_due():
            # While the issuer is away one request waits to find out whether it is back, not all of them.
            if not (self._fetching.locked() and self._is_failing and kid in self._usable):
                await self._renew()
        elif kid not in self._usable and self._may_ask():
            await self._ask()
        if kid not in self._usable and self._is_failing:
            raise KeysUnavailable
        return self._usable.get(kid, {}).get(algorithm)

    @property
    def _usable(self) -> Keys:
        return self._keys if self._is_younger_than(LAST_KEYS_ARE_GOOD_FOR) else {}

    def _is_younger_than(self, age: timedelta) -> bool:
        return self._clock() - self._fetched_at < age.total_seconds()

    def _is_due(self) -> bool:
        return self._may_try() and not self._is_younger_than(self._jwt.jwks_lifetime)

    def _may_ask(self) -> bool:
        return self._may_try() and self._clock() - self._asked_at >= UNKNOWN_KEY_PAUSE.total_seconds()

    def _may_try(self) -> bool:
        return self._clock() - self._failed_at >= RETRY_PAUSE.total_seconds()

    async def _renew(self) -> None:
        """One fetch at a time: for whoever waited for it, there is nothing left to do."""
        async with self._fetching:
            if self._is_due():
                await self._fetch()

    async def _ask(self) -> None:
        """The same for a key that appeared since the last fetch, or that somebody made up."""
        async with self._fetching:
            if self._may_ask():
                await self._fetch()
                self._asked_at = self._clock()

    async def _fetch(self) -> None:
        try:
            self._keys = read_keys(await _body_of(self._jwt.jwks_url, self._patience), self._jwt.algorithms)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, _BadAnswer) as error:
            self._failed_at, self._is_failing = self._clock(), True
            _log.warning("jwks_unavailable", reason=str(error) if isinstance(error, _BadAnswer) else _name(error))
        else:
            self._fetched_at, self._is_failing = self._clock(), False
            _log.info("jwks_fetched", keys=len(self._keys))


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


def _name(error: Exception) -> str:
    return type(error).__name__
