import re
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.sandbox.running import Receiver, SandboxClient, running_sandbox, settings_for, until, verified


def shown(sandbox: SandboxClient, key: str) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.get(f"/payments/operations/{key}").json()
    return found


def test_a_card_that_needs_the_customer_holds_nothing_and_says_where_they_are_to_go(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    first, second = (sandbox.authorize("tok_action_required", key, order_id=order) for _ in range(2))

    assert first.status_code == 201
    assert first.content == second.content
    asked = first.json()
    assert asked["status"] == "requires_action"
    assert asked["next_action"]["type"] == "redirect_to_url"
    assert httpx2.get(asked["next_action"]["url"]).status_code == 200
    found = shown(sandbox, key)
    assert (found["status"], found["id"], found["next_action"]) == (
        "requires_action",
        asked["id"],
        asked["next_action"],
    )
    assert sandbox.ledger(order) == []
    assert sandbox.summary(order) == (0, 0, 0)


def test_what_waits_for_its_customer_is_not_captured_or_refunded(sandbox: SandboxClient) -> None:
    payment = sandbox.waiting()
    assert sandbox.capture(payment).json()["code"] == "not_capturable"
    assert sandbox.refund(payment).json()["code"] == "exceeds_captured"


def test_money_is_held_once_the_customer_agrees(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    payment = sandbox.waiting(order_id=order, key=key)
    answer = sandbox.settle(payment, agree=True)

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    found = shown(sandbox, key)
    assert (found["status"], found["id"]) == ("succeeded", payment.rpartition("/")[2])
    assert "next_action" not in found
    assert (sandbox.ledger(order), sandbox.summary(order)) == ([("authorize", "succeeded")], (1000, 0, 0))
    assert sandbox.capture(payment).status_code == 201
    assert sandbox.summary(order) == (0, 1000, 0)


def test_a_customer_who_refuses_declines_the_card(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    answer = sandbox.settle(sandbox.waiting(order_id=order, key=key), agree=False)

    assert (answer.status_code, answer.json()["status"]) == (200, "declined")
    found = shown(sandbox, key)
    assert (found["status"], found["code"], found["id"]) == ("declined", "card_declined", None)
    assert (sandbox.ledger(order), sandbox.summary(order)) == ([("authorize", "declined")], (0, 0, 0))


@pytest.mark.parametrize("agreed", [True, False])
def test_a_customer_decides_once(sandbox: SandboxClient, agreed: bool) -> None:
    order = str(uuid4())
    payment = sandbox.waiting(order_id=order)
    sandbox.settle(payment, agree=agreed)
    for again in (True, False):
        answer = sandbox.settle(payment, agree=again)
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_agree_to")
    assert len(sandbox.ledger(order)) == 1


@pytest.mark.parametrize("refused_before", [True, False])
def test_voiding_what_holds_nothing_ends_it_and_frees_no_money(sandbox: SandboxClient, refused_before: bool) -> None:
    order, key, first_void, later_void = (str(uuid4()) for _ in range(4))
    payment = sandbox.waiting(order_id=order, key=key)
    if refused_before:
        sandbox.settle(payment, agree=False)
    voids = [sandbox.void(payment, void) for void in (first_void, first_void, later_void)]

    assert {void.status_code for void in voids} == {201}
    assert len({void.json()["id"] for void in voids}) == 1
    assert (shown(sandbox, first_void)["status"], shown(sandbox, first_void)["id"]) == (
        "succeeded",
        voids[0].json()["id"],
    )
    assert shown(sandbox, later_void)["id"] == voids[0].json()["id"]
    assert shown(sandbox, key)["status"] == "declined"
    assert sandbox.settle(payment, agree=True).json()["code"] == "nothing_to_agree_to"
    # The ledger adds up: what was never held is not freed.
    assert (sandbox.ledger(order), sandbox.summary(order)) == ([("authorize", "declined")], (0, 0, 0))


def test_the_page_works_without_scripts_and_a_second_click_changes_nothing(sandbox: SandboxClient) -> None:
    for choice, status in (("agree", "succeeded"), ("refuse", "declined")):
        order = str(uuid4())
        page = f"{sandbox.waiting(order_id=order)}/action"
        text = sandbox.get(page).text
        assert "<script" not in text
        assert re.findall(r'<form method="post">|formaction="([^"]+)"', text) == ["", "action/agree", "action/refuse"]
        for _ in range(2):
            settled = sandbox.post(f"{page}/{choice}", follow_redirects=True)
            assert (settled.status_code, settled.url.path) == (200, page)
            assert "<button" not in settled.text
        assert sandbox.ledger(order) == [("authorize", status)]


def test_nobody_agrees_to_a_payment_that_is_unknown_or_asks_for_nothing(sandbox: SandboxClient) -> None:
    unknown = "/payments/authorizations/auth_x"
    assert sandbox.get(f"{unknown}/action").status_code == 404
    assert sandbox.settle(unknown, agree=True).status_code == 404
    assert sandbox.settle(sandbox.authorized(), agree=True).json()["code"] == "nothing_to_agree_to"
    answer = sandbox.post(f"{sandbox.waiting()}/action", json={"agree": "perhaps"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "agree")


def test_what_becomes_of_a_payment_is_told_signed_and_in_order(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [503]
    with running_sandbox(settings_for(tmp_path / "state.db", events_url=receiver.url)) as sandbox:
        order = str(uuid4())
        agreed, refused = (sandbox.waiting(order_id=order) for _ in range(2))
        sandbox.settle(agreed, agree=True)
        until(lambda: sandbox.get("/health").json()["undelivered_events"] == 0)
        sandbox.settle(refused, agree=False)
        until(lambda: sandbox.get("/health").json()["undelivered_events"] == 0)
        for event in ("payment.disputed", "capture_failed"):
            answer = sandbox.post(f"{agreed}/events", json={"type": event})
            assert (answer.status_code, answer.json()["type"]) == (202, f"payment.{event.removeprefix('payment.')}")
            until(lambda: sandbox.get("/health").json()["undelivered_events"] == 0)
        assert sandbox.post(f"{agreed}/events", json={"type": "payment.authorized"}).status_code == 422
        assert sandbox.post("/payments/authorizations/auth_x/events", json={"type": "disputed"}).status_code == 404
    told = [verified(request) for request in receiver.requests]
    assert [event["type"] for event in told] == [
        *["payment.authorized"] * 2,
        "payment.failed",
        "payment.disputed",
        "payment.capture_failed",
    ]
    assert told[0] == told[1]
    assert told[0]["data"] == {
        "payment": agreed.rpartition("/")[2],
        "reference": order,
        "occurred_at": told[0]["timestamp"],
    }


def test_payments_and_parcels_are_told_at_addresses_of_their_own(receiver: Receiver, tmp_path: Path) -> None:
    other = Receiver()
    settings = settings_for(tmp_path / "state.db", events_url=receiver.url)
    try:
        with running_sandbox(settings.model_copy(update={"payment_events_url": other.url})) as sandbox:
            sandbox.booked()
            sandbox.post("/parcels/advance")
            sandbox.settle(sandbox.waiting(), agree=True)
            until(lambda: sandbox.get("/health").json()["undelivered_events"] == 0)
    finally:
        other.close()
    assert [verified(request)["type"] for request in receiver.requests] == ["parcel.picked_up"]
    assert [verified(request)["type"] for request in other.requests] == ["payment.authorized"]


def test_the_state_of_an_older_sandbox_goes_on_working(receiver: Receiver, tmp_path: Path) -> None:
    state, key, void = tmp_path / "state.db", str(uuid4()), str(uuid4())
    with running_sandbox(settings_for(state)) as sandbox:
        payment = sandbox.authorized(key=key, order_id="o")
        sandbox.booked(order_id="o")
        sandbox.post("/parcels/advance")
    with sqlite3.connect(state) as older:
        older.executescript("DROP VIEW operations; DROP TABLE unbooked")
    older.close()
    with running_sandbox(settings_for(state, events_url=receiver.url)) as sandbox:
        assert shown(sandbox, key)["status"] == "succeeded"
        assert sandbox.void(payment, void).status_code == 201
        assert shown(sandbox, void)["status"] == "succeeded"
        sandbox.settle(sandbox.waiting(order_id="o"), agree=True)
        assert sandbox.ledger("o") == [("authorize", "succeeded"), ("void", "succeeded"), ("authorize", "succeeded")]
        until(lambda: len(receiver.requests) == 2)


def test_a_customer_may_agree_after_a_restart(tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db")) as sandbox:
        payment = sandbox.waiting(order_id="o")
    with running_sandbox(settings_for(tmp_path / "state.db")) as sandbox:
        assert sandbox.settle(payment, agree=True).status_code == 200
        assert sandbox.summary("o") == (1000, 0, 0)
