"""
A sandbox and a receiver of its events, each a real server on a free port.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from pydantic import AnyHttpUrl, SecretStr
from standardwebhooks import Webhook

from fulfillment.sandbox.server import SandboxServer
from fulfillment.sandbox.settings import SandboxSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOWHERE = "http://127.0.0.1:9/events"


def settings_for(state: Path, *, events_url: str = NOWHERE, **more: Any) -> SandboxSettings:
    url = AnyHttpUrl(events_url)
    return SandboxSettings(
        state=state, events_url=url, payment_events_url=url, carrier_secret=SecretStr(SECRET), **more
    )


def until(claim: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def verified(request: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """
    The event in a request that was signed with our secret.
    """
    headers, body = request
    Webhook(SECRET).verify(body, headers)
    event: dict[str, Any] = json.loads(body)
    return event


class SandboxClient(httpx2.Client):
    """
    Speaks to a sandbox; keys and orders are new unless given.
    """

    def authorize(self, token: str = "tok_visa", key: str | None = None, **more: Any) -> httpx2.Response:
        body = {"order_id": str(uuid4()), "token": token, "amount": 1000, "currency": "EUR"} | more
        return self.keyed("/payments/authorizations", body, key)

    def authorized(self, token: str = "tok_visa", **more: Any) -> str:
        answer = self.authorize(token, **more)
        assert answer.status_code == 201
        return f"/payments/authorizations/{answer.json()['id']}"

    def keyed(self, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> httpx2.Response:
        return self.post(path, json=body, headers={"Idempotency-Key": key or f"{uuid4()}:test:1"})

    def keyed_within(self, seconds: float, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
        return self.post(path, json=body, headers={"Idempotency-Key": key}, timeout=seconds)

    def capture(self, authorization: str, amount: int = 1000, key: str | None = None) -> httpx2.Response:
        return self.keyed(f"{authorization}/capture", {"amount": amount, "currency": "EUR"}, key)

    def refund(self, authorization: str, amount: int = 1000, key: str | None = None) -> httpx2.Response:
        return self.keyed(f"{authorization}/refund", {"amount": amount, "currency": "EUR"}, key)

    def void(self, authorization: str, key: str | None = None) -> httpx2.Response:
        return self.keyed(f"{authorization}/void", None, key)

    def waiting(self, **more: Any) -> str:
        """
        The path of a payment whose customer is asked.
        """
        return self.authorized("tok_action_required", **more)

    def settle(self, authorization: str, *, agree: bool) -> httpx2.Response:
        return self.post(f"{authorization}/action", json={"agree": agree})

    def book(self, postal_code: str = "10115", key: str | None = None, **more: Any) -> httpx2.Response:
        address = {"name": "Ada", "line1": "Weg 1", "city": "Berlin", "postal_code": postal_code, "country": "DE"}
        body = {"order_id": str(uuid4()), "address": address, "items": [{"sku": "A-1", "quantity": 2}]} | more
        return self.keyed("/parcels", body, key)

    def booked(self, postal_code: str = "10115", **more: Any) -> str:
        answer = self.book(postal_code, **more)
        assert answer.status_code == 201
        return str(answer.json()["tracking_number"])

    def cancel(self, tracking_number: str, key: str | None = None) -> httpx2.Response:
        return self.keyed(f"/parcels/{tracking_number}/cancel", None, key)

    def parcels(self, order_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/parcels", params={"order_id": order_id}).json()["items"]
        return items

    def ledger(self, order_id: str) -> list[tuple[str, str]]:
        rows = self.get("/ledger", params={"order_id": order_id}).json()["items"]
        return [(row["operation"], row["status"]) for row in rows]

    def summary(self, order_id: str) -> tuple[int, int, int]:
        row = self.get("/ledger/summary", params={"order_id": order_id}).json()
        return row["authorized"], row["captured"], row["refunded"]


@contextmanager
def running_sandbox(settings: SandboxSettings) -> Iterator[SandboxClient]:
    """
    Serve a sandbox from a thread of its own until the block ends.
    """
    # The protocol must be named: asyncio switches Nagle's algorithm off (40 ms per answer) only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = SandboxServer(settings.model_copy(update={"port": listener.getsockname()[1]}))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        until(lambda: server.started)
        with SandboxClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=10) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive(), "the sandbox did not stop"


class _Server(ThreadingHTTPServer):
    # The default of 5 drops connections of a burst; they come a second later.
    request_queue_size = 128


class Receiver:
    """
    Takes events; refuses those with some text in them, the next ones as it is told, and answers 202 else.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.refused = b"nothing"
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the handler has its own self)
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 202
                self.send_response(500 if receiver.refused in body else status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
