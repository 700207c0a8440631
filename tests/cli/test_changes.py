"""
`fulfillment orders cancel|pay|amend|readdress|actions|attention`, as people and scripts use them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from fulfillment.api.resources import ApiResources
from fulfillment.contracts.payments import PaymentNews
from fulfillment.db import late_payments
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from tests.api.bodies import a_key, an_order
from tests.api.living import Shopper, open_shop
from tests.api.writing import change, id_in, start_of, write
from tests.cli.running import Run, command
from tests.fixtures.identity import TESTER_KEY
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient, running_sandbox, settings_for

NOW = datetime.now(UTC)
QUESTION: dict[str, Any] = {
    "status": "needs_attention",
    "attention_reason": "undo_failed",
    "attention_since": NOW - timedelta(hours=30),
    "attention_due_at": NOW - timedelta(hours=6, minutes=1),
    "attention_actions": ["retry", "skip"],
    "resume_status": "cancelling",
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path / "sandbox.db")) as client:
        yield client


@pytest.fixture
async def shopper(
    make_settings: MakeSettings, own_temporal_server: str, sandbox: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shopper]:
    """The whole service, where commands find it."""
    provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
    settings = make_settings(payments=provider, carriers=provider)
    async with open_shop(settings, own_temporal_server) as shopper:
        monkeypatch.setenv("FULFILLMENT_API_URL", str(shopper.api.base_url))
        monkeypatch.setenv("FULFILLMENT_API_KEY", TESTER_KEY.text)
        await shopper.stock(10)
        yield shopper


async def written(api: httpx2.AsyncClient, resources: ApiResources, **columns: Any) -> str:
    """An order that is written down, with these columns; its id."""
    placed = await api.post("/v1/orders", json=an_order(), headers=a_key())
    await write(resources, await start_of(resources, placed))
    await change(resources, id_in(placed), **columns)
    return str(id_in(placed))


async def test_an_order_is_changed_paid_and_cancelled(shopper: Shopper, tmp_path: Path) -> None:
    path = await shopper.place(payment=None)
    order_id = path.rpartition("/")[2]
    address = {**an_order()["shipping_address"], "country": "AT", "postal_code": "TEST-CANCEL-FAILS"}
    (tmp_path / "lines.json").write_text(json.dumps(shopper.lines(3)["lines"]))

    amended = await command("orders", "amend", order_id, str(tmp_path / "lines.json"))
    short = await command("orders", "amend", order_id, "-", text=json.dumps(shopper.lines(11)))
    moved = await command("orders", "readdress", order_id, "-", text=json.dumps(address))
    paid = await command("orders", "pay", order_id, "tok_visa", "--key", "k-1")
    again = await command("orders", "pay", order_id, "tok_visa", "--key", "k-1", "--json")
    await shopper.becomes(path, "awaiting_shipment")
    late = await command("orders", "readdress", order_id, "-", text=json.dumps({"shipping_address": address}))
    cancelled = await command("orders", "cancel", order_id, "--reason", "not wanted")
    await shopper.becomes(path, "needs_attention")
    waiting = await command("orders", "attention", "--reason", "undo_failed")
    choices = await command("orders", "actions", order_id)
    refused = await command("orders", "actions", order_id, "reship", "--reason", "r")
    answered = await command("orders", "actions", order_id, "resolved_by_hand", "--reason", "they keep it", "--json")
    await shopper.becomes(path, "cancelled")
    over = await command("orders", "cancel", order_id, "--reason", "not wanted")
    nothing = await command("orders", "attention")

    assert amended.stdout == f"Order {order_id} has 3 pieces for 148.50 EUR, and their stock is held.\n"
    assert (short.exit_code, short.stderr.splitlines()[-1][:21]) == (1, "See what is available")
    assert moved.stdout == f"Order {order_id} goes to the new address in AT.\n"
    assert paid.stdout.startswith(f"Order {order_id} has a card for 148.50 EUR; it is ")
    assert paid.stdout.endswith(f"  fulfillment orders watch {order_id}\n")
    assert (again.exit_code, json.loads(again.stdout)["id"]) == (0, order_id)
    assert (late.exit_code, "409 order_not_amendable" in late.stderr) == (1, True)
    assert cancelled.stdout.startswith(f"Order {order_id} is going to be cancelled; it is ")
    assert waiting.stdout.count(order_id) == 1
    assert f"fulfillment orders actions {order_id} resolved_by_hand --reason" in choices.stdout
    assert refused.stderr.endswith(f"See what can be chosen now: fulfillment orders actions {order_id}\n")
    assert (answered.exit_code, json.loads(answered.stdout)["id"]) == (0, order_id)
    assert over.stdout == f"Order {order_id} is cancelled.\n"
    assert nothing.stdout == "Nothing needs attention.\n"


async def test_what_needs_attention_is_listed_oldest_first_with_its_age_and_due_date(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    late = await written(api, resources, **QUESTION, attention_operation="order:void:1")
    fresh = {"attention_since": NOW - timedelta(minutes=5), "attention_due_at": NOW + timedelta(hours=2)}
    new = await written(api, resources, **{**QUESTION, **fresh, "attention_reason": "lost"})

    table = await run("orders", "attention")
    as_json = await run("orders", "attention", "--json")
    lost = await run("orders", "attention", "--reason", "lost", "--json")
    shown = await run("orders", "show", late)

    rows = [line for line in table.stdout.splitlines() if late in line or new in line]
    for row, words in zip(
        rows, ((late, "1 d", "6 h overdue", "void:1", "retry skip"), (new, "min", "in 1 h")), strict=True
    ):
        assert all(word in row for word in words), row
    assert [entry["order_id"] for entry in json.loads(as_json.stdout)["items"]] == [late, new]
    assert [entry["order_id"] for entry in json.loads(lost.stdout)["items"]] == [new]
    assert "undo_failed (order:void:1), answer due 6 h overdue" in shown.stdout
    assert f"fulfillment orders actions {late} skip --reason" in shown.stdout


async def test_actions_without_a_name_are_listed_for_people_and_scripts(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    asking, quiet = await written(api, resources, **QUESTION), await written(api, resources, status="processing")

    as_json = await run("orders", "actions", asking, "--json")
    none = await run("orders", "actions", quiet)

    assert [action["name"] for action in json.loads(as_json.stdout)["items"]] == ["retry", "skip"]
    assert none.stdout == f"Order {quiet} asks nothing: it is processing.\n"


async def test_a_refusal_says_what_to_do_next(run: Run, api: httpx2.AsyncClient, resources: ApiResources) -> None:
    order_id = await written(api, resources, status="delivered")
    lines, address = json.dumps({"lines": an_order()["lines"]}), json.dumps(an_order()["shipping_address"])
    cases = {
        "order_not_cancellable": ("cancel", order_id, "--reason", "r"),
        "payment_not_awaited": ("pay", order_id, "tok_visa"),
        "order_not_amendable": ("readdress", order_id, "-"),
    }
    for code, arguments in cases.items():
        result = await run("orders", *arguments, text=address)
        assert (result.exit_code, result.stdout) == (1, ""), code
        assert result.stderr.startswith(f"409 {code}: an order that is delivered ")
        assert result.stderr.endswith(f"fulfillment orders show {order_id}\n")
    amended = await run("orders", "amend", order_id, "-", text=lines)
    unknown = await run("orders", "actions", order_id, "explode", "--reason", "r")
    assert (amended.exit_code, unknown.exit_code) == (1, 2)
    assert "'explode' is not one of 'retry'" in unknown.stderr


class Overloaded:
    """A service that has no time, and remembers what it was asked."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.keys += [line.partition(": ")[2] for line in head.splitlines() if line.startswith("idempotency-key")]
        body = b'{"code": "unavailable", "detail": "later"}'
        headers = f"Retry-After: 0\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 503 Later\r\n{headers}\r\n".encode() + body)
        await writer.drain()
        writer.close()


async def test_a_service_that_cannot_answer_now_is_asked_again_with_the_same_key(run: Run) -> None:
    overloaded = Overloaded()
    async with await asyncio.start_server(overloaded.answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        cancelled = await run("orders", "cancel", str(uuid4()), "--reason", "r", "--api", url)
        keys, overloaded.keys = overloaded.keys, []
        paid = await run("orders", "pay", str(uuid4()), "tok_visa", "--api", url)

    assert (cancelled.exit_code, paid.exit_code) == (1, 1)
    assert [len(keys), len(set(keys))] == [len(overloaded.keys), len(set(overloaded.keys))] == [5, 1]
    assert cancelled.stderr.startswith("503 unavailable: later")
    assert cancelled.stderr.endswith("Doing it again is safe: repeat the command.\n")
    assert paid.stderr.endswith(f"repeat the command with --key {overloaded.keys[0]}.\n")


async def test_wrong_usage_of_changes_ends_with_two_and_what_is_no_json_with_one(run: Run) -> None:
    order_id = str(uuid4())

    for arguments in (
        ["cancel", order_id],
        ["pay", order_id],
        ["amend", order_id, "none"],
        ["actions", order_id, "retry"],
    ):
        assert (await run("orders", *arguments)).exit_code == 2
    assert (await run("orders", "attention", "--reason", "bored")).exit_code == 2
    junk = await run("orders", "amend", order_id, "-", text="{")
    assert (junk.exit_code, junk.stderr) == (1, "<stdin> is not JSON; nothing was changed\n")


async def test_what_the_customer_has_to_do_is_shown_with_its_address(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    url = "https://bank.example.com/agree?" + "x" * 200
    waits = await written(
        api, resources, status="awaiting_payment", payment_next_action={"type": "redirect_to_url", "url": url}
    )

    shown = await run("orders", "show", waits)

    assert "the customer has to act before the card can be used (redirect_to_url):" in shown.output
    assert url in "".join(shown.output.split())


async def test_a_dispute_is_told_in_words_until_it_is_answered(
    run: Run, api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    words = "Payment auth_1 at sandbox: the customer asks their bank for the money back."
    asked = await written(api, resources, status="delivered")
    news = PaymentNews(id="evt_1", provider="sandbox", payment="auth_1", type=PaymentEvent.DISPUTED, occurred_at=NOW)
    async with resources.database.transaction() as connection:
        await late_payments.record(connection, OrderId(UUID(asked)), news, timedelta(days=1))

    listed = await run("orders", "attention", "--reason", "provider_dispute", "--json")
    table = await run("orders", "attention")
    shown = await run("orders", "show", asked)
    await run("orders", "actions", asked, "resolved_by_hand", "--reason", "paid back by transfer")
    answered = await run("orders", "show", asked)

    assert [entry["order_id"] for entry in json.loads(listed.output)["items"]] == [asked]
    assert "disputed" in table.output
    assert words in shown.output
    assert "resolved_by_hand" in shown.output
    assert words not in answered.output
