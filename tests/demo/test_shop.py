"""
The shop against a real HTTP server that is busy, away, or says no.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.ids import OrderId
from fulfillment.local.demo.errors import DemoError
from fulfillment.local.demo.orders_file import FileOrder, read
from fulfillment.local.demo.service import Refused, Service
from fulfillment.local.demo.shop import Receipt, Shop
from tests.demo.files import a_line, written

Answer = tuple[int, dict[str, str], dict[str, Any]]
KEYS = {"shop": "s", "operator": "o"}
RECEIPT = {"id": str(UUID(int=7)), "accepted_at": "2026-01-02T03:04:05Z"}


@contextmanager
def answering(answers: Callable[[int], Answer]) -> Iterator[tuple[str, list[str]]]:
    """A server whose n-th answer is what `answers` says; its URL and the keys it was sent."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Idempotency-Key"])
            status, headers, body = answers(len(keys))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", keys
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def order(tmp_path: Path) -> FileOrder:
    return read(written(tmp_path, a_line()), PlaceOrderBody).orders[0]


async def place(url: str, order: FileOrder, patience: timedelta = timedelta(seconds=20)) -> Receipt:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await Shop(Service(http, url, KEYS, patience)).place(order)


async def test_a_busy_service_is_asked_again_when_it_says_with_the_same_key(order: FileOrder) -> None:
    busy: list[Answer] = [(429, {"Retry-After": "0.4"}, {}), (503, {"Retry-After": "0.3"}, {}), (202, {}, RECEIPT)]

    with answering(lambda attempt: busy[attempt - 1]) as (url, keys):
        began = time.monotonic()
        receipt = await place(url, order)

    assert time.monotonic() - began >= 0.7
    assert receipt == Receipt(id=OrderId(UUID(int=7)), accepted_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert keys == [order.idempotency_key] * 3


async def test_a_refusal_is_final_and_keeps_its_code(order: FileOrder) -> None:
    problem = {"code": "reference_taken", "detail": "taken"}

    with answering(lambda _: (409, {}, problem)) as (url, keys), pytest.raises(Refused, match="taken") as refused:
        await place(url, order)

    assert refused.value.code == "reference_taken"
    assert len(keys) == 1


async def test_a_change_is_asked_again_under_its_key_and_tells_the_order(order: FileOrder) -> None:
    money = {"amount": 0, "currency": "EUR"}
    told = {
        "id": RECEIPT["id"],
        "status": "needs_attention",
        "version": 7,
        "failure": {"code": "cancelled", "message": "-"},
        "attention": {"reason": "undo_failed"},
        "approval": {"status": "pending", "waiting_for": ["manager"]},
        "shipments": [],
        "payment": {
            "status": "voided",
            "authorized": money,
            "captured": money,
            "refunded": money,
            "next_action": None,
        },
        "actions": [],
        "accepted_at": RECEIPT["accepted_at"],
        "updated_at": RECEIPT["accepted_at"],
    }
    busy: list[Answer] = [(503, {"Retry-After": "0.1"}, {}), *[(202, {}, told)] * 3]

    with answering(lambda attempt: busy[attempt - 1]) as (url, keys):
        async with httpx2.AsyncClient(trust_env=False) as http:
            shop, order_id = Shop(Service(http, url, KEYS)), OrderId(UUID(int=7))
            seen = await shop.cancel(order_id, "k-cancel")
            await shop.pay(order_id, "k-pay", "tok_visa")
            await shop.act(order_id, "k-act", "retry")

    assert keys == ["k-cancel", "k-cancel", "k-pay", "k-act"]
    assert (seen.status, seen.version, seen.code, seen.asks) == ("needs_attention", 7, "cancelled", "undo_failed")
    assert seen.approvers == ("manager",)


async def test_patience_with_a_service_that_is_away_ends(order: FileOrder) -> None:
    with pytest.raises(DemoError, match=r"POST /v1/orders: no answer within 1\.5 s, at last ConnectError"):
        await place("http://127.0.0.1:9", order, timedelta(seconds=1.5))
