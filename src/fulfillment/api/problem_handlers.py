"""
From exceptions to problems: the only place that decides what a caller learns about a failure.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fulfillment.api.problems import FieldError, Problem, printable, problem_response
from fulfillment.api.route_table import RouteTable
from fulfillment.db.outages import is_outage
from fulfillment.domain.errors import FulfillmentError

_MOST_ERRORS = 50
_OUR_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here; remove it",
    "string_too_short": "must not be blank",
    "too_short": "must not be empty",
}
NOT_FOUND = ("not_found", "there is nothing at this address")

_log = structlog.stdlib.get_logger(__name__)


class ProblemHandlers:
    """Exception handlers of one application; the last resort is `unexpected`."""

    def __init__(self, public_url: str, routes: RouteTable) -> None:
        self._public_url = public_url
        self._routes = routes

    def install(self, app: FastAPI) -> None:
        """Make the application answer with problems."""
        app.exception_handler(Problem)(self.answer)
        app.exception_handler(FulfillmentError)(self._coded)
        app.exception_handler(RequestValidationError)(self._invalid)
        app.exception_handler(HTTPException)(self._http)

    async def answer(self, request: Request, problem: Problem) -> Response:
        """The response to a refused request."""
        request_id = request.scope["state"]["request_id"]
        return problem_response(problem, public_url=self._public_url, instance=request.url.path, request_id=request_id)

    async def unexpected(self, request: Request, error: Exception) -> Response:
        """An outage of the database, or a bug."""
        if is_outage(error):
            _log.warning("database_unavailable", error=type(error).__name__)
            return await self.answer(request, Problem.unavailable("database"))
        _log.error("request_failed", exc_info=error)
        return await self.answer(request, Problem.internal())

    async def _coded(self, request: Request, error: FulfillmentError) -> Response:
        return await self.answer(request, Problem.of(error))

    async def _http(self, request: Request, error: HTTPException) -> Response:
        """The router knows two refusals: no such address, and not with this method."""
        if error.status_code == 404:
            return await self.answer(request, Problem(*NOT_FOUND))
        if error.status_code != 405:
            return await self.unexpected(request, error)
        allowed = ", ".join(self._routes.methods(request.scope))
        problem = Problem("method_not_allowed", f"allowed here: {allowed}", headers={"Allow": allowed})
        return await self.answer(request, problem)

    async def _invalid(self, request: Request, error: RequestValidationError) -> Response:
        return await self.answer(request, _judged(error))


def _judged(error: RequestValidationError) -> Problem:
    errors: Sequence[Any] = error.errors()
    if any(item["loc"][0] == "path" for item in errors):
        return Problem(*NOT_FOUND)
    fields = [FieldError(_field(item["loc"]), _message(item)) for item in errors[:_MOST_ERRORS]]
    return Problem("invalid_request", f"{fields[0].field}: {fields[0].message}", errors=fields)


def _field(location: Sequence[int | str]) -> str:
    """`("body", "lines", 2, "quantity")` as callers write it: `lines[2].quantity`."""
    name = ""
    for part in location[1:]:
        if part == "[key]":
            continue
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return printable(name) or str(location[0])


def _message(error: dict[str, Any]) -> str:
    message: str = error["msg"]
    return _OUR_WORDS.get(error["type"], message.removeprefix("Value error, "))
