"""
What orchestrators and Prometheus ask a process: `/livez`, `/readyz`, `/metrics`, on a port callers never reach.

They are answered by a thread of their own, so that a blocked event loop is seen and not waited for.
"""

import json
from collections.abc import Callable
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Protocol, Self
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from fulfillment.telemetry.health import Health

_SDK_TIMEOUT_SECONDS = 2.0
_REQUEST_TIMEOUT_SECONDS = 5.0

Answer = tuple[int, str, bytes]


class ListenOptions(Protocol):
    """Where to listen; port 0 takes a free one."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class InternalServer:
    """
    Serves probes and metrics from entering its block until leaving it.

    `/metrics` is what this process counts plus what the SDK exports at `sdk_metrics_url`.

    Raises:
        OSError: on entering, the port is taken.
    """

    def __init__(
        self,
        options: ListenOptions,
        health: Health,
        sdk_metrics_url: str | None = None,
        *,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._options = options
        self._health = health
        self._sdk_metrics_url = sdk_metrics_url
        self._registry = registry

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @cached_property
    def _server(self) -> ThreadingHTTPServer:
        routes = {"/livez": self._live, "/readyz": self._ready, "/metrics": self._metrics}
        server = ThreadingHTTPServer((self._options.host, self._options.port), _handler(routes))
        server.daemon_threads = True
        return server

    @cached_property
    def _thread(self) -> Thread:
        return Thread(target=self._server.serve_forever, args=(0.1,), name="internal-server", daemon=True)

    def _live(self) -> Answer:
        return _json(200 if self._health.is_alive else 503, {"status": "alive" if self._health.is_alive else "stuck"})

    def _ready(self) -> Answer:
        readiness = self._health.readiness()
        return _json(200 if readiness.is_ready else 503, {"status": readiness.status, "checks": readiness.checks})

    def _metrics(self) -> Answer:
        return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry) + self._sdk_metrics()

    def _sdk_metrics(self) -> bytes:
        if self._sdk_metrics_url is None:
            return b""
        address = urlsplit(self._sdk_metrics_url)
        # http.client, because urllib would send a loopback request through a configured proxy.
        connection = HTTPConnection(address.netloc, timeout=_SDK_TIMEOUT_SECONDS)
        try:
            connection.request("GET", address.path)
            return connection.getresponse().read()
        except (OSError, HTTPException):
            return b"# the Temporal SDK's exporter does not answer\n"
        finally:
            connection.close()


def _json(status: int, body: object) -> Answer:
    return status, "application/json", json.dumps(body).encode() + b"\n"


def _handler(routes: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_SECONDS

        def do_GET(self) -> None:
            route = routes.get(urlsplit(self.path).path)
            status, content_type, body = route() if route else _json(404, {"paths": sorted(routes)})
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are no news."""

        def version_string(self) -> str:
            return "internal"

    return Handler
