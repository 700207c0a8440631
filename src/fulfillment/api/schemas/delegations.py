"""
Delegations, as callers send them and are told about them.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.approvals import Role
from fulfillment.api.schemas.common import Actor, Body, Instant, View
from fulfillment.api.schemas.orders import PageQuery
from fulfillment.db.delegations import Delegation, Direction

LONGEST = timedelta(days=366)
_MOST_ROLES = 50
_LONGEST_PERSON = 300
_PERSON = r"^(?:key:[a-z0-9][a-z0-9._-]{0,62}|jwt:[!-~]+#[!-~]+)$"


def _person(value: str) -> str:
    if not re.fullmatch(_PERSON, value):
        msg = "must be key:NAME of a caller with an API key, or jwt:ISSUER#SUBJECT of one with a JWT"
        raise PydanticCustomError("person", msg)
    return value


Person = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_PERSON),
    AfterValidator(_person),
    Field(json_schema_extra={"pattern": _PERSON}),
]


class DelegationBody(Body):
    """For how long somebody may decide for the caller, and with which roles."""

    delegate: Person
    """Who may: `key:NAME` of an API key's caller, `jwt:ISSUER#SUBJECT` of a JWT's."""
    starts_at: Instant = Field(alias="from")
    """From then on."""
    ends_at: Instant = Field(alias="until")
    """Until just before then: in the future, after `from`, and at most 366 days later."""
    roles: Annotated[list[Role], Field(min_length=1, max_length=_MOST_ROLES)] | None = None
    """Some of the caller's own roles; all of them when left out."""

    @field_validator("ends_at")
    @classmethod
    def _is_some_time(cls, ends_at: datetime, info: ValidationInfo) -> datetime:
        starts_at = info.data.get("starts_at")
        if starts_at is not None and not starts_at < ends_at <= starts_at + LONGEST:
            raise PydanticCustomError("some_time", "must be after from, and at most 366 days later")
        return ends_at


class DelegationQuery(PageQuery):
    """Whose delegations, and which part of them."""

    direction: Direction = Field(
        default="given",
        description="`given`: what the caller has delegated. `received`: what was delegated to them.",
        examples=["received"],
    )


class DelegationOut(View):
    """For a time somebody decides in the right of somebody else."""

    id: UUID
    delegator: Actor
    delegate: Actor
    roles: list[str]
    """Those that were delegated. What the delegator has lost since then is not lent any more."""
    starts_at: datetime = Field(serialization_alias="from")
    ends_at: datetime = Field(serialization_alias="until")
    revoked_at: datetime | None
    """Since when it lends nothing, whatever `until` says."""

    @classmethod
    def of(cls, delegation: Delegation) -> Self:
        return cls(
            id=delegation.id,
            delegator=delegation.delegator,
            delegate=delegation.delegate,
            roles=list(delegation.roles),
            starts_at=delegation.starts_at,
            ends_at=delegation.ends_at,
            revoked_at=delegation.revoked_at,
        )
