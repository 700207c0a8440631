import socket
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.sandbox.running import Receiver, SandboxClient, running_sandbox, settings_for, until

BODY = b'{"order_id": "o", "token": "tok_lost_answer", "amount": 1, "currency": "EUR"}'
REQUEST = (
    b"POST /payments/authorizations HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
    b"Idempotency-Key: k\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


def put(sandbox: SandboxClient, **control: Any) -> None:
    assert sandbox.put("/control", json=control).status_code == 200


def test_what_is_down_answers_503_until_control_is_cleared(controlled: SandboxClient) -> None:
    key, order = str(uuid4()), str(uuid4())
    put(controlled, authorize={"down": True}, lookup={"down": True})
    assert controlled.authorize(key=key, order_id=order).status_code == 503
    assert controlled.get(f"/payments/operations/{key}").status_code == 503
    assert controlled.get(f"/parcels/by-key/{key}").status_code == 503
    assert controlled.book().status_code == 201
    assert controlled.delete("/control").json()["authorize"]["down"] is False
    assert controlled.authorize(key=key, order_id=order).status_code == 201
    assert controlled.get(f"/payments/operations/{key}").status_code == 200


def test_failures_follow_the_seed(controlled: SandboxClient) -> None:
    def run(seed: int) -> list[int]:
        put(controlled, seed=seed, authorize={"fail_rate": 0.5})
        return [controlled.authorize().status_code for _ in range(30)]

    first = run(1)
    assert set(first) == {201, 503}
    assert run(1) == first
    assert run(2) != first


def test_a_lost_answer_was_done(controlled: SandboxClient) -> None:
    authorization, key = controlled.authorized(), str(uuid4())
    put(controlled, capture={"lose_answer_rate": 1})
    body = {"amount": 1000, "currency": "EUR"}
    with pytest.raises(httpx2.ReadTimeout):
        controlled.keyed_within(0.2, f"{authorization}/capture", body, key)
    assert controlled.get(f"/payments/operations/{key}").json()["status"] == "succeeded"


def test_a_connection_held_for_a_lost_answer_is_closed_without_a_word_when_the_sandbox_stops(tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db")) as sandbox:
        connection = socket.create_connection((sandbox.base_url.host, sandbox.base_url.port or 0), timeout=5)
        connection.sendall(REQUEST)
        until(lambda: sandbox.get("/payments/operations/k").status_code == 200)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    with connection:
        assert connection.recv(100) == b""


def test_latency_is_kept_within_its_range(controlled: SandboxClient) -> None:
    put(controlled, void={"latency_ms": [200, 250]})
    authorization = controlled.authorized()
    started = time.monotonic()
    assert controlled.void(authorization).status_code == 201
    assert 0.2 <= time.monotonic() - started < 2


def test_an_event_whose_answer_is_lost_comes_again(receiver: Receiver, tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db", events_url=receiver.url)) as sandbox:
        put(sandbox, events={"lose_answer_rate": 1})
        sandbox.booked()
        sandbox.post("/parcels/advance")
        until(lambda: len(receiver.requests) == 2)
        put(sandbox, events={"down": True})
        time.sleep(1.2)
        assert len(receiver.requests) == 2
        assert sandbox.get("/health").json()["undelivered_events"] == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


@pytest.mark.parametrize(
    ("control", "field"),
    [
        ({"authorize": {"fail_rate": 1.1}}, "authorize.fail_rate"),
        ({"book": {"lose_answer_rate": -0.1}}, "book.lose_answer_rate"),
        ({"refund": {"latency_ms": [5, 60_001]}}, "refund.latency_ms[1]"),
        ({"refund": {"latency_ms": [5, 1]}}, "refund"),
        ({"lookup": {"fail_rate": 0.5}}, "lookup.fail_rate"),
        ({"charge": {}}, "charge"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_a_fault_out_of_range_is_refused_by_name(sandbox: SandboxClient, control: dict[str, Any], field: str) -> None:
    before = sandbox.get("/control").json()
    answer = sandbox.put("/control", json=control)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert sandbox.get("/control").json() == before


def test_what_get_shows_can_be_put_back(controlled: SandboxClient) -> None:
    put(controlled, seed=7, cancel={"fail_rate": 0.25, "latency_ms": [1, 2]})
    shown = controlled.get("/control").json()
    assert controlled.put("/control", json=shown).json() == shown
    assert (shown["seed"], shown["cancel"]["fail_rate"]) == (7, 0.25)
