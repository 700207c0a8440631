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
from fulfillment.api.problems import RETRY_SECONDS, Problem, problem_response
from fulfillment.api.request_heads import HEAD_LIMIT, HEADERS_LIMIT, URL_LIMIT, check_head, headers_too_large
from fulfillment.api.route_table import UNMATCHED
from fulfillment.api.security_headers import security_headers
from fulfillment.settings import Limits, Settings

FRAMING_LIMIT = 256 * 1024
"""
Bytes of one message that are neither head nor body: sizes and extensions of chunks, trailers. The largest body that is
accepted has 160 KiB of them when each of its bytes is a chunk.
"""
PIPELINE_LIMIT = 8
"""
Requests of one connection that wait for an earlier answer: hardly any client sends two, one read of the socket has room
for ten thousand.
"""

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
    headers. Another one runs while an answer has to be taken.
    """

    limits: ClassVar[Limits]
    public_url: ClassVar[str]
    turned_away: ClassVar[set["GuardedProtocol"]]
    """Connections beyond the limit that are just being told so."""

    taking_seconds: ClassVar[float] = 30.0
    """For what the socket does not take at once: 3.7 MB at 1 Mbit/s."""
    most_turned_away: ClassVar[int] = 100
    """Each keeps a file descriptor for two seconds; who comes on top of these is not told."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._in_head = False
        self._overhead = 0
        self._refusal: Problem | None = None
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Any byte that is left over counts: also a closed connection stays until the last one is taken.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.limits.connections:
            self._turn_away()
        else:
            self._allow()

    def connection_lost(self, exc: Exception | None) -> None:
        self.turned_away.discard(self)
        self._disarm()
        self._taken()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            if self._deadline is None:
                # Answers to earlier requests are still due, which may take minutes.
                self.flow.pause_reading()
            return
        self._overhead += len(data)
        super().data_received(data)
        if self._deaf:
            return
        if self._in_head and self._overhead > HEAD_LIMIT + URL_LIMIT:
            # One header without an end: the parser keeps it to itself until it is whole.
            self._refuse(headers_too_large())
        elif self._overhead > FRAMING_LIMIT:
            self._refuse(Problem("malformed_request", "send larger chunks, without extensions and trailers"))
        elif self._deadline is None and not self._answer_is_due:
            # What is left of a body, or empty lines: uvicorn has just stopped its own clock for idle connections.
            self._allow()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._overhead = True, 0
        if self._deadline is None:
            self._allow()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_LIMIT:
            self._stop(Problem("uri_too_long", f"path and query may have at most {URL_LIMIT} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer. Behind the body nothing may change who asks, or for what.
            return
        super().on_header(name, value)
        if len(self.headers) > HEADERS_LIMIT:
            self._stop(headers_too_large())

    def on_headers_complete(self) -> None:
        self._check_head()
        self._in_head, self._overhead = False, 0
        super().on_headers_complete()
        if self.expect_100_continue or self.parser.should_upgrade():
            # After an early answer nobody can tell whether the body still comes or the next request does; and behind
            # an upgrade the parser drops what has already arrived.
            self.cycle.keep_alive = False
        self._disarm()

    def on_body(self, body: bytes) -> None:
        self._overhead = max(0, self._overhead - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(self.taking_seconds, self._not_taken)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()

    def send_400_response(self, msg: str) -> None:
        """What the parser gave up at."""
        self._refuse(self._refusal or Problem("malformed_request", f"this is not a request of HTTP/1.1: {msg}"))

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever offers HTTP/2 or a WebSocket gets HTTP/1.1; that is no news."""

    def _check_head(self) -> None:
        try:
            check_head(self.headers, version=self.parser.get_http_version(), upgrade=self.parser.should_upgrade())
        except Problem as problem:
            self._stop(problem)
        if len(self.pipeline) >= PIPELINE_LIMIT:
            # Nobody reads this: the answers before it are still due, and the last of them says that it is the last.
            self._stop(Problem("malformed_request", f"send at most {PIPELINE_LIMIT} requests ahead"))

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

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _not_taken(self) -> None:
        self._taking = None
        _log.info("http_answer_not_taken", left_bytes=self.transport.get_write_buffer_size())
        self.transport.abort()

    def _turn_away(self) -> None:
        self.connections.discard(self)
        if len(self.turned_away) >= self.most_turned_away:
            self.transport.abort()
            return
        self.turned_away.add(self)
        detail = "this process serves as many connections as it may; repeat the same request"
        self._refuse(Problem("unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)}))

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
        turned_away: ClassVar[set[GuardedProtocol]] = set()

    return Protocol
