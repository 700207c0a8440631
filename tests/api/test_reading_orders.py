"""
`GET /v1/orders…`: one order, lists, timelines, the operations ledger.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from fulfillment.api.resources import ApiResources
from tests.api.bodies import a_key, an_order
from tests.api.writing import book, change, id_in, note_operation, start_of, write
from tests.fixtures.identity import TESTER_ID
from tests.fixtures.queries import counting_queries

JUNK_PARAMETERS = [
    ({"limit": "0"}, "limit"),
    ({"limit": "201"}, "limit"),
    ({"limit": "ten"}, "limit"),
    ({"status": "lost"}, "status"),
    ({"placed_from": "2026-01-01"}, "placed_from"),
    ({"placed_from": "0001-01-01T00:00:00+14:00"}, "placed_from"),
    ({"placed_to": "9999-12-31T23:59:59-14:00"}, "placed_to"),
    ({"customer_id": "a\0b"}, "customer_id"),
    ({"customer_id": " "}, "customer_id"),
    ({"reference": "r" * 101}, "reference"),
    ({"custommer_id": "C-1"}, "custommer_id"),
    ({"cursor": "junk"}, "cursor"),
    ({"cursor": ""}, "cursor"),
    ({"cursor": "é"}, "cursor"),
    ({"cursor": "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgInh4Il0"}, "cursor"),
    ({"cursor": "x" * 5000}, "cursor"),
]


LOST_ORDER: dict[str, Any] = {
    "status": "needs_attention",
    "reference": "R-1",
    "customer_id": "C-1",
    "email": "ada@example.com",
    "requested_by": "Charles",
    "lines": an_order()["lines"],
    "total": {"amount": 9900, "currency": "EUR"},
    "shipping_address": {**an_order()["shipping_address"], "line2": None, "region": None},
    "metadata": {"channel": "web"},
    "payment": {
        "status": "captured",
        "authorized": {"amount": 9900, "currency": "EUR"},
        "captured": {"amount": 9900, "currency": "EUR"},
        "refunded": {"amount": 0, "currency": "EUR"},
        "next_action": None,
    },
    "shipments": [{"carrier": "sandbox", "tracking_number": "SB-1", "status": "booked"}],
    "approval": None,
    "failure": None,
    "attention": {
        "reason": "lost",
        "owner": "operations",
        "since": "2026-01-02T03:04:05Z",
        "due_at": None,
        "resume_status": "shipped",
        "operation": None,
    },
    "version": 2,
    "updated_at": "2026-01-02T03:04:05Z",
}


async def placed(api: httpx2.AsyncClient, resources: ApiResources, **changes: Any) -> httpx2.Response:
    """An order that is written; the answer to placing it."""
    answer = await api.post("/v1/orders", json=an_order(**changes), headers=a_key())
    await write(resources, await start_of(resources, answer))
    return answer


async def ids(api: httpx2.AsyncClient, **parameters: str | int) -> list[str]:
    """The orders of a list, over all its pages."""
    found, cursor = [], None
    while True:
        page = (await api.get("/v1/orders", params={**parameters, **({"cursor": cursor} if cursor else {})})).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_an_order_can_be_read_before_anybody_has_written_it(api: httpx2.AsyncClient) -> None:
    receipt = await api.post("/v1/orders", json=an_order(reference="R-1"), headers=a_key())
    answer = await api.get(receipt.headers["location"])

    order = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"0"')
    assert (order["status"], order["version"], order["reference"]) == ("received", 0, "R-1")
    assert order["accepted_at"] == receipt.json()["accepted_at"] == order["updated_at"]


async def test_an_order_looks_the_same_before_and_after_it_was_written(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    receipt = await api.post("/v1/orders", json=an_order(metadata={"a": "b"}), headers=a_key())
    before = (await api.get(receipt.headers["location"])).json()
    await write(resources, await start_of(resources, receipt))
    after = (await api.get(receipt.headers["location"])).json()

    changed = {name for name in after if after[name] != before[name]}
    assert list(after) == list(before)
    assert changed <= {"status", "version", "updated_at"}


async def test_a_written_order_shows_all_of_the_contract(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    receipt = await placed(api, resources, reference="R-1", requested_by="Charles", metadata={"channel": "web"})
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await change(
        resources,
        id_in(receipt),
        status="needs_attention",
        payment_status="captured",
        authorized=9900,
        captured=9900,
        attention_reason="lost",
        attention_since=since,
        attention_actions=["found", "refund", "reship"],
        resume_status="shipped",
        updated_at=since,
    )
    await book(resources, id_in(receipt), "SB-1")

    with counting_queries(resources.database) as queries:
        order = (await api.get(receipt.headers["location"])).json()

    assert len(queries) == 1
    path, names = receipt.headers["location"], ("found", "refund", "reship")
    assert order == {
        **LOST_ORDER,
        "actions": [{"name": name, "href": f"{path}/actions/{name}"} for name in names],
        **{name: receipt.json()[name] for name in ("id", "accepted_at")},
    }


async def test_an_order_that_failed_says_why(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    receipt = await api.post("/v1/orders", json=an_order(), headers=a_key())
    await write(resources, await start_of(resources, receipt), in_stock=1)

    order = (await api.get(receipt.headers["location"])).json()
    assert order["status"] == "rejected"
    assert order["failure"] == {
        "code": "stock_short",
        "message": "There are not enough pieces of an article in stock.",
    }


async def test_an_order_is_sent_again_only_when_it_has_changed(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    path = (await placed(api, resources)).headers["location"]
    expected = {'"1"': 304, 'W/"1", "x"': 304, "*": 304, '"2"': 200, "1": 200, '"': 200}
    answers = {header: await api.get(path, headers={"If-None-Match": header}) for header in expected}

    assert {header: answer.status_code for header, answer in answers.items()} == expected
    assert {answer.headers["etag"] for answer in answers.values()} == {'"1"'}
    assert answers["*"].content == b""


async def test_an_order_nobody_placed_is_not_found(api: httpx2.AsyncClient) -> None:
    for order_id in (uuid4(), "no-id", "..%00"):
        for part in ("", "/events", "/operations"):
            answer = await api.get(f"/v1/orders/{order_id}{part}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_list_is_newest_first_and_stable_while_orders_are_added(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    placed_ids = [(await placed(api, resources)).json()["id"] for _ in range(5)]
    first = (await api.get("/v1/orders", params={"limit": 2})).json()
    await placed(api, resources)
    second = (await api.get("/v1/orders", params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [item["id"] for item in first["items"] + second["items"]] == placed_ids[::-1]
    assert second["next_cursor"] is None


async def test_orders_of_the_same_moment_are_listed_once_each(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    answers = [await placed(api, resources) for _ in range(5)]
    for answer in answers:
        await change(resources, id_in(answer), accepted_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert sorted(await ids(api, limit=2)) == sorted(answer.json()["id"] for answer in answers)


async def test_a_list_shows_what_was_asked_for(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    one = await placed(api, resources, customer_id="C-1", reference="R-1")
    two = await placed(api, resources, customer_id="C-2", reference="R-2")
    await change(resources, id_in(two), status="cancelled", accepted_at=datetime(2026, 3, 1, tzinfo=UTC))
    first, second = one.json()["id"], two.json()["id"]

    assert await ids(api, customer_id="C-1") == [first]
    assert await ids(api, reference="R-2") == [second]
    assert await ids(api, status="cancelled") == [second]
    assert await ids(api, status="delivered") == []
    assert await ids(api, placed_from="2026-03-01T00:00:00Z", placed_to="2026-03-01T00:00:01Z") == [second]
    assert await ids(api, placed_to="2026-03-01T01:00:00+01:00") == []
    assert (await api.get("/v1/orders", params={"reference": "R-1"})).json()["items"] == [
        (await api.get(one.headers["location"])).json()
    ]


async def test_a_list_refuses_parameters_it_does_not_understand(api: httpx2.AsyncClient) -> None:
    answers = [await api.get("/v1/orders", params=parameters) for parameters, _ in JUNK_PARAMETERS]

    assert [(answer.status_code, answer.json()["errors"][0]["field"]) for answer in answers] == [
        (422, field) for _, field in JUNK_PARAMETERS
    ]


async def test_a_timeline_is_read_in_pages_without_gaps(api: httpx2.AsyncClient, resources: ApiResources) -> None:
    path = (await placed(api, resources)).headers["location"]
    first = (await api.get(f"{path}/events", params={"limit": 1})).json()
    rest = (await api.get(f"{path}/events", params={"cursor": first["next_cursor"]})).json()

    events = first["items"] + rest["items"]
    assert [(event["sequence"], event["kind"]) for event in events] == [(1, "order_received"), (2, "stock_held")]
    assert (events[0]["actor"], events[0]["data"]) == (TESTER_ID, {})
    assert datetime.fromisoformat(events[0]["at"]).utcoffset() == timedelta(0)
    assert rest["next_cursor"] is None


async def test_the_timeline_of_an_unwritten_order_is_empty(api: httpx2.AsyncClient) -> None:
    path = (await api.post("/v1/orders", json=an_order(), headers=a_key())).headers["location"]

    for part in ("events", "operations"):
        answer = await api.get(f"{path}/{part}")
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


async def test_the_operations_of_an_order_are_listed_oldest_first(
    api: httpx2.AsyncClient, resources: ApiResources
) -> None:
    receipt = await placed(api, resources)
    order_id, moment = id_in(receipt), datetime(2026, 1, 1, tzinfo=UTC)
    at = {"created_at": moment, "updated_at": moment}
    await note_operation(
        resources,
        order_id,
        "authorize",
        1,
        amount=9900,
        currency="EUR",
        provider_reference="pay_1",
        actor=TESTER_ID,
        **at,
    )
    await note_operation(resources, order_id, "book", 1, state="refused", refusal="carrier_refused", attempts=2, **at)
    path = f"{receipt.headers['location']}/operations"
    first = (await api.get(path, params={"limit": 1})).json()
    second = (await api.get(path, params={"cursor": first["next_cursor"]})).json()

    assert first["items"] == [
        {
            "key": f"{order_id}:authorize:1",
            "kind": "authorize",
            "amount": {"amount": 9900, "currency": "EUR"},
            "state": "done",
            "provider": "sandbox",
            "provider_reference": "pay_1",
            "refusal": None,
            "attempts": 1,
            "actor": TESTER_ID,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
    ]
    assert [(item["kind"], item["amount"], item["refusal"]) for item in second["items"]] == [
        ("book", None, "carrier_refused")
    ]
    assert second["next_cursor"] is None
