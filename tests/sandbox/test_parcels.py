import time
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.sandbox.running import Receiver, SandboxClient, running_sandbox, settings_for, until, verified


def statuses(sandbox: SandboxClient, order: str) -> list[str]:
    return [parcel["status"] for parcel in sandbox.parcels(order)]


def test_a_repeated_key_books_one_parcel(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), f"{uuid4()}:book:1"
    first, second = (sandbox.book(key=key, order_id=order) for _ in range(2))
    assert first.status_code == 201
    assert first.content == second.content
    assert (first.json()["status"], first.json()["key"]) == ("booked", key)
    (parcel,) = sandbox.parcels(order)
    assert parcel["items"] == [{"sku": "A-1", "quantity": 2}]
    assert sandbox.get(f"/parcels/by-key/{key.replace(':', '%3A')}").json() == parcel


def test_nothing_personal_is_kept_of_an_address(tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db")) as sandbox:
        sandbox.booked("10999")
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"A-1" in stored
    assert not any(word in stored for word in (b"Ada", b"Weg 1", b"10999"))


def test_a_refused_address_books_nothing(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    for _ in range(2):
        answer = sandbox.book("TEST-REFUSED", key, order_id=order)
        assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")
    assert sandbox.get(f"/parcels/by-key/{key}").status_code == 404
    assert sandbox.parcels(order) == []


def test_a_lost_booking_is_found_by_its_key(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    sandbox.timeout = httpx2.Timeout(0.3)
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.book("TEST-LOST-ANSWER", key, order_id=order)
    sandbox.timeout = httpx2.Timeout(10)
    found = sandbox.get(f"/parcels/by-key/{key}").json()
    again = sandbox.book("TEST-LOST-ANSWER", key, order_id=order)
    assert again.json()["tracking_number"] == found["tracking_number"]
    assert len(sandbox.parcels(order)) == 1


def test_a_flaky_carrier_fails_twice_per_key(sandbox: SandboxClient) -> None:
    key = str(uuid4())
    answers = [sandbox.book("TEST-FLAKY", key, order_id=key).status_code for _ in range(4)]
    assert answers == [503, 503, 201, 201]


def test_a_carrier_that_is_down_does_nothing_and_still_looks_up(sandbox: SandboxClient) -> None:
    order, key = str(uuid4()), str(uuid4())
    assert [sandbox.book("TEST-DOWN", key, order_id=order).status_code for _ in range(4)] == [503] * 4
    assert sandbox.get(f"/parcels/by-key/{key}").status_code == 404
    assert sandbox.parcels(order) == []


def test_a_cancelled_parcel_stays_where_it_is(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    tracking_number = sandbox.booked(order_id=order)
    for _ in range(2):
        answer = sandbox.cancel(tracking_number)
        assert answer.status_code == 201
        assert answer.json() == {"tracking_number": tracking_number, "status": "cancelled"}
    assert sandbox.post("/parcels/advance", json={"order_id": order}).json() == {"moved": 0}
    assert statuses(sandbox, order) == ["cancelled"]


def test_what_is_picked_up_is_not_cancelled(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    tracking_number = sandbox.booked(order_id=order)
    sandbox.post("/parcels/advance", json={"order_id": order})
    answer = sandbox.cancel(tracking_number)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_picked_up")


def test_a_cancel_that_is_too_late_finds_the_parcel_picked_up(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    tracking_number = sandbox.booked("TEST-TOO-LATE", order_id=order)
    for _ in range(2):
        answer = sandbox.cancel(tracking_number)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_picked_up")
    assert statuses(sandbox, order) == ["picked_up"]


def test_a_cancel_that_fails_leaves_the_parcel_booked(sandbox: SandboxClient) -> None:
    order = str(uuid4())
    tracking_number = sandbox.booked("TEST-CANCEL-FAILS", order_id=order)
    answer = sandbox.cancel(tracking_number)
    assert (answer.status_code, answer.json()["code"]) == (409, "cancel_refused")
    assert statuses(sandbox, order) == ["booked"]


@pytest.mark.parametrize(
    ("postal_code", "journey"),
    [("10115", ["picked_up", "in_transit", "delivered"]), ("TEST-LOST", ["picked_up", "lost"])],
)
def test_parcels_advance_to_their_end(sandbox: SandboxClient, postal_code: str, journey: list[str]) -> None:
    order = str(uuid4())
    sandbox.booked(postal_code, order_id=order)
    for status in journey:
        assert sandbox.post("/parcels/advance", json={"order_id": order}).json() == {"moved": 1}
        assert statuses(sandbox, order) == [status]
    assert sandbox.post("/parcels/advance", json={"order_id": order}).json() == {"moved": 0}


def test_an_event_out_of_order_does_not_turn_a_parcel_back(sandbox: SandboxClient) -> None:
    tracking_number = sandbox.booked()
    events = ("in_transit", "parcel.picked_up", "delivered", "returned")
    answers = [sandbox.post(f"/parcels/{tracking_number}/events", json={"type": event}) for event in events]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert [answer.json()["status"] for answer in answers] == ["in_transit", "in_transit", "delivered", "returned"]
    assert sandbox.post(f"/parcels/{tracking_number}/events", json={"type": "eaten"}).status_code == 422
    assert sandbox.post("/parcels/SBX0/events", json={"type": "lost"}).status_code == 404


def test_an_event_is_signed_and_keeps_its_id_until_it_is_taken(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [503, 302]
    with running_sandbox(settings_for(tmp_path / "state.db", events_url=receiver.url)) as sandbox:
        order = str(uuid4())
        tracking_number = sandbox.booked(order_id=order)
        sandbox.post("/parcels/advance")
        started = time.monotonic()
        sandbox.post("/parcels/advance")
        until(lambda: sandbox.get("/health").json()["undelivered_events"] == 0)
    # The second event waits for the first: 0.5 s and 1 s after its two failures.
    assert time.monotonic() - started > 1.4
    assert len({headers["webhook-id"] for headers, _ in receiver.requests[:3]}) == 1
    assert len({body for _, body in receiver.requests[:3]}) == 1
    taken = [verified(request) for request in receiver.requests]
    assert [event["type"] for event in taken] == [*["parcel.picked_up"] * 3, "parcel.in_transit"]
    assert set(taken[0]) == {"type", "timestamp", "data"}
    assert taken[0]["data"] == {
        "tracking_number": tracking_number,
        "reference": order,
        "occurred_at": taken[0]["timestamp"],
    }


def test_one_parcel_that_is_stuck_does_not_hold_up_the_others(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refused = b"order-07"
    with running_sandbox(settings_for(tmp_path / "state.db", events_url=receiver.url)) as sandbox:
        for number in range(30):
            sandbox.booked(order_id=f"order-{number:02}")
        assert sandbox.post("/parcels/advance").json() == {"moved": 30}
        until(lambda: len({verified(request)["data"]["reference"] for request in receiver.requests}) == 30)
        until(lambda: sandbox.get("/health").json()["undelivered_events"] == 1)


def test_parcels_travel_by_themselves_if_told_to(receiver: Receiver, tmp_path: Path) -> None:
    with running_sandbox(settings_for(tmp_path / "state.db", events_url=receiver.url, transit=0.2)) as sandbox:
        order = str(uuid4())
        sandbox.booked(order_id=order)
        until(lambda: statuses(sandbox, order) == ["delivered"])
        until(lambda: len(receiver.requests) == 3)
    assert [verified(request)["type"].partition(".")[2] for request in receiver.requests] == [
        "picked_up",
        "in_transit",
        "delivered",
    ]
