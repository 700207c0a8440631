"""
A proxy in front of localstripe: remembers idempotency keys as Stripe does, and fails on demand.
"""

import asyncio
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from urllib.parse import parse_qsl

import httpx2
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from fulfillment.sandbox.no_answer import HangUpProtocol, NoAnswer
from tests.stripe.lacking import Form, Reply, Stripe, error, route
from tests.stripe.local_stripe import AUTHORIZATION, NO_TLS


class Fault(Enum):
    """How one call goes wrong; `AFTER` means that it was done all the same."""

    HANG_UP_BEFORE = auto()
    HANG_UP_AFTER = auto()
    SILENCE_AFTER = auto()
    SLOW_AFTER = auto()
    ERROR_BEFORE = auto()
    ERROR_AFTER = auto()
    DOWN_BEFORE = auto()
    BUSY_BEFORE = auto()
    LOCKED_BEFORE = auto()
    IN_PROGRESS_BEFORE = auto()
    UNAUTHORIZED_BEFORE = auto()
    FORBIDDEN_BEFORE = auto()
    BAD_BEFORE = auto()
    NONSENSE_BEFORE = auto()
    EXPIRED_BEFORE = auto()
    DISPUTED_BEFORE = auto()
    DECLINED_BEFORE = auto()


SLOW = 0.6
"""Seconds a slow answer takes."""

# Said at the door: no idempotency key remembers it.
_REFUSED = {
    Fault.DOWN_BEFORE: error(503),
    Fault.BUSY_BEFORE: replace(error(429, "rate_limit"), headers={"Retry-After": "7"}),
    Fault.LOCKED_BEFORE: error(429, "lock_timeout"),
    Fault.IN_PROGRESS_BEFORE: error(409, "idempotency_key_in_use", type="idempotency_error"),
    Fault.UNAUTHORIZED_BEFORE: error(401),
    Fault.FORBIDDEN_BEFORE: error(403),
    Fault.BAD_BEFORE: error(400, "parameter_unknown", "metadata"),
    Fault.EXPIRED_BEFORE: error(400, "charge_expired_for_capture"),
    Fault.DISPUTED_BEFORE: error(400, "charge_disputed"),
    Fault.DECLINED_BEFORE: error(402, "card_declined", type="card_error", decline_code="insufficient_funds"),
}
# Never executed, so never remembered.
_INVALID = {400, 401, 403, 404}


@dataclass
class _Remembered:
    fingerprint: tuple[str, bytes]
    reply: Reply | None = None


class Proxy:
    """Every call fails in the way that is next for its name; without one it is answered."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._keys: dict[str, _Remembered] = {}
        self.stopping = asyncio.Event()
        self.calls: list[str] = []
        self.versions: set[str] = set()
        self.url = ""

    def fails(self, call: str, *faults: Fault) -> None:
        """The next calls of this name fail in these ways, in this order."""
        self._faults[call] += faults

    def forget_keys(self) -> None:
        """More than 24 hours have passed."""
        self._keys.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        body = await request.body()
        name, ids = route(request.method, request.url.path)
        self.calls.append(name)
        self.versions.add(request.headers.get("Stripe-Version", ""))
        fault = self._faults[name].popleft() if self._faults[name] else None
        if fault is Fault.HANG_UP_BEFORE:
            return NoAnswer(self.stopping, 0)
        if fault is Fault.NONSENSE_BEFORE:
            return Response("<html>a gateway of somebody's</html>", 200)
        if fault in _REFUSED:
            return _as_response(_REFUSED[fault])
        reply = await self._once(request, body, (name, ids), fault)
        if fault in (Fault.HANG_UP_AFTER, Fault.SILENCE_AFTER):
            return NoAnswer(self.stopping, 0 if fault is Fault.HANG_UP_AFTER else 30)
        if fault is Fault.SLOW_AFTER:
            await asyncio.sleep(SLOW)
        return _as_response(reply)

    async def _once(
        self, request: Request, body: bytes, call: tuple[str, tuple[str, ...]], fault: Fault | None
    ) -> Reply:
        form = dict(parse_qsl(body.decode() or request.url.query, keep_blank_values=True))
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return await self._work(call, form, fault)
        fingerprint = (request.url.path, body)
        known = self._keys.get(key)
        if known is not None:
            return _replayed(known, fingerprint)
        self._keys[key] = _Remembered(fingerprint)
        reply = await self._work(call, form, fault)
        if reply.status in _INVALID:
            del self._keys[key]
        else:
            self._keys[key].reply = reply
        return reply

    async def _work(self, call: tuple[str, tuple[str, ...]], form: Form, fault: Fault | None) -> Reply:
        if fault is Fault.ERROR_BEFORE:
            return error(500)
        name, ids = call
        reply: Reply = await getattr(self._stripe, name)(*ids, form)
        return error(500) if fault is Fault.ERROR_AFTER else reply


def _replayed(known: _Remembered, fingerprint: tuple[str, bytes]) -> Reply:
    if known.fingerprint != fingerprint:
        return error(400, "idempotency_key_in_use", type="idempotency_error")
    if known.reply is None:
        return _REFUSED[Fault.IN_PROGRESS_BEFORE]
    return replace(known.reply, headers={**known.reply.headers, "Idempotent-Replayed": "true"})


def _as_response(reply: Reply) -> JSONResponse:
    return JSONResponse(reply.body, reply.status, reply.headers)


class _Server(uvicorn.Server):
    """Stops at once: its own loop looks every tenth of a second whether it should."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(uvicorn.Config(proxy, http=HangUpProtocol, lifespan="off", log_config=None, access_log=False))
        self._proxy = proxy
        self.force_exit = True

    async def main_loop(self) -> None:
        await self._proxy.stopping.wait()


@asynccontextmanager
async def proxy_to(localstripe: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port, in the event loop of the test."""
    async with httpx2.AsyncClient(base_url=localstripe, headers=AUTHORIZATION, verify=NO_TLS) as upstream:
        proxy = Proxy(Stripe(upstream))
        listening = socket.create_server(("127.0.0.1", 0))
        proxy.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving = asyncio.create_task(_Server(proxy).serve(sockets=[listening]))
        try:
            yield proxy
        finally:
            proxy.stopping.set()
            await serving
