"""
What routes ask for in their signatures.
"""

import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict

from fulfillment.api.headers import preferred_wait, unquoted_key
from fulfillment.api.problems import Problem
from fulfillment.api.resources import ApiResources
from fulfillment.domain.ids import OrderId

ANONYMOUS = "anonymous"

# FastAPI runs plain functions in a thread each; all of these are too small for that.
_bearer = HTTPBearer(auto_error=False, description="An API key or a JWT.")
_TAGS = re.compile(r'\s*(?:W/)?"[!#-~]*"\s*(?:,\s*(?:W/)?"[!#-~]*"\s*)*')
_VERSION = re.compile(r'(?<!W/)"(\d{1,9})"')


async def _resources(request: Request) -> ApiResources:
    resources: ApiResources = request.app.state.resources
    return resources


async def _order_id(order_id: UUID) -> OrderId:
    structlog.contextvars.bind_contextvars(order_id=str(order_id))
    return OrderId(order_id)


async def _caller(_: Annotated[object, Depends(_bearer)]) -> str:
    """Who asks: every key is of its caller, and the timeline names them."""
    return ANONYMOUS


def _key_header(form: str) -> Any:  # noqa: ANN401 - what the framework declares a header with
    description = f"{form} or quoted, 1 to 255 visible ASCII characters. The same key never acts twice."
    return Header(alias="Idempotency-Key", description=description)


async def _idempotency_key(request: Request, _: Annotated[str | None, _key_header("Required; bare")] = None) -> str:
    key = _key_in(request)
    if not key:
        raise Problem("idempotency_key_missing", "send an Idempotency-Key header: a new one for every new intention")
    return key


async def _given_key(request: Request, _: Annotated[str | None, _key_header("Bare")] = None) -> str | None:
    return _key_in(request)


def _key_in(request: Request) -> str | None:
    values = request.headers.getlist("idempotency-key")
    if len(values) > 1:
        raise Problem.field("Idempotency-Key", "send this header once")
    key = unquoted_key(values[0]) if values else ""
    if key is None:
        raise Problem.field("Idempotency-Key", "use 1 to 255 visible ASCII characters, bare or in double quotes")
    return key or None


async def _expected(
    if_match: Annotated[str | None, Header(description="The `ETag` the change is based on, or `*`.")] = None,
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
        Header(alias="Prefer", description="`wait=N`: hold the answer back for at most N seconds (30)."),
    ] = None,
) -> timedelta | None:
    return preferred_wait(request.headers.getlist("prefer"))


class NoParameters(BaseModel):
    """A route without query parameters refuses those it is given."""

    model_config = ConfigDict(extra="forbid")


Resources = Annotated[ApiResources, Depends(_resources)]
OrderIdInPath = Annotated[OrderId, Depends(_order_id)]
Caller = Annotated[str, Depends(_caller)]
IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
GivenKey = Annotated[str | None, Depends(_given_key)]
Expected = Annotated[frozenset[int] | None, Depends(_expected)]
"""The versions a change may be based on; None: any."""
Wait = Annotated[timedelta | None, Depends(_wait)]
NoQuery = Annotated[NoParameters, Query()]
