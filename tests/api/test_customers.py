"""
Callers bound to a customer: their own orders are all there is.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from fulfillment.api.resources import ApiResources
from fulfillment.api.schemas.events import EventOut
from fulfillment.db.engine import Database
from fulfillment.db.views import EventView
from fulfillment.domain.identity import CUSTOMER_SCOPES, Principal, Scope
from tests.api.access import CARD, REASON, Callers, Staffed, as_seen, refusal
from tests.api.bodies import a_key, an_order
from tests.api.writing import start_of, write

NOT_FOUND = (404, "not_found")


@pytest.fixture
def callers(api: httpx2.AsyncClient, database: Database) -> Callers:
    return Callers(api, database)


@pytest.fixture
async def customer(callers: Callers) -> httpx2.AsyncClient:
    """Somebody with a key of customer C-1, and all scopes."""
    return await callers.bound("c-1", "C-1")


async def placed(api: httpx2.AsyncClient, resources: ApiResources, customer_id: str, **changes: Any) -> str:
    """Where an order of a customer is that is written down."""
    body = an_order(customer_id=customer_id, **changes)
    answer = await api.post("/v1/orders", json=body, headers=a_key())
    await write(resources, await start_of(resources, answer))
    return str(answer.headers["location"])


async def listed(client: httpx2.AsyncClient, **parameters: Any) -> list[str]:
    """Whose orders a list has, over all its pages."""
    whose, cursor = [], parameters.pop("cursor", None)
    while True:
        page = (await client.get("/v1/orders", params={**parameters, **({"cursor": cursor} if cursor else {})})).json()
        whose += [order["customer_id"] for order in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return whose


async def timeline(client: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = (await client.get(f"{path}/events", params={"limit": 200})).json()["items"]
    return events


def test_a_customer_has_no_other_scopes_whatever_it_was_given() -> None:
    assert Principal(id="jwt:issuer#ada", scopes=frozenset(Scope), customer_id="C-1").scopes == CUSTOMER_SCOPES


async def test_a_customer_reads_its_own_orders_alone(
    api: httpx2.AsyncClient, resources: ApiResources, customer: httpx2.AsyncClient
) -> None:
    own, foreign = [await placed(api, resources, name) for name in ("C-1", "C-2")]
    assert (await customer.get(own)).json() == (await api.get(own)).json()
    assert [event["kind"] for event in await timeline(customer, own)] == ["order_received", "stock_held"]
    for part in ("", "/events"):
        assert refusal(await customer.get(foreign + part)) == NOT_FOUND


@pytest.mark.parametrize("similar", ["c-1", "C-10", "C", "C-1%", "C_1"])
async def test_only_the_very_same_customer_counts(
    api: httpx2.AsyncClient, resources: ApiResources, callers: Callers, similar: str
) -> None:
    own = await placed(api, resources, "C-1")
    other = await callers.bound("other", similar)

    assert refusal(await other.get(own)) == NOT_FOUND
    assert await listed(other) == []


async def test_who_knows_the_version_of_a_foreign_order_is_not_told_that_it_is_still_that(
    api: httpx2.AsyncClient, resources: ApiResources, customer: httpx2.AsyncClient
) -> None:
    own, foreign = [await placed(api, resources, name) for name in ("C-1", "C-2")]
    missing = uuid4()
    for version in ('"1"', '"2"', "*"):
        same = {"If-None-Match": version}
        answer, nobodys = (
            await customer.get(foreign, headers=same),
            await customer.get(f"/v1/orders/{missing}", headers=same),
        )
        assert refusal(answer) == NOT_FOUND
        assert "etag" not in answer.headers
        assert as_seen(answer, foreign.rpartition("/")[2]) == as_seen(nobodys, missing)
    assert (await customer.get(own, headers={"If-None-Match": '"1"'})).status_code == 304


async def test_a_list_has_the_customers_own_orders_whatever_it_is_asked_for(
    api: httpx2.AsyncClient, resources: ApiResources, customer: httpx2.AsyncClient
) -> None:
    for name in ("C-1", "C-2", "C-1", "C-2", "C-1"):
        await placed(api, resources, name, reference=str(uuid4()))
    foreign = (await api.get("/v1/orders", params={"customer_id": "C-2"})).json()["items"][0]
    theirs = (await api.get("/v1/orders", params={"limit": 1})).json()["next_cursor"]

    assert await listed(customer) == await listed(customer, limit=1) == ["C-1"] * 3
    assert await listed(customer, customer_id="C-1") == ["C-1"] * 3
    assert await listed(customer, customer_id="C-2") == []
    assert await listed(customer, reference=foreign["reference"]) == []
    assert await listed(customer, cursor=theirs) == ["C-1"] * 2
    assert await listed(api, cursor=theirs) == ["C-2", "C-1", "C-2", "C-1"]


async def test_a_foreign_order_nobody_has_written_yet_does_not_exist(
    api: httpx2.AsyncClient, callers: Callers, customer: httpx2.AsyncClient
) -> None:
    path = (await api.post("/v1/orders", json=an_order(customer_id="C-1"), headers=a_key())).headers["location"]
    stranger, missing = await callers.bound("c-2", "C-2"), uuid4()
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/events", None),
        ("POST", "/cancel", REASON),
        ("POST", "/payment", CARD),
    ]

    for method, part, body in calls:
        answer = await stranger.request(method, path + part, json=body, headers=a_key())
        nobodys = await stranger.request(method, f"/v1/orders/{missing}{part}", json=body, headers=a_key())
        assert refusal(answer) == NOT_FOUND, part
        assert as_seen(answer, path.rpartition("/")[2]) == as_seen(nobodys, missing)
    assert (await customer.get(path)).json()["version"] == 0
    assert (await customer.get(f"{path}/events")).json()["items"] == []


async def test_the_same_key_and_body_of_two_callers_are_two_orders(callers: Callers) -> None:
    one, two = [await callers.named(name, Scope.ORDERS_PLACE) for name in ("one", "two")]
    key = a_key()

    answers = [await client.post("/v1/orders", json=an_order(), headers=key) for client in (one, two, one, two)]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, None, "true", "true"]
    assert answers[0].json()["id"] == answers[2].json()["id"] != answers[1].json()["id"] == answers[3].json()["id"]


async def test_the_same_key_of_two_callers_adjusts_twice(api: httpx2.AsyncClient, callers: Callers) -> None:
    await api.put("/v1/inventory/KETTLE", json={"on_hand": 10})
    one, two = [await callers.named(name, Scope.INVENTORY_WRITE) for name in ("one", "two")]
    body, key = {"delta": 2, "reason": "found"}, a_key()

    answers = [
        await client.post("/v1/inventory/KETTLE/adjustments", json=body, headers=key) for client in (one, two, one)
    ]

    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, None, "true"]
    assert [answer.json()["actor"] for answer in answers] == ["key:one", "key:two", "key:one"]
    assert (await api.get("/v1/inventory/KETTLE")).json()["on_hand"] == 14


@pytest.mark.asyncio(loop_scope="module")
async def test_a_customer_pays_and_cancels_its_own_orders_and_nobody_elses(staffed: Staffed) -> None:
    shopper, callers, _ = staffed
    customer, stranger = [await callers.bound(f"of-{name.lower()}", name) for name in ("C-1", "C-2")]
    path, key = await shopper.place(payment=None), a_key()

    refused = [
        await stranger.post(f"{path}/payment", json=CARD, headers=key),
        await stranger.post(f"{path}/cancel", json=REASON, headers=key),
    ]
    before = await shopper.read(path)
    paid = await customer.post(f"{path}/payment", json=CARD, headers=key)
    await shopper.becomes(path, "awaiting_shipment")
    cancelled = await customer.post(f"{path}/cancel", json=REASON, headers=key)
    order = await shopper.becomes(path, "cancelled")

    assert [refusal(answer) for answer in refused] == [NOT_FOUND] * 2
    assert (before["status"], before["version"]) == ("awaiting_payment", 1)
    assert (paid.status_code, cancelled.status_code) == (202, 202)
    assert order["payment"]["status"] == "refunded"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_of_one_caller_replays_nothing_to_another(staffed: Staffed) -> None:
    shopper, callers, _ = staffed
    one, two = await callers.bound("one", "C-1"), await callers.named("two")
    path, key = await shopper.place(payment=None), a_key()

    paid = [await client.post(f"{path}/payment", json=CARD, headers=key) for client in (one, two, one)]
    await shopper.becomes(path, "awaiting_shipment")
    cancelled = [await client.post(f"{path}/cancel", json=REASON, headers=key) for client in (one, one)]
    await shopper.becomes(path, "cancelled")
    last = await two.post(f"{path}/cancel", json=REASON, headers=key)

    assert [answer.headers.get("idempotency-replayed") for answer in paid] == [None, None, "true"]
    assert [refusal(answer) for answer in paid] == [(202, None), (409, "payment_not_awaited"), (202, None)]
    assert [answer.headers.get("idempotency-replayed") for answer in (*cancelled, last)] == [None, "true", None]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_customer_is_not_told_who_worked_on_its_order_and_what_they_wrote(staffed: Staffed) -> None:
    shopper, callers, _ = staffed
    customer, ada = await callers.bound("reader", "C-1"), await callers.named("ada.lovelace")
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "lost")
    await shopper.becomes(path, "needs_attention")
    await ada.post(f"{path}/actions/refund", json={"reason": "that one always complains"})
    await shopper.becomes(path, "cancelled")

    whole, shown = await timeline(shopper.api, path), await timeline(customer, path)

    renamed = {"key:tests": "operator", "key:ada.lovelace": "operator"}
    without = [{name: value for name, value in event["data"].items() if name != "reason"} for event in whole]
    assert {event["actor"] for event in whole} == {*renamed, "system", "carrier:sandbox"}
    assert "always complains" in str(whole)
    assert shown == [
        {**event, "actor": renamed.get(event["actor"], event["actor"]), "data": data}
        for event, data in zip(whole, without, strict=True)
    ]


@pytest.mark.parametrize("actor", ["system", "carrier:sandbox", "provider:sandbox"])
def test_a_customer_is_told_what_was_nobodys_work(actor: str) -> None:
    customer = Principal(id="key:customer", scopes=frozenset(), customer_id="C-1")
    event = EventView(sequence=1, kind="attention_needed", actor=actor, at=datetime.now(UTC), data={})

    assert EventOut.of(event, customer).actor == actor


@pytest.mark.asyncio(loop_scope="module")
async def test_a_customer_sees_what_it_did_itself_and_why(staffed: Staffed) -> None:
    shopper, callers, _ = staffed
    customer, partner = [await callers.bound(name, "C-1") for name in ("canceller", "partner")]
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await customer.post(f"{path}/cancel", json=REASON, headers=a_key())
    await shopper.becomes(path, "cancelled")

    async def asked(client: httpx2.AsyncClient) -> list[tuple[str, str | None]]:
        events = await timeline(client, path)
        return [
            (event["actor"], event["data"].get("reason"))
            for event in events
            if event["kind"] == "cancellation_requested"
        ]

    assert await asked(customer) == [("key:canceller", REASON["reason"])]
    assert await asked(partner) == [("operator", None)]
