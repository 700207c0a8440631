"""
From an `Authorization` header to the caller it stands for.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

from prometheus_client import Counter
from starlette.datastructures import Headers

from fulfillment.api.identity.keys import Checked, KeyRegister
from fulfillment.api.identity.tokens import TokenVerifier
from fulfillment.api.problems import Problem
from fulfillment.api_key import MARK
from fulfillment.domain.identity import Principal
from fulfillment.settings import Settings

AUTHENTICATIONS = Counter(
    "fulfillment_authentications",
    "Credentials of requests; `remembered`: a key that was good lately, taken without the database.",
    ["method", "outcome"],
)

Method = Literal["key", "jwt"]

_BEARER = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def unauthorized(detail: str) -> Problem:
    """No credentials, or none that count. Never says which part of them is wrong: that would help to guess."""
    return Problem("unauthorized", detail, headers=_CHALLENGE)


class Authenticator:
    """API keys and JWTs, told apart by what they begin with."""

    def __init__(self, keys: KeyRegister, tokens: TokenVerifier | None) -> None:
        self._keys = keys
        self._tokens = tokens

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say: JWTs only where their issuer is configured."""
        return cls(KeyRegister.of(settings.database), TokenVerifier(settings.jwt) if settings.jwt else None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close everything at the end, after the last request."""
        async with self._keys.running():
            yield

    async def principal(self, headers: Headers) -> Principal:
        """
        Who asks.

        Raises:
            Problem: the credentials are missing or not good (401), or cannot be checked now (503).
        """
        text = _bearer(headers)
        if text is None:
            AUTHENTICATIONS.labels("none", "bad").inc()
            raise unauthorized("send one header `Authorization: Bearer <API key or JWT>`")
        method: Method = "key" if text.startswith(MARK) else "jwt"
        try:
            checked = await self._check(method, text)
        except Problem:
            AUTHENTICATIONS.labels(method, "unavailable").inc()
            raise
        AUTHENTICATIONS.labels(method, checked.outcome).inc()
        if checked.principal is None:
            raise unauthorized("the API key or JWT is not valid here: unknown, expired, revoked or meant for others")
        return checked.principal

    async def _check(self, method: Method, text: str) -> Checked:
        if method == "key":
            return await self._keys.check(text)
        return Checked(await self._tokens.principal(text) if self._tokens else None)


def _bearer(headers: Headers) -> str | None:
    values = headers.getlist("authorization")
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    return match[1] if match else None
