"""
JWTs of one issuer: signed by a key it publishes, meant for us, and still good.

Follows RFC 8725 (best current practices): the algorithm comes from the settings and the key, never from the token
alone; keys come from the issuer's address alone, whatever a header embeds or points to.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import jwt
import structlog
from jwt import PyJWK
from prometheus_client import Counter

from fulfillment.api.identity.claims import BadClaim, ClaimReader
from fulfillment.api.identity.jwks import LONGEST_ID, IssuerKeys, KeysUnavailable
from fulfillment.api.problems import Problem
from fulfillment.domain.identity import Principal
from fulfillment.settings import Jwt

REFUSED = Counter("fulfillment_jwt_refused", "JWTs that were not good, by what was wrong first.", ["reason"])

_LONGEST_TOKEN = 8 * 1024
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY_ID = re.compile(rf"[ -~]{{1,{LONGEST_ID}}}")
# A logout token or a security event of the same issuer is signed as well, but lets nobody in.
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
_REQUIRED = ["iss", "aud", "exp", "sub"]
_TIMES = ("exp", "iat", "nbf")
_LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())

_REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "early",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidSignatureError: "signature",
    jwt.MissingRequiredClaimError: "claims",
}

_log = structlog.stdlib.get_logger(__name__)


class _Refused(Exception):
    """A token is not good. The reason is one word, for logs and metrics; callers are never told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _StrictJwt(jwt.PyJWT):
    """PyJWT, except that it takes payloads from `_object` alone."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        return _object(decoded["payload"])


class TokenVerifier:
    """Knows whom a JWT stands for."""

    def __init__(self, jwt: Jwt) -> None:
        self._jwt = jwt
        self._keys = IssuerKeys(jwt)
        self._reader = ClaimReader(jwt)
        self._decoder = _StrictJwt()

    async def principal(self, token: str) -> Principal | None:
        """
        Whom the token stands for; None when it is not good.

        Raises:
            Problem: the issuer's keys cannot be had (503).
        """
        try:
            kid, algorithm = self._wanted_key(token)
            key = await self._keys.find(kid, algorithm)
            if key is None:
                raise _Refused("key")  # noqa: TRY301 - one place that counts refusals
            return self._reader.principal(self._claims(token, key))
        except KeysUnavailable:
            raise Problem.unavailable("issuer of JWTs") from None
        except _Refused as refused:
            reason = refused.reason
        except BadClaim as bad:
            reason = str(bad)
        REFUSED.labels(reason).inc()
        _log.debug("jwt_refused", reason=reason)
        return None

    def _wanted_key(self, token: str) -> tuple[str, str]:
        """The id of the key that is said to have signed a token, and the algorithm."""
        if len(token) > _LONGEST_TOKEN:
            raise _Refused("size")
        if not _FORM.fullmatch(token):
            raise _Refused("form")
        header = _header(token)
        kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
        if algorithm not in self._jwt.algorithms:
            raise _Refused("algorithm")
        if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
            raise _Refused("kid")
        # `crit` names extensions that must be understood: we understand none.
        if "crit" in header or not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise _Refused("header")
        return kid, str(algorithm)

    def _claims(self, token: str, key: PyJWK) -> dict[str, Any]:
        """What the token says, once its signature, times, issuer and audience are found good."""
        try:
            claims = self._decoder.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._jwt.audience,
                issuer=self._jwt.issuer,
                leeway=self._jwt.clock_skew,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except Exception as error:  # noqa: BLE001 - whatever a library stumbles over, the token is at fault
            raise _Refused(_REASONS.get(type(error), "malformed")) from None
        if not all(_is_time(claims[name]) for name in _TIMES if name in claims):
            raise _Refused("claims")
        return claims


def _header(token: str) -> dict[str, Any]:
    segment = token.partition(".")[0]
    try:
        return _object(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):
        raise _Refused("header") from None


def _object(document: bytes) -> dict[str, Any]:
    """
    A JSON object in UTF-8 in which no name is there twice: the next parser might take the other value.

    Raises:
        ValueError: it is something else.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(document.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - as everything else that is wrong with it
    return value


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name twice")
    return value


def _no_constant(name: str) -> None:
    """JSON has no NaN and no Infinity, Python's parser does."""
    raise ValueError(name)


def _is_time(value: object) -> bool:
    """Whole seconds since 1970. The library also takes texts and truth values, and what is beyond any calendar."""
    return type(value) is int and 0 <= value <= _LAST_SECOND
