"""
The application: routes and errors. Serve it with `server.py`, which lets it hang up.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fulfillment.sandbox.answers import Refused
from fulfillment.sandbox.exchange import STATUS, json_response
from fulfillment.sandbox.peer import open_peer
from fulfillment.sandbox.routes import control, parcels, payment_news, payments
from fulfillment.sandbox.settings import SandboxSettings


def create_app(settings: SandboxSettings) -> FastAPI:
    """
    Build the sandbox; its state is open while it is served. Setting `app.state.stopping` ends the held connections.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_peer(settings, app.state.stopping) as peer:
            app.state.peer = peer
            yield

    app = FastAPI(title="Sandbox: payment provider and carrier", lifespan=lifespan)
    app.state.stopping = asyncio.Event()
    for module in (payments, payment_news, parcels, control):
        app.include_router(module.router)
    app.exception_handler(Refused)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    return app


async def _refused(_request: Request, error: Refused) -> Response:
    return _problem(STATUS[error.code], error.code, error.message)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    # Never the input itself: it may be an address or a card token.
    errors = [{"field": _field(problem["loc"]), "message": problem["msg"]} for problem in error.errors()]
    message = "; ".join(f"{problem['field']}: {problem['message']}" for problem in errors)
    return _problem(422, "invalid_request", message, errors=errors)


async def _http(_request: Request, error: HTTPException) -> Response:
    response = _problem(error.status_code, error.detail.lower().replace(" ", "_"), error.detail)
    response.headers.update(error.headers or {})
    return response


def _problem(status: int, code: str, message: str, **more: object) -> Response:
    return json_response(json.dumps({"code": code, "message": message} | more), status)


def _field(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location[1:])
    return path.lstrip(".") or str(location[0])
