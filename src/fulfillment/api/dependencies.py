"""
What routes ask for in their signatures.
"""

from datetime import timedelta
from typing import Annotated
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


async def _resources(request: Request) -> ApiResources:
    resources: ApiResources = request.app.state.resources
    return resources


async def _order_id(order_id: UUID) -> OrderId:
    structlog.contextvars.bind_contextvars(order_id=str(order_id))
    return OrderId(order_id)


async def _caller(_: Annotated[object, Depends(_bearer)]) -> str:
    """Who asks: every key is of its caller, and the timeline names them."""
    return ANONYMOUS


async def _idempotency_key(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Required; bare or quoted, 1 to 255 visible ASCII characters. The same key never acts twice.",
        ),
    ] = None,
) -> str:
    values = request.headers.getlist("idempotency-key")
    if len(values) > 1:
        raise Problem.field("Idempotency-Key", "send this header once")
    key = unquoted_key(values[0]) if values else ""
    if key is None:
        raise Problem.field("Idempotency-Key", "use 1 to 255 visible ASCII characters, bare or in double quotes")
    if not key:
        raise Problem("idempotency_key_missing", "send an Idempotency-Key header: a new one for every new intention")
    return key


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
Wait = Annotated[timedelta | None, Depends(_wait)]
NoQuery = Annotated[NoParameters, Query()]
