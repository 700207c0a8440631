"""
What the claims of a JWT say about its caller.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fulfillment.api.schemas.common import Text100
from fulfillment.domain.identity import Principal, Scope, is_role
from fulfillment.settings import Jwt

_CUSTOMER: TypeAdapter[str] = TypeAdapter(Text100)
_SUBJECT = re.compile(r"[!-~]{1,200}")


class BadClaim(Exception):
    """A claim is there, but cannot be what it should be; names which kind."""


class ClaimReader:
    """
    From verified claims to a principal, as the settings say.

    A value that means nothing to us is ignored, as tokens are made for more services than this one. A claim of the
    wrong type is not: nobody can tell what its issuer meant, and guessing could widen what the caller may do.
    """

    def __init__(self, jwt: Jwt) -> None:
        self._jwt = jwt

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """
        Whom the claims describe.

        Raises:
            BadClaim: one of them is malformed.
        """
        return Principal(
            id=f"jwt:{self._jwt.issuer}#{_subject(claims)}",
            scopes=self._scopes(_values(claims, self._jwt.scope_claim, "scopes")),
            roles=self._roles(_values(claims, self._jwt.roles_claim, "roles")),
            customer_id=self._customer(claims),
        )

    def _scopes(self, values: frozenset[str]) -> frozenset[Scope]:
        mapping = self._jwt.scopes
        if mapping is None:
            return frozenset(scope for scope in Scope if scope in values)
        return frozenset(scope for value in values for scope in mapping.get(value, ()))

    def _roles(self, values: frozenset[str]) -> frozenset[str]:
        mapping = self._jwt.roles
        if mapping is None:
            return frozenset(filter(is_role, values))
        return frozenset(role for value in values for role in mapping.get(value, ()))

    def _customer(self, claims: Mapping[str, Any]) -> str | None:
        """Only a missing claim means that a caller is not bound; null is a mistake of the issuer."""
        if self._jwt.customer_claim not in claims:
            return None
        try:
            return _CUSTOMER.validate_python(claims[self._jwt.customer_claim], strict=True)
        except ValidationError:
            raise BadClaim("customer") from None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not _SUBJECT.fullmatch(subject):
        raise BadClaim("subject")
    return str(subject)


def _values(claims: Mapping[str, Any], name: str, kind: str) -> frozenset[str]:
    """A list of texts, or one text with spaces between."""
    value = claims.get(name, [])
    values = value.split() if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise BadClaim(kind)
    return frozenset(values)
