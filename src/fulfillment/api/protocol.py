"""
HTTP/1.1 as uvicorn reads it, for senders who cannot be trusted to send it well, briefly or at all.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import uuid4

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from fulfillment.api.middleware import REQUESTS
from fulfillment.api.problems import Problem, problem_response
from fulfillment.api.route_table import UNMATCHED
from fulfillment.api.security_headers import security_headers
from fulfillment.settings import Limits, Settings

HEAD_LIMIT = 32 * 1024
"""Bytes of all headers; what browsers and proxies send is below 16 KiB."""
HEADERS_LIMIT = 100
URL_LIMIT = 8 * 1024

# How long what a caller still sends is thrown away after a refusal: closing at once would make its system forget the
# answer together with the connection.
_LINGER_SECONDS = 2.0

_log = structlog.stdlib.get_logger(__name__)


class Refused(Exception):
    """Leaves the parser; the connection has the problem."""


class GuardedProtocol(HttpToolsProtocol):
    """
    Limits time and size of what arrives before the application sees it, and answers what it cannot read with problems.

    One deadline runs while headers have to arrive, from connecting or from their first byte. The application has a
    limit of its own for the body it waits for, and answers itself. A body that nobody waits for any more, because the
    answer (401, 413) is already out, is thrown away so that the caller gets to read that; it has the same time as
    headers.
    """

    limits: ClassVar[Limits]
    public_url: ClassVar[str]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_size = 0
        self._refusal: Problem | None = None
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._allow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._in_head:
            self._head_size += len(data)
        super().data_received(data)
        if self._deaf:
            return
        if self._in_head and self._head_size > HEAD_LIMIT + URL_LIMIT:
            # One header without an end: the parser keeps it to itself until it is whole.
            self._refuse(_headers_too_large())
        elif self._deadline is None and not self._answer_is_due:
            # What is left of a body, or empty lines: uvicorn has just stopped its own clock for idle connections.
            self._allow()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_size = True, 0
        if self._deadline is None:
            self._allow()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_LIMIT:
            self._stop(Problem("uri_too_long", f"path and query may have at most {URL_LIMIT} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > HEADERS_LIMIT:
            self._stop(_headers_too_large())

    def on_headers_complete(self) -> None:
        self._check_head()
        self._in_head = False
        super().on_headers_complete()
        if self.expect_100_continue or self.parser.should_upgrade():
            # After an early answer nobody can tell whether the body still comes or the next request does; and behind
            # an upgrade the parser drops what has already arrived.
            self.cycle.keep_alive = False
        self._disarm()

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser gave up at."""
        self._refuse(self._refusal or Problem("malformed_request", f"this is not a request of HTTP/1.1: {msg}"))

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever offers HTTP/2 or a WebSocket gets HTTP/1.1; that is no news."""

    def _check_head(self) -> None:
        if sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers) > HEAD_LIMIT:
            self._stop(_headers_too_large())
        version, hosts = self.parser.get_http_version(), sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1"):
            self._stop(Problem("malformed_request", "speak HTTP/1.1"))
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            self._stop(Problem("malformed_request", "send one Host header"))
        if self.parser.should_upgrade() and self._announces_a_body():
            # The parser would take the body for the first words of the other protocol, or for the next request.
            self._stop(Problem("malformed_request", "send no Upgrade header with a body: this is HTTP/1.1 only"))

    def _announces_a_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and int(value)) for name, value in self.headers
        )

    def _stop(self, problem: Problem) -> None:
        self._refusal = problem
        raise Refused

    @property
    def _answer_is_due(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _allow(self) -> None:
        self._deadline = self.loop.call_later(self.limits.header_timeout.total_seconds(), self._out_of_time)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_time(self) -> None:
        self._deadline = None
        if self._answer_is_due:
            # The next request is slow. An answer to it now would be taken for the one that is due.
            self.cycle.keep_alive = False
        elif self._in_head:
            seconds = self.limits.header_timeout.total_seconds()
            self._refuse(Problem("request_timeout", f"the headers were not complete within {seconds:g} s"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Read no further, and say why unless that would be taken for the answer to an earlier request."""
        self._deaf = True
        self._disarm()
        if self.transport.is_closing():
            return
        if self._answer_is_due:
            broken = self.cycle.more_body and not self.pipeline and not self.cycle.response_started
            self.cycle.keep_alive = False
            if not broken:
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self._write(problem)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _write(self, problem: Problem) -> None:
        request_id = str(uuid4())
        answer = problem_response(problem, public_url=self.public_url, instance="/", request_id=request_id)
        answer.headers.update({**security_headers(self.public_url), "X-Request-Id": request_id, "Connection": "close"})
        status = answer.status_code
        lines = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode() + lines + b"\r\n" + bytes(answer.body)
        )
        REQUESTS.labels("other", UNMATCHED, status).inc()
        _log.info("http_request_refused", code=problem.code, status=status, request_id=request_id)


def protocol_for(settings: Settings) -> type[GuardedProtocol]:
    """The protocol of a server with these settings."""

    class Protocol(GuardedProtocol):
        limits = settings.limits
        public_url = settings.api.public_url

    return Protocol


def _headers_too_large() -> Problem:
    detail = f"send at most {HEADERS_LIMIT} headers, and at most {HEAD_LIMIT // 1024} KiB of them"
    return Problem("headers_too_large", detail)
