"""
Changes of orders that are run by real workers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fulfillment.domain.orders import MOST_CARDS, MOST_CHANGES
from fulfillment.settings import Settings
from tests.api.bodies import a_key, an_order
from tests.api.carrier import refusal
from tests.api.living import Shopper, open_shop
from tests.fixtures.database import a_database
from tests.fixtures.identity import TESTER_ID
from tests.fixtures.settings import settings_for as service_settings
from tests.fixtures.temporal import running_temporal
from tests.fixtures.waiting import until
from tests.sandbox.running import SandboxClient, running_sandbox, settings_for

REASON = {"reason": "changed my mind"}
CARD = {"method": "card", "token": "tok_visa"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("sandbox") / "state.db")) as client:
        yield client


@pytest.fixture(scope="module")
def shop_settings(postgres_server: str, sandbox: SandboxClient) -> Iterator[Settings]:
    provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
    with a_database(postgres_server) as url:
        yield service_settings(url, payments=provider, carriers=provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(shop_settings: Settings) -> AsyncIterator[Shopper]:
    async with running_temporal() as server, open_shop(shop_settings, server) as shopper:
        yield shopper


@pytest_asyncio.fixture(loop_scope="module")
async def shopper(shop: Shopper) -> Shopper:
    """Somebody whose article is there ten times."""
    shopper = Shopper(shop.api, shop.secret)
    await shopper.stock(10)
    return shopper


async def test_lines_are_replaced_until_the_order_is_paid(shopper: Shopper) -> None:
    path = await shopper.place(payment=None)
    api, there = shopper.api, f"{path}/lines"
    before = (await api.get(path)).headers["etag"]

    changed = await api.put(there, json=shopper.lines(3), headers={"If-Match": before})
    stale = await api.put(there, json=shopper.lines(4), headers={"If-Match": before})
    short = await api.put(there, json=shopper.lines(11))
    unknown = await api.put(there, json=shopper.lines(1, sku="GHOST"))
    all_of_it = await api.put(there, json=shopper.lines(10))
    stock = (await api.get(f"/v1/inventory/{shopper.sku}")).json()

    assert (changed.status_code, changed.json()["total"]["amount"]) == (200, 3 * 4950)
    assert [line["quantity"] for line in changed.json()["lines"]] == [3]
    assert changed.headers["etag"] == f'"{changed.json()["version"]}"' != before
    assert (refusal(stale), refusal(short)) == ((412, "precondition_failed"), (409, "stock_short"))
    assert (refusal(unknown), all_of_it.status_code) == ((409, "unknown_sku"), 200)
    assert (stock["reserved"], stock["available"]) == (10, 0)
    assert (await shopper.kinds(path)).count("order_amended") == 2


async def test_a_key_makes_a_change_once_and_a_refusal_does_not_use_it_up(shopper: Shopper) -> None:
    path = await shopper.place(payment=None)
    api, there, key = shopper.api, f"{path}/lines", a_key()

    short = await api.put(there, json=shopper.lines(11), headers=key)
    await shopper.stock(20)
    before = (await api.get(path)).headers["etag"]
    done = await api.put(there, json=shopper.lines(11), headers={**key, "If-Match": before})
    other = await api.put(there, json=shopper.lines(12), headers=key)
    key = a_key()
    first = await api.put(there, json=shopper.lines(2), headers={**key, "If-Match": done.headers["etag"]})
    again = await api.put(there, json=shopper.lines(2), headers={**key, "If-Match": done.headers["etag"]})

    assert (refusal(short), done.status_code) == ((409, "stock_short"), 200)
    assert refusal(other) == (422, "idempotency_key_reused")
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert (await shopper.kinds(path)).count("order_amended") == 2


async def test_an_order_that_costs_nothing_after_a_change_needs_no_card(shopper: Shopper) -> None:
    path = await shopper.place(payment=None)
    await shopper.api.put(f"{path}/lines", json=shopper.lines(1, unit_price={"amount": 0, "currency": "EUR"}))

    assert (await shopper.becomes(path, "awaiting_shipment"))["payment"]["status"] == "none"


async def test_a_payment_is_taken_once_and_remembered_after_the_end(shopper: Shopper, sandbox: SandboxClient) -> None:
    path = await shopper.place(payment=None)
    api, there, key = shopper.api, f"{path}/payment", a_key()
    before = (await api.get(path)).headers["etag"]

    paid = await api.post(there, json=CARD, headers={**key, "If-Match": before})
    at_once = await api.post(there, json=CARD, headers=key)
    await shopper.becomes(path, "awaiting_shipment")
    again = await api.post(there, json=CARD, headers={**key, "If-Match": before})
    other = await api.post(there, json={**CARD, "token": "tok_other"}, headers=key)
    another = await api.post(there, json=CARD, headers=a_key())
    await shopper.hear(path, "delivered")
    await shopper.becomes(path, "delivered")
    at_the_end = await api.post(there, json=CARD, headers=key)
    other_at_the_end = await api.post(there, json={**CARD, "token": "tok_other"}, headers=key)

    assert (paid.status_code, "idempotency-replayed" in paid.headers) == (202, False)
    for replay, status in ((at_once, None), (again, "awaiting_shipment"), (at_the_end, "delivered")):
        assert (replay.status_code, replay.headers["idempotency-replayed"]) == (202, "true")
        assert status in (None, replay.json()["status"])
    assert refusal(other) == refusal(other_at_the_end) == (422, "idempotency_key_reused")
    assert refusal(another) == (409, "payment_not_awaited")
    assert sandbox.ledger(path.rpartition("/")[2]) == [("authorize", "succeeded"), ("capture", "succeeded")]


async def test_of_many_payments_at_once_one_is_taken(shopper: Shopper, sandbox: SandboxClient) -> None:
    path, key = await shopper.place(payment=None), a_key()
    bodies = [CARD, {**CARD, "token": "tok_flaky"}] * 5
    answers = await asyncio.gather(
        *(shopper.api.post(f"{path}/payment", json=body, headers=key) for body in bodies),
        *(shopper.api.post(f"{path}/payment", json=CARD, headers=a_key()) for _ in range(5)),
    )
    order = await shopper.becomes(path, "awaiting_shipment")

    same, others = answers[:10], answers[10:]
    taken = {answer.status_code for answer in same[::2]}, {answer.status_code for answer in same[1::2]}
    if 202 in taken[0] | taken[1]:
        assert taken in (({202}, {422}), ({422}, {202}))
        assert {refusal(answer) for answer in others} == {(409, "payment_not_awaited")}
    else:
        assert sum(answer.status_code == 202 for answer in others) == 1
    assert sandbox.ledger(order["id"]) == [("authorize", "succeeded"), ("capture", "succeeded")]


async def test_the_same_key_pays_two_orders(shopper: Shopper) -> None:
    key = a_key()
    paths = [await shopper.place(payment=None) for _ in range(2)]
    answers = [await shopper.api.post(f"{path}/payment", json=CARD, headers=key) for path in paths]

    assert [answer.status_code for answer in answers] == [202, 202]
    for path in paths:
        await shopper.becomes(path, "awaiting_shipment")


async def test_the_address_is_changed_until_the_parcel_is_booked(shopper: Shopper, sandbox: SandboxClient) -> None:
    path = await shopper.place(payment=None)
    there, address = f"{path}/shipping-address", {**an_order()["shipping_address"], "city": "Kiel"}

    changed = await shopper.api.put(there, json=address)
    await shopper.api.post(f"{path}/payment", json=CARD, headers=a_key())
    await shopper.becomes(path, "awaiting_shipment")
    late = await shopper.api.put(there, json=address)
    late_lines = await shopper.api.put(f"{path}/lines", json=shopper.lines(1))

    assert (changed.status_code, changed.json()["shipping_address"]["city"]) == (200, "Kiel")
    assert refusal(late) == refusal(late_lines) == (409, "order_not_amendable")
    assert "Kiel" not in str((await shopper.api.get(f"{path}/events")).json())


async def test_an_order_that_takes_no_more_changes_still_answers_those_it_took(shopper: Shopper) -> None:
    path, address = await shopper.place(payment=None), an_order()["shipping_address"]
    there, keys = f"{path}/shipping-address", [a_key() for _ in range(MOST_CHANGES)]

    taken = [await shopper.api.put(there, json=address, headers=key) for key in keys]
    again = [await shopper.api.put(there, json=address, headers=key) for key in (keys[0], keys[-1])]
    other = await shopper.api.put(there, json={**address, "city": "Kiel"}, headers=keys[0])
    another = await shopper.api.put(there, json=address, headers=a_key())

    assert {answer.status_code for answer in taken} == {200}
    assert [(answer.status_code, answer.headers.get("idempotency-replayed")) for answer in again] == [(200, "true")] * 2
    assert refusal(other) == (422, "idempotency_key_reused")
    assert refusal(another) == (409, "too_many_changes")
    assert (await shopper.kinds(path)).count("address_changed") == MOST_CHANGES


async def declined(shopper: Shopper, path: str, times: int) -> None:
    async def is_told() -> bool:
        return (await shopper.kinds(path)).count("payment_declined") == times

    await until(is_told)
    await shopper.becomes(path, "awaiting_payment")


async def test_an_order_that_takes_no_more_cards_still_answers_those_it_took(shopper: Shopper) -> None:
    path, card = await shopper.place(payment=None), {**CARD, "token": "tok_declined"}
    there, keys = f"{path}/payment", [a_key() for _ in range(MOST_CARDS)]

    taken = []
    for times, key in enumerate(keys, 1):
        taken.append(await shopper.api.post(there, json=card, headers=key))
        await declined(shopper, path, times)
    again = [await shopper.api.post(there, json=card, headers=key) for key in (keys[0], keys[-1])]
    another = await shopper.api.post(there, json=card, headers=a_key())

    assert {answer.status_code for answer in taken} == {202}
    assert [(answer.status_code, answer.headers.get("idempotency-replayed")) for answer in again] == [(202, "true")] * 2
    assert refusal(another) == (409, "too_many_changes")


async def test_a_paid_order_is_cancelled_and_the_money_goes_back(shopper: Shopper, sandbox: SandboxClient) -> None:
    path, key = await shopper.place(), a_key()
    await shopper.becomes(path, "awaiting_shipment")
    before = (await shopper.api.get(path)).headers["etag"]
    headers = {**key, "If-Match": before}

    first = await shopper.api.post(f"{path}/cancel", json=REASON, headers=headers)
    again = await shopper.api.post(f"{path}/cancel", json=REASON, headers=headers)
    other = await shopper.api.post(f"{path}/cancel", json={"reason": "other"}, headers=key)
    order = await shopper.becomes(path, "cancelled")
    at_the_end = await shopper.api.post(f"{path}/cancel", json=REASON)
    events = (await shopper.api.get(f"{path}/events")).json()["items"]

    assert (first.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert refusal(other) == (422, "idempotency_key_reused")
    assert (at_the_end.status_code, order["failure"]["code"]) == (200, "cancelled")
    assert order["payment"]["status"] == "refunded"
    assert sandbox.summary(order["id"])[1:] == (9900, 9900)
    asked = [event for event in events if event["kind"] == "cancellation_requested"]
    assert [(event["actor"], event["data"]["reason"]) for event in asked] == [(TESTER_ID, REASON["reason"])]


async def test_a_parcel_that_has_left_cannot_be_cancelled(shopper: Shopper) -> None:
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "picked_up")
    await shopper.becomes(path, "shipped")

    assert refusal(await shopper.api.post(f"{path}/cancel", json=REASON)) == (409, "order_not_cancellable")


async def test_an_operator_answers_what_an_order_asks(shopper: Shopper) -> None:
    address = {**an_order()["shipping_address"], "postal_code": "TEST-CANCEL-FAILS"}
    path, api = await shopper.place(shipping_address=address), shopper.api
    await shopper.becomes(path, "awaiting_shipment")
    await api.post(f"{path}/cancel", json=REASON)
    order = await shopper.becomes(path, "needs_attention")
    buttons = {action["name"]: action["href"] for action in order["actions"]}
    page = (await api.get("/v1/attention", params={"reason": "undo_failed"})).json()
    listed = [entry for entry in page["items"] if entry["order_id"] == order["id"]]

    cancelled = await api.post(f"{path}/cancel", json=REASON)
    not_asked = await api.post(f"{path}/actions/reship", json=REASON)
    key = a_key()
    answered = await api.post(buttons["resolved_by_hand"], json=REASON, headers=key)
    again = await api.post(buttons["resolved_by_hand"], json=REASON, headers=key)
    other = await api.post(buttons["skip"], json=REASON, headers=key)
    order = await shopper.becomes(path, "cancelled")
    events = (await api.get(f"{path}/events")).json()["items"]

    assert set(buttons) == {"retry", "skip", "resolved_by_hand", "carrier_has_it"}
    assert order["attention"] is None
    assert [entry["resume_status"] for entry in listed] == ["cancelling"]
    assert listed[0]["operation"].startswith(f"{order['id']}:")
    assert refusal(cancelled) == (409, "order_not_cancellable")
    assert refusal(not_asked) == (409, "action_not_available")
    assert (answered.status_code, again.status_code, again.headers["idempotency-replayed"]) == (202, 202, "true")
    assert refusal(other) == (422, "idempotency_key_reused")
    resolved = [event for event in events if event["kind"] == "attention_resolved"]
    assert [(event["actor"], event["data"]["action"]) for event in resolved] == [(TESTER_ID, "resolved_by_hand")]


async def test_another_parcel_is_sent_once_there_is_something_to_send(shopper: Shopper) -> None:
    path, api = await shopper.place(), shopper.api
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "lost")
    await shopper.becomes(path, "needs_attention")
    await shopper.stock(1)
    key = a_key()

    short = await api.post(f"{path}/actions/reship", json=REASON, headers=key)
    still = await shopper.read(path)
    await shopper.stock(2)
    sent = await api.post(f"{path}/actions/reship", json=REASON, headers=key)
    order = await shopper.becomes(path, "awaiting_shipment")

    assert (refusal(short), still["status"]) == ((409, "stock_short"), "needs_attention")
    assert (sent.status_code, len(order["shipments"])) == (202, 2)
    assert order["payment"]["captured"]["amount"] == 9900


async def test_what_a_carrier_says_after_the_end_is_put_before_an_operator(shopper: Shopper) -> None:
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "delivered")
    await shopper.becomes(path, "delivered")
    await shopper.hear(path, "lost")

    async def is_asked() -> bool:
        return bool((await shopper.read(path))["actions"])

    await until(is_asked)
    answer = await shopper.api.post(f"{path}/actions/resolved_by_hand", json=REASON)

    assert (answer.status_code, answer.json()["status"], answer.json()["actions"]) == (202, "delivered", [])
    assert (await shopper.kinds(path))[-3:] == ["parcel_lost", "attention_needed", "attention_resolved"]
