"""
`fulfillment orders` and `fulfillment stock` against a real API, as people and scripts use them.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from typer.testing import Result

from fulfillment.api.resources import ApiResources
from fulfillment.api_key import ApiKey
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Database
from fulfillment.domain.events import EventKind
from fulfillment.domain.identity import Scope
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.endpoints import Endpoints
from tests.api.bodies import a_key, an_order
from tests.api.writing import id_in, start_of, write
from tests.cli.running import Run
from tests.fixtures.identity import a_caller


def new_order(**changes: Any) -> dict[str, Any]:
    """An order of a customer no other test knows: all tests share one Temporal."""
    return an_order(**{"customer_id": str(uuid4()), **changes})


def as_lines(*orders: dict[str, Any]) -> str:
    return "\n".join(json.dumps(order) for order in orders) + "\n\n"


def outcomes(result: Result) -> list[str]:
    return [item["outcome"] for item in json.loads(result.stdout)["items"]]


async def test_stock_is_set_whether_or_not_the_article_is_new(run: Run) -> None:
    new = await run("stock", "set", "KETTLE 1?", "5", "--name", "Kettle [bold]", "--json")
    known = await run("stock", "set", "KETTLE 1?", "7")
    shown = await run("stock", "show")

    assert (new.exit_code, known.exit_code, shown.exit_code) == (0, 0, 0)
    assert json.loads(new.stdout)["on_hand"] == 5
    assert [word for word in shown.stdout.split() if word != "│"][-6:-1] == ["Kettle", "[bold]", "7", "0", "7"]


async def test_orders_of_a_file_are_placed_once_however_often_it_is_sent(run: Run, tmp_path: Path) -> None:
    file = as_lines(*(new_order(reference=f"R-{n}" if n else None) for n in range(10)))

    (tmp_path / "orders.jsonl").write_text(file)
    first = await run("orders", "place", "-", "--json", text=file)
    again = await run("orders", "place", "orders.jsonl", "--json")
    table = await run("orders", "place", "orders.jsonl")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert outcomes(first) == ["placed"] * 10
    assert outcomes(again) == ["placed_before"] * 10
    assert len({item["id"] for item in json.loads(first.stdout)["items"]}) == 10
    assert "│ placed before │    10 │" in table.stdout
    assert "99.00 EUR" in table.stdout


async def test_a_file_of_another_system_is_understood(run: Run, resources: ApiResources) -> None:
    order = new_order(payment=None, reference="R-1")
    line = order | {
        "customer_name": "Ada",
        "ordered_on": None,
        "parts": 3,
        "total_check": 9900,
        "scenario": {"token": "tok_visa", "carrier": "lost"},
    }

    result = await run("orders", "place", "-", "--json", text=as_lines(line))
    order_id = json.loads(result.stdout)["items"][0]["id"]
    start = await resources.orders.unwritten(order_id)

    assert result.stderr == "Not part of an order, kept as metadata: customer_name, ordered_on, parts\n"
    assert start is not None
    assert start.metadata == {"customer_name": "Ada", "parts": "3"}
    assert start.payment is not None
    assert start.payment.token == "tok_visa"


async def test_a_line_that_is_no_order_is_told_with_its_field_and_stops_no_other(run: Run) -> None:
    lines = ["{", json.dumps(new_order(total_check=1)), json.dumps(new_order(reference="R-1"))]

    as_json = await run("orders", "place", "-", "--json", text="\n".join(lines))
    table = await run("orders", "place", "-", text="\n".join(lines))

    told = [(item["line"], item["outcome"], item["detail"]) for item in json.loads(as_json.stdout)["items"]]
    assert told[:2] == [
        (1, "bad_line", "is not JSON (column 2)"),
        (2, "bad_line", "total_check: is 1, but the lines add up to 9900"),
    ]
    assert told[2][:2] == (3, "placed")
    assert (as_json.exit_code, table.exit_code) == (1, 1)
    assert "total_check: is 1, but the lines add up to 9900" in table.stdout


async def test_refused_orders_are_told_with_their_reason_and_do_not_stop_the_others(run: Run) -> None:
    file = as_lines(new_order(email="nobody"), new_order())

    as_json = await run("orders", "place", "-", "--json", text=file)
    table = await run("orders", "place", "-", text=file)

    assert (as_json.exit_code, table.exit_code) == (1, 1)
    assert outcomes(as_json) == ["refused", "placed"]
    assert "invalid_request: email" in table.stdout


async def test_an_order_is_shown_listed_and_watched_to_its_end(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    customer = str(uuid4())
    placed = await api.post("/v1/orders", json=new_order(customer_id=customer, reference="R-1"), headers=a_key())
    order_id = id_in(placed)
    await write(resources, await start_of(resources, placed), in_stock=1)
    rejected = await run("orders", "watch", str(order_id), "--json")
    shown = await run("orders", "show", str(order_id))
    raw = await run("orders", "show", str(order_id), "--json")
    listed = await run("orders", "list", "--status", "rejected", "--customer", customer, "--limit", "3")
    others = await run("orders", "list", "--customer", "C-2", "--json")

    kinds = [json.loads(line)["kind"] for line in rejected.stdout.splitlines()]
    assert kinds == ["order_received", "order_rejected"]
    for words in ("rejected", "stock_short", "49.50 EUR", "order_received", f"{customer}  R-1"):
        assert words in shown.stdout
    assert json.loads(raw.stdout)["id"] == str(order_id)
    assert str(order_id) in listed.stdout
    assert json.loads(others.stdout) == {"items": []}


async def test_watching_goes_on_until_the_order_is_final(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await api.post("/v1/orders", json=new_order(), headers=a_key())
    await write(resources, await start_of(resources, placed))
    change = Change(
        order_id=id_in(placed),
        facts=(Fact(kind=EventKind.ORDER_REJECTED, key="end"),),
        path=(OrderStatus.CANCELLING, OrderStatus.REJECTED),
    )

    watching = asyncio.create_task(run("orders", "watch", str(id_in(placed))))
    await asyncio.sleep(1)
    still = not watching.done()
    async with resources.database.statement() as connection:
        await apply(connection, change)
    result = await watching

    assert still
    assert result.stdout.splitlines()[-1].split()[-2:] == ["order_rejected", "system"]


async def test_a_refusal_is_readable_and_ends_with_one(run: Run) -> None:
    unknown = await run("orders", "show", "00000000-0000-0000-0000-000000000000")
    junk = await run("orders", "show", "../inventory")

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith(
        "404 not_found: there is no order 00000000-0000-0000-0000-000000000000\n  request "
    )
    assert junk.exit_code == 2
    assert "'ID': Input should be a valid UUID" in junk.stderr


async def test_wrong_usage_ends_with_two(run: Run) -> None:
    for arguments in (["stock", "set", "K", "-1"], ["orders", "list", "--status", "lost"], ["orders", "place", "none"]):
        assert (await run(*arguments)).exit_code == 2
    assert (await run("stock", "show", "--api", "nowhere")).exit_code == 2


async def test_a_service_that_is_not_there_is_named_with_what_to_do(run: Run) -> None:
    away = await run("orders", "list", "--api", "http://127.0.0.1:9")

    assert (away.exit_code, away.stdout) == (1, "")
    assert "http://127.0.0.1:9" in away.stderr
    assert "make up" in away.stderr


async def test_who_has_no_key_or_a_wrong_one_is_told_where_it_is_looked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_lines(new_order(), new_order())
    monkeypatch.setenv("FULFILLMENT_API_KEY", ApiKey.new().text)
    wrong = await run("orders", "list")
    monkeypatch.delenv("FULFILLMENT_API_KEY")
    none = await run("stock", "show")
    placed = await run("orders", "place", "-", text=file)

    assert [result.exit_code for result in (wrong, none, placed)] == [1, 1, 1]
    assert wrong.stderr.startswith("401 unauthorized: ")
    assert "What FULFILLMENT_API_KEY holds is not valid at http://127.0.0.1:" in wrong.stderr
    assert none.stderr.endswith("Set FULFILLMENT_API_KEY to an API key or a JWT for this service.\n")
    assert placed.stderr.count("401 unauthorized") == 1
    assert placed.stdout == ""


async def test_a_key_of_the_local_stack_that_has_ended_is_told_from_one_of_the_users(
    run: Run, api: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_stack(tmp_path, str(api.base_url), {"shop": ApiKey.new().text})
    monkeypatch.delenv("FULFILLMENT_API_KEY")

    listed = await run("orders", "list")
    of_nobody = await run("stock", "show")

    assert "It was the key of shop of the local stack. Start the stack again" in listed.stderr
    assert of_nobody.stderr.endswith("Set FULFILLMENT_API_KEY to an API key or a JWT for this service.\n")


async def test_a_key_that_lacks_a_scope_is_told_which(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await a_caller(database, "reader", Scope.ORDERS_READ)
    monkeypatch.setenv("FULFILLMENT_API_KEY", key.text)

    shown = await run("stock", "show")
    cancelled = await run("orders", "cancel", str(uuid4()), "--reason", "r")
    placed = await run("orders", "place", "-", text=as_lines(new_order()))

    assert [result.exit_code for result in (shown, cancelled, placed)] == [1, 1, 1]
    for result, scope in ((shown, "inventory:read"), (cancelled, "orders:change")):
        assert result.stderr.startswith("403 forbidden: ")
        assert f"Put a key that has the scope {scope} into FULFILLMENT_API_KEY; " in result.stderr
    assert "lack the scope: orders:place" in " ".join(placed.stdout.split())
    assert placed.stderr == "Set FULFILLMENT_API_KEY to a key with the missing scope, and send the file again.\n"


def local_stack(folder: Path, api: str, keys: Mapping[str, str]) -> None:
    """The file of a stack that runs in this folder."""
    endpoints = dict.fromkeys(Endpoints.__dataclass_fields__, "") | {"api": api, "api_keys": keys}
    (folder / ".local").mkdir()
    (folder / ".local" / "endpoints.json").write_text(json.dumps(endpoints))


KEYS = {"shop": "s", "operator": "o"}


class Recorder:
    """An HTTP server that remembers who asked, and answers with an empty list."""

    def __init__(self) -> None:
        self.credentials: list[str | None] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        found = [line.partition(": ")[2] for line in head.splitlines() if line.startswith("authorization")]
        self.credentials.append(found[0] if found else None)
        body = b'{"items": [], "next_cursor": null}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()


async def test_the_local_stack_is_found_and_its_keys_go_nowhere_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, other = Recorder(), Recorder()
    servers = [await asyncio.start_server(recorder.answer, "127.0.0.1", 0) for recorder in (stack, other)]
    urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
    local_stack(tmp_path, urls[0], KEYS)
    monkeypatch.delenv("FULFILLMENT_API_URL")
    monkeypatch.delenv("FULFILLMENT_API_KEY")

    await run("orders", "list")
    await run("stock", "show")
    await run("orders", "list", "--api", urls[1])
    monkeypatch.setenv("FULFILLMENT_API_KEY", "mine")
    await run("orders", "list")
    await run("orders", "list", "--api", urls[1])

    assert stack.credentials == ["bearer s", "bearer o", "bearer mine"]
    assert other.credentials == [None, "bearer mine"]
    for server in servers:
        server.close()
