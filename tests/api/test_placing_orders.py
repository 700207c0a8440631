"""
`POST /v1/orders`: accepted once, whatever is repeated, and never lost.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx2
import pytest
from temporalio.client import Client, RetryConfig

from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import connect
from fulfillment.domain.ids import order_id_for
from fulfillment.settings import Settings
from tests.api.bodies import a_key, an_order
from tests.api.writing import change, id_in, start_of, write
from tests.fixtures.api import serving
from tests.fixtures.identity import TESTER_ID
from tests.fixtures.logs import LogLines
from tests.fixtures.proxy import proxy_to, proxy_to_database
from tests.fixtures.settings import MakeSettings, a_key_ring


async def test_an_order_is_answered_with_a_receipt_that_says_where_it_is(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/orders", json=an_order(reference="R-1"), headers=a_key())

    receipt = answer.json()
    path = f"/v1/orders/{receipt['id']}"
    assert answer.status_code == 202
    assert answer.headers["location"] == path
    assert "idempotency-replayed" not in answer.headers
    assert receipt.pop("accepted_at").endswith("Z")
    assert receipt == {
        "id": receipt["id"],
        "status": "received",
        "reference": "R-1",
        "total": {"amount": 9900, "currency": "EUR"},
        "links": {"self": path, "events": f"{path}/events"},
    }


async def test_the_start_of_the_workflow_carries_the_whole_order(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    body = an_order(reference=" R-1 ", requested_by="Charles", metadata={"channel": "web"})

    start = await start_of(resources, await api.post("/v1/orders", json=body, headers=a_key()))

    assert (start.caller, start.reference, start.requested_by, start.test) == (TESTER_ID, "R-1", "Charles", False)
    assert [(line.sku, line.quantity, str(line.unit_price)) for line in start.lines] == [
        ("SKU-1", 2, "49.50 EUR"),
        ("SKU-2", 1, "0.00 EUR"),
    ]
    assert start.payment is not None
    assert start.payment.token == "tok_visa"
    assert start.metadata == {"channel": "web"}
    assert start.shipping_address.city == "Münster"


async def test_a_repeated_request_gets_the_same_bytes(api: httpx2.AsyncClient) -> None:
    key, body = a_key(), an_order()
    first = await api.post("/v1/orders", json=body, headers=key)
    shuffled = json.dumps(dict(reversed(body.items())), indent=1)
    second = await api.post("/v1/orders", content=shuffled, headers={**key, "Content-Type": "application/json"})

    assert (second.status_code, second.content) == (202, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]


async def test_a_request_repeated_after_the_order_was_written_gets_the_same_bytes(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    key, body = a_key(), an_order(reference="R-1")
    first = await api.post("/v1/orders", json=body, headers=key)
    await write(resources, await start_of(resources, first))
    second = await api.post("/v1/orders", json=body, headers=key)
    await change(resources, id_in(first), status="rejected", failure_code="payment_declined")
    third = await api.post("/v1/orders", json=body, headers=key)

    assert first.content == second.content == third.content
    assert second.headers["idempotency-replayed"] == third.headers["idempotency-replayed"] == "true"


async def test_a_row_is_enough_to_recognise_an_order_the_engine_has_forgotten(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    body, key = an_order(), a_key()
    known = await start_of(resources, await api.post("/v1/orders", json=body, headers=a_key()))
    forgotten = order_id_for(TESTER_ID, key["Idempotency-Key"])
    await write(resources, replace(known, order_id=forgotten))

    answer = await api.post("/v1/orders", json=body, headers=key)

    assert (answer.status_code, id_in(answer)) == (202, forgotten)
    assert answer.headers["idempotency-replayed"] == "true"
    assert await resources.orders.unwritten(forgotten) is None


async def test_fifty_identical_requests_at_once_make_one_order(api: httpx2.AsyncClient, temporal: Client) -> None:
    key, body = a_key(), an_order()
    answers = await asyncio.gather(*(api.post("/v1/orders", json=body, headers=key) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_the_same_key_bare_and_quoted_is_one_key(api: httpx2.AsyncClient) -> None:
    key = a_key()["Idempotency-Key"]
    bare = await api.post("/v1/orders", json=an_order(), headers={"Idempotency-Key": key})
    quoted = await api.post("/v1/orders", json=an_order(), headers={"Idempotency-Key": f'"{key}"'})

    assert quoted.content == bare.content


@pytest.mark.parametrize("written", [False, True])
async def test_a_key_that_comes_with_another_body_is_refused(
    api: httpx2.AsyncClient, resources: ApiResources, *, written: bool
) -> None:
    key = a_key()
    first = await api.post("/v1/orders", json=an_order(), headers=key)
    if written:
        await write(resources, await start_of(resources, first))
    second = await api.post("/v1/orders", json=an_order(customer_id="C-2"), headers=key)

    assert (second.status_code, second.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_request_without_a_usable_key_is_refused(api: httpx2.AsyncClient) -> None:
    missing, unusable = (400, "idempotency_key_missing"), (422, "invalid_request")
    cases = [
        ([], missing),
        ([""], missing),
        (['""'], missing),
        (["a b"], unusable),
        (["k" * 256], unusable),
        (["one", "two"], unusable),
    ]
    for values, expected in cases:
        headers = [("Idempotency-Key", value) for value in values]
        answer = await api.post("/v1/orders", json=an_order(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == expected, values


async def test_a_customer_cannot_use_a_reference_twice(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    body = an_order(reference="R-1")
    first = await api.post("/v1/orders", json=body, headers=a_key())
    await write(resources, await start_of(resources, first))

    same = await api.post("/v1/orders", json=body, headers=a_key())
    other_customer = await api.post("/v1/orders", json={**body, "customer_id": "C-2"}, headers=a_key())
    await change(resources, id_in(first), status="rejected")
    after_rejection = await api.post("/v1/orders", json=body, headers=a_key())

    assert (same.status_code, same.json()["code"]) == (409, "reference_taken")
    assert (other_customer.status_code, after_rejection.status_code) == (202, 202)


async def test_a_test_order_is_marked_and_takes_no_payment(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    line = {"sku": "TEST-ORDER", "name": "Test", "quantity": 1, "unit_price": {"amount": 1, "currency": "EUR"}}
    unpaid = await api.post("/v1/orders", json=an_order(lines=[line], payment=None), headers=a_key())
    paid = await api.post("/v1/orders", json=an_order(lines=[line]), headers=a_key())

    assert (await start_of(resources, unpaid)).test
    assert paid.status_code == 422
    assert [error["field"] for error in paid.json()["errors"]] == ["payment"]


async def test_an_order_is_accepted_while_the_database_is_away(
    make_settings: MakeSettings, database_url: str, temporal: Client
) -> None:
    async with proxy_to_database(database_url) as (proxy, url), AsyncExitStack() as stack:
        settings = make_settings(database={"url": url})
        database = connect(settings.database, application="t")
        stack.push_async_callback(database.close)
        api = await stack.enter_async_context(serving(ApiResources.of(settings, database, temporal)))
        # Only callers that were seen good lately are known without the database.
        assert (await api.get("/v1/orders")).status_code == 200
        await proxy.stop()
        key = a_key()
        first = await api.post("/v1/orders", json=an_order(), headers=key)
        again = await api.post("/v1/orders", json=an_order(), headers={**key, "Prefer": "wait=1"})
        read = await api.get(first.headers["location"])

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert (read.status_code, read.json()["code"], read.headers["retry-after"]) == (503, "unavailable", "2")


async def test_an_order_is_refused_for_now_while_the_engine_is_away(
    settings: Settings, resources: ApiResources, temporal_server: str
) -> None:
    async with proxy_to(temporal_server) as proxy:
        client = await Client.connect(proxy.address, retry_config=RetryConfig(max_retries=1))
        async with serving(ApiResources.of(settings, resources.database, client)) as api:
            await proxy.stop()
            answer = await api.post("/v1/orders", json=an_order(), headers=a_key())

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")


async def test_a_repetition_is_recognised_after_the_fingerprint_key_was_rotated(
    api: httpx2.AsyncClient, make_settings: MakeSettings, resources: ApiResources, temporal: Client
) -> None:
    key, body = a_key(), an_order()
    first = await api.post("/v1/orders", json=body, headers=key)
    rotated = make_settings(
        api={"fingerprint_keys": f"{a_key_ring('new')},{resources.settings.api.fingerprint_keys.get_secret_value()}"}
    )
    async with serving(ApiResources.of(rotated, resources.database, temporal)) as renewed:
        again = await renewed.post("/v1/orders", json=body, headers=key)
        other = await renewed.post("/v1/orders", json=an_order(email=None), headers=key)

    assert again.content == first.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_request_is_one_line_in_the_log_without_anything_of_a_person_or_a_card(
    api: httpx2.AsyncClient, log_lines: LogLines
) -> None:
    answer = await api.post("/v1/orders", json=an_order(), headers={**a_key(), "X-Request-Id": "r-1"})
    await api.get("/v1/orders", params={"customer_id": "C-1"})
    await api.post("/v1/orders", json=an_order(email="ada.example.com"), headers=a_key())

    placed, listed, refused = log_lines()
    assert placed.pop("duration_ms") > 0
    assert placed.pop("timestamp")
    assert placed == {
        "event": "http_request",
        "level": "info",
        "logger": "fulfillment.api.middleware",
        "process": "tests",
        "method": "POST",
        "route": "/v1/orders",
        "status": 202,
        "request_id": "r-1",
        "caller": TESTER_ID,
        "order_id": answer.json()["id"],
    }
    assert (listed["route"], listed["status"], refused["status"]) == ("/v1/orders", 200, 422)
    for secret in ("Lovelace", "Analytical", "ada@", "ada.example", "tok_visa", "C-1"):
        assert secret not in str((placed, listed, refused))
