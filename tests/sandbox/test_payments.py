import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.sandbox.running import SandboxClient, running_sandbox, settings_for, until


def test_a_repeated_key_gets_the_stored_answer_and_one_ledger_row(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    first, second = (sandbox.authorize(key=key, order_id=order) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert sandbox.ledger(order) == [("authorize", "succeeded")]


def test_a_key_with_another_body_or_another_operation_is_refused(sandbox: SandboxClient) -> None:
    key = str(uuid4())
    authorization = sandbox.authorized(key=key)
    for answer in (
        sandbox.authorize(key=key, amount=1),
        sandbox.capture(authorization, key=key),
        sandbox.book(key=key),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")


async def test_50_concurrent_requests_with_one_key_authorize_once(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    body = {"order_id": order, "token": "tok_visa", "amount": 5, "currency": "EUR"}
    async with httpx2.AsyncClient(base_url=sandbox.base_url, timeout=10) as client:
        answers = await asyncio.gather(
            *(client.post("/payments/authorizations", json=body, headers={"Idempotency-Key": key}) for _ in range(50))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sandbox.ledger(order) == [("authorize", "succeeded")]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_never_seen", "card_declined"),
    ],
)
def test_a_declined_card_stays_declined_under_its_key(sandbox: SandboxClient, token: str, code: str) -> None:
    order, key = str(uuid4()), str(uuid4())
    for _ in range(2):
        answer = sandbox.authorize(token, key, order_id=order)
        assert (answer.status_code, answer.json()["code"]) == (402, code)
    assert sandbox.ledger(order) == [("authorize", "declined")]
    assert sandbox.summary(order) == (0, 0, 0)
    found = sandbox.get(f"/payments/operations/{key}").json()
    assert (found["status"], found["code"], found["id"]) == ("declined", code, None)


def test_the_summary_follows_the_money(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    authorization = sandbox.authorized(order_id=order)
    assert sandbox.summary(order) == (1000, 0, 0)
    assert sandbox.capture(authorization).json()["id"].startswith("cap_")
    assert sandbox.summary(order) == (0, 1000, 0)
    assert sandbox.refund(authorization, 400).json()["id"].startswith("ref_")
    assert sandbox.summary(order) == (0, 1000, 400)
    assert sandbox.ledger(order) == [("authorize", "succeeded"), ("capture", "succeeded"), ("refund", "succeeded")]


def test_no_more_is_refunded_than_was_captured(sandbox: SandboxClient) -> None:
    authorization = sandbox.authorized()
    assert sandbox.refund(authorization, 1).json()["code"] == "exceeds_captured"
    sandbox.capture(authorization, 600)
    assert sandbox.refund(authorization, 400).status_code == 201
    answer = sandbox.refund(authorization, 201)
    assert (answer.status_code, answer.json()["code"]) == (409, "exceeds_captured")
    assert sandbox.refund(authorization, 200).status_code == 201


def test_an_authorization_is_captured_once_and_never_above_its_amount(sandbox: SandboxClient) -> None:
    authorization = sandbox.authorized()
    assert sandbox.capture(authorization, 1001).json()["code"] == "exceeds_authorized"
    other_currency = {"amount": 1, "currency": "USD"}
    assert sandbox.keyed(f"{authorization}/capture", other_currency).json()["code"] == "currency_mismatch"
    key = str(uuid4())
    captured = sandbox.capture(authorization, key=key)
    assert captured.status_code == 201
    assert sandbox.capture(authorization, key=key).content == captured.content
    again = sandbox.capture(authorization)
    assert (again.status_code, again.json()["code"]) == (409, "not_capturable")


def test_a_void_frees_the_money_and_every_later_void_is_the_first(sandbox: SandboxClient) -> None:
    order, later = str(uuid4()), f"{uuid4()}:void:2"
    authorization = sandbox.authorized(order_id=order)
    first = sandbox.void(authorization)
    second = sandbox.void(authorization, later)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert sandbox.summary(order) == (0, 0, 0)
    assert sandbox.ledger(order) == [("authorize", "succeeded"), ("void", "succeeded")]
    assert sandbox.capture(authorization).json()["code"] == "not_capturable"
    assert sandbox.get(f"/payments/operations/{later}").json()["id"] == first.json()["id"]


def test_what_is_captured_is_not_voided(sandbox: SandboxClient) -> None:
    authorization = sandbox.authorized()
    sandbox.capture(authorization)
    answer = sandbox.void(authorization)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_captured")


def test_a_refusal_is_not_remembered_under_its_key(sandbox: SandboxClient) -> None:
    authorization, key = sandbox.authorized(), str(uuid4())
    assert sandbox.refund(authorization, 10, key).status_code == 409
    assert sandbox.get(f"/payments/operations/{key}").status_code == 404
    sandbox.capture(authorization)
    assert sandbox.refund(authorization, 10, key).status_code == 201


def test_an_unknown_authorization_is_not_found(sandbox: SandboxClient) -> None:
    for answer in (
        sandbox.capture("/payments/authorizations/auth_x"),
        sandbox.void("/payments/authorizations/auth_x"),
        sandbox.refund("/payments/authorizations/auth_x"),
        sandbox.get("/payments/operations/never%3Aseen%2F1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_lost_answer_is_found_by_its_key_and_given_the_second_time(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), f"{uuid4()}:authorize/1"
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.keyed_within(
            0.3,
            "/payments/authorizations",
            {"order_id": order, "token": "tok_lost_answer", "amount": 7, "currency": "JPY"},
            key,
        )
    found = sandbox.get(f"/payments/operations/{key.replace(':', '%3A').replace('/', '%2F')}").json()
    assert (found["key"], found["operation"], found["status"]) == (key, "authorize", "succeeded")
    assert (found["amount"], found["currency"]) == (7, "JPY")
    again = sandbox.authorize("tok_lost_answer", key, order_id=order, amount=7, currency="JPY")
    assert (again.status_code, again.json()["id"]) == (201, found["id"])
    assert sandbox.ledger(order) == [("authorize", "succeeded")]


def test_a_late_answer_hangs_up_at_once_and_is_done_once_afterwards(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            sandbox.authorize("tok_late", key, order_id=order)
    assert sandbox.authorize("tok_late", key, order_id=order, amount=1).json()["code"] == "key_reused"
    assert sandbox.get(f"/payments/operations/{key}").status_code == 404
    until(lambda: sandbox.get(f"/payments/operations/{key}").status_code == 200)
    assert sandbox.authorize("tok_late", key, order_id=order).status_code == 201
    assert sandbox.ledger(order) == [("authorize", "succeeded")]


def test_a_late_authorization_whose_key_was_used_otherwise_is_dropped(sandbox: SandboxClient) -> None:
    order, key, next_key = (str(uuid4()) for _ in range(3))
    for late in (key, next_key):
        with pytest.raises(httpx2.RemoteProtocolError):
            sandbox.authorize("tok_late", late, order_id=order)
    assert sandbox.authorize("tok_visa", key, order_id=order).status_code == 201
    until(lambda: sandbox.get(f"/payments/operations/{next_key}").status_code == 200)
    assert sandbox.ledger(order) == [("authorize", "succeeded")] * 2


def test_a_flaky_card_fails_twice_per_key(sandbox: SandboxClient) -> None:
    for key in (str(uuid4()), str(uuid4())):
        answers = [sandbox.authorize("tok_flaky", key, order_id=key) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [503, 503, 201, 201]
        assert answers[0].headers["retry-after"] == "1"
        assert answers[0].json()["code"] == "unavailable"


def test_a_slow_card_takes_three_seconds(sandbox: SandboxClient) -> None:
    started = time.monotonic()
    assert sandbox.authorize("tok_slow").status_code == 201
    assert 3 <= time.monotonic() - started < 8


def test_a_provider_that_is_down_does_nothing_and_still_looks_up(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    assert [sandbox.authorize("tok_down", key, order_id=order).status_code for _ in range(4)] == [503] * 4
    assert sandbox.get(f"/payments/operations/{key}").status_code == 404
    assert sandbox.ledger(order) == []


def test_a_declined_capture_leaves_the_authorization_live(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    authorization = sandbox.authorized("tok_capture_declined", order_id=order)
    answer = sandbox.capture(authorization)
    assert (answer.status_code, answer.json()["code"]) == (402, "capture_declined")
    assert sandbox.summary(order) == (1000, 0, 0)
    assert sandbox.ledger(order) == [("authorize", "succeeded"), ("capture", "declined")]
    assert sandbox.void(authorization).status_code == 201


def test_an_undo_that_fails_fails_for_good(sandbox: SandboxClient) -> None:
    held, taken = sandbox.authorized("tok_undo_fails"), sandbox.authorized("tok_undo_fails")
    assert sandbox.capture(taken).status_code == 201
    for _ in range(2):
        voided, refunded = sandbox.void(held), sandbox.refund(taken)
        assert (voided.status_code, voided.json()["code"]) == (402, "void_declined")
        assert (refunded.status_code, refunded.json()["code"]) == (402, "refund_declined")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": "12"}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": 10**30}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"order_id": ""}, "order_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_body_names_the_field_and_never_repeats_the_token(
    sandbox: SandboxClient, change: dict[str, Any], field: str
) -> None:
    answer = sandbox.authorize("tok_secret", **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "tok_secret" not in answer.text


def test_a_missing_key_is_named(sandbox: SandboxClient) -> None:
    answer = sandbox.post("/payments/authorizations/auth_1/void")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_the_lists_are_walked_page_by_page(tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db")) as sandbox:
        _walk(sandbox)


def _walk(sandbox: SandboxClient) -> None:
    orders = [f"order-{number}" for number in (3, 1, 2)]
    for order in orders:
        sandbox.authorized(order_id=order)
    for path in ("/ledger", "/ledger/summary"):
        seen, cursor = [], "0"
        while cursor is not None:
            part = sandbox.get(path, params={"limit": 2, "cursor": cursor}).json()
            seen += [item["order_id"] for item in part["items"]]
            cursor = part["next_cursor"]
        assert seen == orders
    assert sandbox.get("/ledger", params={"limit": 0}).json()["errors"][0]["field"] == "limit"


def test_an_order_nobody_heard_of_has_no_money(sandbox: SandboxClient) -> None:
    answer = sandbox.get("/ledger/summary", params={"order_id": str(uuid4())}).json()
    assert (answer["currency"], answer["authorized"], answer["captured"], answer["refunded"]) == (None, 0, 0, 0)
