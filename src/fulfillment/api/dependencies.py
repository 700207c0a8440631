"""
What routes ask for in their signatures.
"""

import re
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from fulfillment.api.headers import preferred_wait, unquoted_key
from fulfillment.api.problems import Problem
from fulfillment.api.resources import ApiResources
from fulfillment.domain.errors import OrderNotFound
from fulfillment.domain.identity import Principal
from fulfillment.domain.ids import OrderId

# FastAPI runs plain functions in a thread each; all of these are too small for that.
_TAGS = re.compile(r'\s*(?:W/)?"[!#-~]*"\s*(?:,\s*(?:W/)?"[!#-~]*"\s*)*')
_VERSION = re.compile(r'(?<!W/)"(\d{1,9})"')


async def _resources(request: Request) -> ApiResources:
    resources: ApiResources = request.app.state.resources
    return resources


async def _caller(request: Request) -> Principal:
    """Who asks: every key is of its caller, and the timeline names them."""
    principal: Principal = request.state.principal
    return principal


async def _order_id(
    order_id: Annotated[
        UUID,
        Path(description="The `id` of its receipt.", examples=["6f1c1d5e-2b52-5c39-9a55-0c6f8a3d7b10"]),
    ],
    caller: Annotated[Principal, Depends(_caller)],
    resources: Annotated[ApiResources, Depends(_resources)],
) -> OrderId:
    """An order that exists for the caller: every route of an order asks for it by this."""
    structlog.contextvars.bind_contextvars(order_id=str(order_id))
    found = OrderId(order_id)
    if caller.customer_id is not None:
        order = await resources.changes.read(found)
        if not caller.sees_orders_of(order.customer_id):
            raise OrderNotFound(found)
    return found


_KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Bare or in double quotes, 1 to 255 visible ASCII characters. The same key never acts twice.",
        examples=["2f6b0c58-5a6e-4b7c-8f0e-64b7e9a3d911"],
        json_schema_extra={"pattern": r'^(?:[!#-~][!-~]{0,254}|"[!#-\[\]-~]{1,255}")$'},
    ),
]


async def _idempotency_key(request: Request, _: _KeyHeader = None) -> str:
    key = _key_in(request)
    if not key:
        raise Problem("idempotency_key_missing", "send an Idempotency-Key header: a new one for every new intention")
    return key


async def _given_key(request: Request, _: _KeyHeader = None) -> str | None:
    key = _key_in(request)
    # Whoever sends one without a value thinks that repeating is safe.
    if key is None and "idempotency-key" in request.headers:
        raise _no_key()
    return key


def _no_key() -> Problem:
    return Problem.field("Idempotency-Key", "use 1 to 255 visible ASCII characters, bare or in double quotes")


def _key_in(request: Request) -> str | None:
    values = request.headers.getlist("idempotency-key")
    if len(values) > 1:
        raise Problem.field("Idempotency-Key", "send this header once")
    key = unquoted_key(values[0]) if values else ""
    if key is None:
        raise _no_key()
    return key or None


async def _expected(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="The `ETag` the change is based on; several, separated by commas; or `*`.",
            examples=['"7"'],
            json_schema_extra={"pattern": rf"^(?:\*|{_TAGS.pattern})$"},
        ),
    ] = None,
) -> frozenset[int] | None:
    """The versions an `If-Match` header allows (strong comparison); None: any, or no header."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not _TAGS.fullmatch(if_match):
        raise Problem.field("If-Match", "must be the ETag of an earlier answer, in double quotes, or *")
    return frozenset(int(version) for version in _VERSION.findall(if_match))


async def _wait(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="`wait=N`: hold the answer back for at most N seconds (30). What is not understood is ignored.",
            examples=["wait=10"],
        ),
    ] = None,
) -> timedelta | None:
    return preferred_wait(request.headers.getlist("prefer"))


class NoParameters(BaseModel):
    """A route without query parameters refuses those it is given."""

    model_config = ConfigDict(extra="forbid")


Resources = Annotated[ApiResources, Depends(_resources)]
OrderIdInPath = Annotated[OrderId, Depends(_order_id)]
Caller = Annotated[Principal, Depends(_caller)]
IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
GivenKey = Annotated[str | None, Depends(_given_key)]
Expected = Annotated[frozenset[int] | None, Depends(_expected)]
"""The versions a change may be based on; None: any."""
Wait = Annotated[timedelta | None, Depends(_wait)]
NoQuery = Annotated[NoParameters, Query()]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="`ETag`s of versions the caller has: 304 when the current one is among them.",
        examples=['"7"'],
    ),
]
