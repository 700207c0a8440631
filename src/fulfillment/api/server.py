"""
The API process: one uvicorn server, from its first readiness to its last open request.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta

import structlog
import uvicorn
from temporalio.client import Client

from fulfillment.api.app import create_app
from fulfillment.api.protocol import protocol_for
from fulfillment.api.resources import ApiResources
from fulfillment.bootstrap import internal_server, open_database, temporal_client
from fulfillment.process import CannotListen, stop_signal
from fulfillment.settings import Api, Settings
from fulfillment.telemetry.health import Health
from fulfillment.telemetry.metrics import sdk_runtime

PROCESS = "api"

_BACKLOG = 2048
_PROBE_TIMEOUT = timedelta(seconds=2)

_log = structlog.stdlib.get_logger(__name__)


class HttpServer(uvicorn.Server):
    """
    Uvicorn without its own signal handlers: they would end the process by the signal instead of with exit code 0.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's business."""
        yield


async def serve(settings: Settings) -> None:
    """
    Answer requests until SIGTERM or SIGINT, then finish those that are open (at most `api.drain`).

    Raises:
        CannotListen: the address is taken.
    """
    runtime, sdk_metrics = sdk_runtime(PROCESS)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listening(settings.api))
        stop = await stack.enter_async_context(stop_signal())
        database = await stack.enter_async_context(open_database(settings, application=PROCESS))
        client = await stack.enter_async_context(temporal_client(settings, runtime))
        resources = ApiResources.of(settings, database, client)
        health = Health({"database": database.ping, "temporal": lambda: _reachable(client)})
        stack.enter_context(internal_server(settings.internal, health, sdk_metrics))
        await stack.enter_async_context(health.watching())
        await stack.enter_async_context(resources.inbox.running())
        await run(resources, listener, stop, health)


async def run(resources: ApiResources, listener: socket.socket, stop: asyncio.Event, health: Health) -> None:
    """
    Serve until told to stop, or until the server gives up (then its error is raised and the process fails).

    Raises:
        UnusableRateStorage: see `RateLimits.running`.
    """
    async with resources.rate_limits.running(), resources.identity.running():
        await _run(resources, listener, stop, health)


async def _run(resources: ApiResources, listener: socket.socket, stop: asyncio.Event, health: Health) -> None:
    server = _http_server(resources)
    stopping = asyncio.create_task(stop.wait())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    health.mark_ready()
    host, port = listener.getsockname()[:2]
    _log.info("api_started", host=host, port=port)
    await asyncio.wait([stopping, serving], return_when=asyncio.FIRST_COMPLETED)
    health.mark_draining()
    _log.info("api_draining")
    stopping.cancel()
    resources.watcher.close()
    server.should_exit = True
    await serving
    _log.info("api_stopped")


@contextmanager
def listening(api: Api) -> Iterator[socket.socket]:
    """
    A socket that callers can connect to; port 0 takes a free one.

    Raises:
        CannotListen: the address is taken.
    """
    family = socket.AF_INET6 if ":" in api.host else socket.AF_INET
    try:
        listener = socket.create_server((api.host, api.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(api.host, api.port, "FULFILLMENT_API__PORT", error) from error
    with listener:
        # asyncio sees by the protocol number that a socket is TCP, and this one has none: without this, headers and
        # body of an answer wait for each other's acknowledgement (about 40 ms).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


async def _reachable(client: Client) -> None:
    if not await client.service_client.check_health(timeout=_PROBE_TIMEOUT):
        raise ConnectionError


def _http_server(resources: ApiResources) -> HttpServer:
    """The server of an application on these resources."""
    api = resources.settings.api
    config = uvicorn.Config(
        create_app(resources),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http=protocol_for(resources.settings),
        ws="none",
        server_header=False,
        timeout_keep_alive=max(1, round(resources.settings.limits.keep_alive.total_seconds())),
        timeout_graceful_shutdown=max(1, round(api.drain.total_seconds())),
    )
    return HttpServer(config)
