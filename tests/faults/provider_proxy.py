"""
Between the workers and the providers: recognises the effect by its key and plays its fault.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fulfillment.sandbox.no_answer import HangUpProtocol, NoAnswer
from tests.faults.plans import Plan, Plans, Play

_REFUSALS = {
    "authorize": (402, "card_declined"),
    "capture": (402, "capture_declined"),
    "void": (402, "void_declined"),
    "refund": (402, "refund_declined"),
    "book": (422, "address_refused"),
    "cancel": (409, "cancel_refused"),
}
_PASSED_ON = ("content-type", "idempotency-key", "retry-after")


class ProviderProxy:
    """An ASGI application in front of the sandbox at `upstream`."""

    def __init__(self, plans: Plans, client: httpx2.AsyncClient, upstream: str) -> None:
        self._plans = plans
        self._client = client
        self._upstream = upstream
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._answer(request, await request.body())
        await response(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        order_id, _, rest = request.headers.get("idempotency-key", "").partition(":")
        operation = rest.partition(":")[0]
        plan = self._plans.find(order_id, operation)
        if plan is None:
            return await self._forward(request, body)
        play = plan.begin()
        try:
            return await self._play(play, plan, request, body, operation)
        finally:
            plan.end()

    async def _play(self, play: Play, plan: Plan, request: Request, body: bytes, operation: str) -> Response:
        match play:
            case Play.CUT:
                return self._hang_up()
            case Play.UNAVAILABLE:
                return _problem(503, "unavailable", {"Retry-After": "1"})
            case Play.REFUSE:
                return _problem(*_REFUSALS[operation])
            case Play.LATE:
                await asyncio.sleep(plan.delay)
            case Play.HOLD:
                await plan.lifted.wait()
                if plan.dropped:
                    return self._hang_up()
        response = await self._forward(request, body)
        if play is Play.HOLD_DONE:
            await plan.lifted.wait()
        unheard = play is Play.LOSE or (play is Play.HOLD_DONE and plan.dropped)
        return self._hang_up() if unheard else response

    async def _forward(self, request: Request, body: bytes) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        # As it was sent: a key in a path stays escaped.
        path = request.scope["raw_path"].decode()
        answer = await self._client.request(request.method, self._upstream + path, headers=headers, content=body)
        passed_on = {name: value for name, value in answer.headers.items() if name in _PASSED_ON}
        return Response(answer.content, answer.status_code, passed_on)

    def _hang_up(self) -> Response:
        return NoAnswer(self._stopping, 0)


def _problem(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps({"code": code, "message": "by the plan"}), status, headers, "application/json")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: signals are for whoever runs the matrix."""
        yield


@asynccontextmanager
async def provider_proxy(plans: Plans, upstream: str) -> AsyncIterator[str]:
    """The URL of a running proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with httpx2.AsyncClient(trust_env=False, timeout=60, limits=httpx2.Limits(max_connections=200)) as client:
            app = ProviderProxy(plans, client, upstream)
            config = uvicorn.Config(
                app, http=HangUpProtocol, ws="none", lifespan="off", log_config=None, access_log=False
            )
            config.timeout_graceful_shutdown = 1
            server = _Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
