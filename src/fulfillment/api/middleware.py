"""
Around every request: its id, its line in the log, its metrics and the answer to a bug.
"""

import re
import time
from uuid import uuid4

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fulfillment.api.problem_handlers import NOT_FOUND, ProblemHandlers
from fulfillment.api.problems import Problem
from fulfillment.api.route_table import RouteTable

REQUESTS = Counter("fulfillment_http_requests", "Answered requests.", ["method", "route", "status"])
DURATION = Histogram("fulfillment_http_request_duration_seconds", "From request to answer.", ["method", "route"])

_REQUEST_ID = re.compile(r"[!-~]{1,128}")
# Proxies in front decide by the path as it is written, routes match what it says: `/v1%2forders` would get past rules
# for `/v1/orders`, and so would backslashes and segments of dots, which some of them resolve and others do not.
_TWO_READINGS = re.compile(rb"%2f|%5c|\\|/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.stdlib.get_logger(__name__)


class RequestRecord:
    """One canonical log line per request, without query or body; no exception gets past it."""

    def __init__(self, app: ASGIApp, routes: RouteTable, handlers: ProblemHandlers) -> None:
        self._app = app
        self._routes = routes
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        await self._answer(scope, receive, send, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        # What is logged when the caller hangs up before an answer (nginx's number for it).
        status = 499

        async def identified(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(scope["state"].get("headers", {}))
            await send(message)

        try:
            await self._route(scope, receive, identified)
        except ClientDisconnect:
            # Nobody is left to be answered; the log line says 499.
            pass
        except Exception as error:  # noqa: BLE001 - the last resort: logged, and answered without its text
            response = await self._handlers.unexpected(Request(scope), error)
            if status == 499:
                await response(scope, receive, identified)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _TWO_READINGS.search(scope["raw_path"]):
            await self._app(scope, receive, send)
            return
        response = await self._handlers.answer(Request(scope), Problem(*NOT_FOUND))
        await response(scope, receive, send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = self._routes.template(scope)
        REQUESTS.labels(method, route, status).inc()
        DURATION.labels(method, route).observe(seconds)
        _log.info("http_request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())
