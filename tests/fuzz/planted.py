"""
A service with known bugs: what finds none of them would find none of ours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Body, FastAPI, Response
from pydantic import BaseModel, Field

from fulfillment.local.ports import HOST, free_ports


class _Thing(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=20)]


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/crash/{sku}", responses={404: {}, 422: {}})
    async def crash(sku: str) -> _Thing:
        """Cannot answer for one article."""
        return {"TEA": lambda: _Thing(name="Tea")}[sku]()

    @app.get("/undocumented")
    async def undocumented(limit: Annotated[int, Field(ge=1, le=9)] = 5) -> Response:
        """A status of its own for one number."""
        return Response(status_code=418 if limit == 9 else 200)

    @app.post("/careless", openapi_extra={"requestBody": {"content": {"application/json": {"schema": _SCHEMA}}}})
    async def careless(body: Annotated[object, Body()]) -> Response:
        """Takes what its schema forbids."""
        return Response(status_code=200)

    @app.post("/strict")
    async def strict(thing: _Thing) -> Response:
        """Refuses what its schema allows."""
        return Response(status_code=400 if len(thing.name) > 1 else 200)

    return app


_SCHEMA = _Thing.model_json_schema()


@asynccontextmanager
async def planted() -> AsyncIterator[str]:
    """The address of that service, while it runs."""
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(_app(), host=HOST, port=port, log_level="critical"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        await running
