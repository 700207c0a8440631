"""
Changes of orders whose workflow nobody runs: what is refused before it is asked, and what the row alone answers.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from temporalio.client import Client

from fulfillment.api.resources import ApiResources
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import order_workflow_id
from fulfillment.db import late_events
from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.settings import Settings
from tests.api.bodies import a_key, an_order
from tests.api.carrier import refusal
from tests.api.living import Shopper, all_workers, impatient
from tests.api.writing import book, change, id_in, start_of, write
from tests.fakes.orders import an_event
from tests.fixtures.api import serving
from tests.fixtures.identity import TESTER_ID

REASON = {"reason": "changed my mind"}
CARD = {"method": "card", "token": "tok_visa"}
LINES = {"lines": an_order()["lines"]}
ADDRESS = an_order()["shipping_address"]
CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cancel": ("POST", "cancel", REASON),
    "payment": ("POST", "payment", CARD),
    "lines": ("PUT", "lines", LINES),
    "address": ("PUT", "shipping-address", ADDRESS),
    "action": ("POST", "actions/retry", REASON),
}
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PARKED = {
    "status": "needs_attention",
    "attention_reason": "outcome_unknown",
    "attention_since": SINCE,
    "attention_actions": ["retry", "it_happened", "it_did_not"],
    "resume_status": "processing",
}
PATIENCE = timedelta(milliseconds=300)


@pytest.fixture
async def hasty(resources: ApiResources, temporal: Client) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API that does not wait long for workers."""
    async with serving(impatient(resources, temporal, PATIENCE)) as client:
        yield client


async def asked(api: httpx2.AsyncClient, path: str, name: str, **headers: str) -> httpx2.Response:
    """Ask for one of the changes."""
    method, part, body = CHANGES[name]
    return await api.request(method, f"{path}/{part}", json=body, headers={**a_key(), **headers})


async def written(api: httpx2.AsyncClient, resources: ApiResources, **columns: Any) -> httpx2.Response:
    """The answer to placing an order that is written down, with these columns."""
    placed = await api.post("/v1/orders", json=an_order(), headers=a_key())
    await write(resources, await start_of(resources, placed))
    if columns:
        await change(resources, id_in(placed), **columns)
    return placed


async def test_an_order_nobody_placed_cannot_be_changed(api: httpx2.AsyncClient) -> None:
    for name, order_id in product(CHANGES, (uuid4(), "no-id")):
        assert refusal(await asked(api, f"/v1/orders/{order_id}", name)) == (404, "not_found"), name


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("cancel", {}, "reason"),
        ("cancel", {"reason": " "}, "reason"),
        ("cancel", {"reason": "x" * 501}, "reason"),
        ("cancel", {**REASON, "force": True}, "force"),
        ("payment", {"method": "cash", "token": "t"}, "method"),
        ("payment", {"method": "card"}, "token"),
        ("lines", {"lines": []}, "lines"),
        ("lines", {"lines": [*LINES["lines"], LINES["lines"][0]]}, "lines[2].sku"),
        ("lines", {"lines": [{**LINES["lines"][0], "sku": "TEST-ORDER"}]}, "lines"),
        ("address", {**ADDRESS, "country": "XX"}, "country"),
        ("action", {}, "reason"),
        ("action", {**REASON, "provider_reference": ""}, "provider_reference"),
    ],
)
async def test_a_body_that_says_nothing_sensible_is_refused(
    api: httpx2.AsyncClient, name: str, body: dict[str, Any], field: str
) -> None:
    method, part, _ = CHANGES[name]
    answer = await api.request(method, f"/v1/orders/{uuid4()}/{part}", json=body, headers=a_key())

    assert refusal(answer) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_payment_needs_a_key_and_the_other_changes_do_not(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    path = (await written(api, resources, status="delivered")).headers["location"]
    codes = {}
    for name, (method, part, body) in CHANGES.items():
        codes[name] = refusal(await api.request(method, f"{path}/{part}", json=body))[1]

    assert codes == {
        "cancel": "order_not_cancellable",
        "payment": "idempotency_key_missing",
        "lines": "order_not_amendable",
        "address": "order_not_amendable",
        "action": "action_not_available",
    }


async def test_a_change_of_another_version_is_refused_before_anybody_is_asked(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    path = (await written(api, resources, status="processing")).headers["location"]

    for name, given in product(CHANGES, ('"1"', 'W/"2"', '"1", "7"', '"x"', '""')):
        answer = await asked(api, path, name, **{"If-Match": given})
        assert refusal(answer) == (412, "precondition_failed"), (name, given)


async def test_a_change_of_the_version_that_was_read_goes_on(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    path = (await written(api, resources, status="cancelled")).headers["location"]

    for given in ('"2"', '"1", "2"', "*"):
        assert (await asked(api, path, "cancel", **{"If-Match": given})).status_code == 200, given


async def test_a_version_that_is_no_entity_tag_is_refused(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    path = (await written(api, resources)).headers["location"]

    for junk in ("1", '"1', "W/", '"1" "2"'):
        answer = await asked(api, path, "cancel", **{"If-Match": junk})
        assert refusal(answer) == (422, "invalid_request"), junk


@pytest.mark.parametrize("status", ["delivered", "rejected", "returned"])
async def test_an_order_that_has_ended_is_not_changed(
    api: httpx2.AsyncClient, resources: ApiResources, status: str
) -> None:
    path = (await written(api, resources, status=status)).headers["location"]
    answers = {name: refusal(await asked(api, path, name)) for name in CHANGES}

    assert answers == {
        "cancel": (409, "order_not_cancellable"),
        "payment": (409, "payment_not_awaited"),
        "lines": (409, "order_not_amendable"),
        "address": (409, "order_not_amendable"),
        "action": (409, "action_not_available"),
    }


async def test_cancelling_a_cancelled_order_is_done_already(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    path = (await written(api, resources, status="cancelled")).headers["location"]
    answer = await asked(api, path, "cancel")

    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "cancelled", '"2"')


async def test_an_order_nobody_runs_any_more_is_not_refused_for_good(
    api: httpx2.AsyncClient, resources: ApiResources, temporal: Client
) -> None:
    placed = await written(api, resources, **PARKED)
    await temporal.get_workflow_handle(order_workflow_id(id_in(placed))).terminate()

    for name in CHANGES:
        answer = await asked(api, placed.headers["location"], name)
        assert (*refusal(answer), answer.headers["retry-after"]) == (503, "unavailable", "2"), name


async def test_nobody_waits_for_a_worker_that_is_away_for_longer_than_promised(
    hasty: httpx2.AsyncClient, resources: ApiResources
) -> None:
    path = (await written(hasty, resources, **PARKED)).headers["location"]

    begun = time.monotonic()
    answers = await asyncio.gather(*(asked(hasty, path, name) for name in CHANGES))

    assert time.monotonic() - begun < 3
    assert {(*refusal(answer), answer.headers["retry-after"]) for answer in answers} == {(503, "unavailable", "2")}


async def test_a_change_while_the_workers_are_away_can_be_repeated(
    settings: Settings, own_temporal_server: str, database: Database
) -> None:
    temporal = await Client.connect(own_temporal_server, data_converter=data_converter(settings.encryption.ring()))
    resources = ApiResources.of(settings, database, temporal)
    async with serving(impatient(resources, temporal, timedelta(milliseconds=500))) as client:
        shopper, key = Shopper(client, ""), a_key()
        await shopper.stock(10)
        body = an_order(payment=None, **shopper.lines(1))
        placed = await client.post("/v1/orders", json=body, headers=a_key())
        path = placed.headers["location"]

        begun = time.monotonic()
        away = await client.post(f"{path}/cancel", json=REASON, headers=key)
        waited = time.monotonic() - begun
        async with all_workers(temporal, settings, database):
            answer = away
            while answer.status_code == 503:
                answer = await client.post(f"{path}/cancel", json=REASON, headers=key)
            await shopper.becomes(path, "cancelled")
        kinds = await shopper.kinds(path)

    assert (*refusal(away), away.headers["retry-after"]) == (503, "unavailable", "2")
    assert waited < 2
    assert answer.status_code in (200, 202)
    assert kinds.count("cancellation_requested") == kinds.count("order_cancelled") == 1


async def test_an_action_that_does_not_exist_is_not_found(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    path = (await written(api, resources)).headers["location"]

    for name in ("explode", "Retry", "retry/again"):
        assert refusal(await api.post(f"{path}/actions/{name}", json=REASON)) == (404, "not_found")


async def test_a_reference_of_the_provider_goes_with_what_the_provider_made(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    offered = ["retry", "it_happened", "it_did_not", "carrier_has_it"]
    placed = await written(api, resources, **{**PARKED, "attention_actions": offered})
    cases = [
        ("authorize", "it_happened", None),
        ("book", "it_happened", None),
        ("capture", "it_happened", "pay_1"),
        ("authorize", "it_did_not", "pay_1"),
        ("void", "retry", "pay_1"),
        ("cancel", "carrier_has_it", None),
    ]
    for operation, action, reference in cases:
        await change(resources, id_in(placed), attention_operation=f"{id_in(placed)}:{operation}:1")
        body = {**REASON, **({"provider_reference": reference} if reference else {})}
        answer = await api.post(f"{placed.headers['location']}/actions/{action}", json=body)
        assert refusal(answer) == (422, "invalid_request"), operation
        assert [error["field"] for error in answer.json()["errors"]] == ["provider_reference"]


async def test_an_action_the_order_does_not_offer_is_refused(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    placed = await written(api, resources, **{**PARKED, "attention_actions": ["found", "refund", "reship"]})

    assert refusal(await asked(api, placed.headers["location"], "action")) == (409, "action_not_available")


async def test_a_late_event_is_resolved_once_and_by_whom_is_written_down(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await written(api, resources, status="delivered")
    path = placed.headers["location"]
    await hear_late(resources, id_in(placed), "lost")
    before = (await api.get(path)).json()
    listed = (await api.get("/v1/attention")).json()["items"]

    resolved = await api.post(f"{path}/actions/resolved_by_hand", json=REASON)
    again = await api.post(f"{path}/actions/resolved_by_hand", json=REASON)
    events = (await api.get(f"{path}/events")).json()["items"]

    button = [{"name": "resolved_by_hand", "href": f"{path}/actions/resolved_by_hand"}]
    assert (before["status"], before["actions"]) == ("delivered", button)
    assert [(entry["order_id"], entry["reason"], entry["actions"]) for entry in listed] == [
        (placed.json()["id"], "late_event", button)
    ]
    assert (resolved.status_code, resolved.json()["status"], resolved.json()["actions"]) == (202, "delivered", [])
    assert refusal(again) == (409, "action_not_available")
    assert (events[-1]["kind"], events[-1]["actor"]) == ("attention_resolved", TESTER_ID)
    assert (await api.get("/v1/attention")).json()["items"] == []


async def test_the_same_request_about_a_late_event_is_answered_once_more(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await written(api, resources, status="delivered")
    path, key = placed.headers["location"], a_key()
    button = f"{path}/actions/resolved_by_hand"
    await hear_late(resources, id_in(placed), "lost")

    first = await api.post(button, json=REASON, headers=key)
    replay = await api.post(button, json=REASON, headers=key)
    another_body = await api.post(button, json={"reason": "a slip of the pen"}, headers=key)
    another_key = await api.post(button, json=REASON, headers=a_key())

    assert [answer.status_code for answer in (first, replay)] == [202, 202]
    assert [answer.headers.get("idempotency-replayed") for answer in (first, replay)] == [None, "true"]
    assert first.json() == replay.json()
    assert refusal(another_body) == (422, "idempotency_key_reused")
    assert refusal(another_key) == (409, "action_not_available")


async def test_a_request_that_is_repeated_does_not_answer_for_what_came_later(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await written(api, resources, status="cancelled")
    path, key = placed.headers["location"], a_key()
    button = f"{path}/actions/resolved_by_hand"
    await hear_late(resources, id_in(placed), "lost")
    assert (await api.post(button, json=REASON, headers=key)).status_code == 202
    await hear_again(resources, id_in(placed), "returned")

    replay = await api.post(button, json=REASON, headers=key)

    assert replay.headers["idempotency-replayed"] == "true"
    assert [action["name"] for action in replay.json()["actions"]] == ["resolved_by_hand"]


async def test_the_same_request_about_a_late_event_sent_many_times_at_once_is_one(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed = await written(api, resources, status="delivered")
    path, key = placed.headers["location"], a_key()
    await hear_late(resources, id_in(placed), "lost")

    answers = await asyncio.gather(
        *(api.post(f"{path}/actions/resolved_by_hand", json=REASON, headers=key) for _ in range(4))
    )
    events = (await api.get(f"{path}/events")).json()["items"]

    assert {answer.status_code for answer in answers} == {202}
    assert [event["kind"] for event in events].count("attention_resolved") == 1


async def hear_late(resources: ApiResources, order_id: OrderId, event: str) -> None:
    """A carrier says something about the parcel of an order that has ended."""
    await book(resources, order_id, f"T-{order_id}")
    await hear_again(resources, order_id, event)


async def hear_again(resources: ApiResources, order_id: OrderId, event: str) -> None:
    """It says something else about that parcel."""
    heard = an_event(order_id, event, tracking_number=f"T-{order_id}")
    async with resources.database.transaction() as connection:
        await late_events.record(connection, order_id, heard, timedelta(days=1))
