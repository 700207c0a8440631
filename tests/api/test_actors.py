"""
Who did it: everything that happened to an order, its money and the stock names a caller, a carrier or the service.
"""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from fulfillment.contracts.naming import order_workflow_id
from fulfillment.domain.ids import OrderId
from tests.api.access import ADDRESS, CARD, REASON, Callers, Staffed
from tests.api.bodies import a_key, an_order
from tests.api.living import Shopper
from tests.fixtures.identity import TESTER_ID
from tests.fixtures.waiting import until

SERVICE = "system"
CARRIER = "carrier:sandbox"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def shopper(staffed: Staffed) -> Shopper:
    """Who places the orders; the timeline calls them `TESTER_ID`."""
    return staffed[0]


@pytest.fixture
def callers(staffed: Staffed) -> Callers:
    """Everybody else."""
    return staffed[1]


async def listed(shopper: Shopper, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await shopper.api.get(path, params={"limit": 200})).json()["items"]
    return items


async def timeline(shopper: Shopper, path: str) -> list[tuple[str, str]]:
    """What happened to an order, and by whom."""
    return [(event["kind"], event["actor"]) for event in await listed(shopper, f"{path}/events")]


async def ledger(shopper: Shopper, path: str) -> dict[str, str]:
    """For whom providers were asked what; `authorize:2` is another card."""
    entries = await listed(shopper, f"{path}/operations")
    return {entry["key"].partition(":")[2]: entry["actor"] for entry in entries}


async def ok(answer: httpx2.Response, status: int = 202) -> httpx2.Response:
    assert answer.status_code == status, answer.text
    return answer


async def test_each_step_of_an_order_names_who_asked_for_it(shopper: Shopper, callers: Callers) -> None:
    amender, mover, payer, quitter = [await callers.named(name) for name in ("amender", "mover", "payer", "quitter")]
    path = await shopper.place(payment=None)
    await ok(await amender.put(f"{path}/lines", json=shopper.lines(3)), 200)
    await ok(await mover.put(f"{path}/shipping-address", json={**ADDRESS, "city": "Kiel"}), 200)
    await ok(await payer.post(f"{path}/payment", json=CARD, headers=a_key()))
    await shopper.becomes(path, "awaiting_shipment")
    await ok(await quitter.post(f"{path}/cancel", json=REASON))
    await shopper.becomes(path, "cancelled")

    facts = await timeline(shopper, path)
    assert facts[:8] == [
        ("order_received", TESTER_ID),
        ("stock_held", SERVICE),
        ("payment_requested", SERVICE),
        ("order_amended", "key:amender"),
        ("address_changed", "key:mover"),
        ("payment_authorized", "key:payer"),
        ("shipment_booked", SERVICE),
        ("payment_captured", SERVICE),
    ]
    assert facts[8] == ("cancellation_requested", "key:quitter")
    assert {actor for _, actor in facts[9:]} == {SERVICE}
    assert await ledger(shopper, path) == {
        "authorize:1": "key:payer",
        "book:1": "key:payer",
        "capture:1": "key:payer",
        "cancel:1": "key:quitter",
        "void:1": "key:quitter",
        "refund:1": "key:quitter",
    }


async def test_an_order_that_is_paid_at_once_is_its_placers_to_the_door(shopper: Shopper) -> None:
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    for event in ("picked_up", "delivered"):
        await shopper.hear(path, event)
    await shopper.becomes(path, "delivered")

    assert await ledger(shopper, path) == dict.fromkeys(("authorize:1", "book:1", "capture:1"), TESTER_ID)
    assert (await timeline(shopper, path))[2:] == [
        ("payment_authorized", TESTER_ID),
        ("shipment_booked", SERVICE),
        ("payment_captured", SERVICE),
        ("order_shipped", CARRIER),
        ("order_delivered", CARRIER),
    ]


async def test_each_card_is_that_of_who_gave_it(shopper: Shopper, callers: Callers) -> None:
    first, second = [await callers.named(name) for name in ("first-payer", "second-payer")]
    path = await shopper.place(payment=None)
    declined = {**CARD, "token": "tok_declined"}
    await ok(await first.post(f"{path}/payment", json=declined, headers=a_key()))

    async def is_declined() -> bool:
        return "payment_declined" in await shopper.kinds(path)

    await until(is_declined)
    await ok(await second.post(f"{path}/payment", json=CARD, headers=a_key()))
    await shopper.becomes(path, "awaiting_shipment")

    facts = await timeline(shopper, path)
    assert [fact for fact in facts if fact[0] in ("payment_declined", "payment_authorized")] == [
        ("payment_declined", "key:first-payer"),
        ("payment_authorized", "key:second-payer"),
    ]
    assert await ledger(shopper, path) == {
        "authorize:1": "key:first-payer",
        "authorize:2": "key:second-payer",
        "book:1": "key:second-payer",
        "capture:1": "key:second-payer",
    }


async def test_what_the_service_takes_back_by_itself_is_nobody_elses_doing(shopper: Shopper) -> None:
    path = await shopper.place(shipping_address={**ADDRESS, "postal_code": "TEST-REFUSED"})
    await shopper.becomes(path, "rejected")

    assert ("cancellation_requested", SERVICE) in await timeline(shopper, path)
    assert await ledger(shopper, path) == {"authorize:1": TESTER_ID, "book:1": TESTER_ID, "void:1": SERVICE}


async def test_what_follows_from_an_operators_answer_names_the_operator(shopper: Shopper, callers: Callers) -> None:
    quitter, operator = [await callers.named(name) for name in ("another-quitter", "operator")]
    path = await shopper.place(shipping_address={**ADDRESS, "postal_code": "TEST-CANCEL-FAILS"})
    await shopper.becomes(path, "awaiting_shipment")
    await ok(await quitter.post(f"{path}/cancel", json=REASON))
    await shopper.becomes(path, "needs_attention")
    await ok(await operator.post(f"{path}/actions/resolved_by_hand", json=REASON))
    await shopper.becomes(path, "cancelled")

    facts = await timeline(shopper, path)
    assert ("attention_needed", SERVICE) in facts
    assert ("attention_resolved", "key:operator") in facts
    actors = await ledger(shopper, path)
    assert (actors["cancel:1"], actors["refund:1"]) == ("key:another-quitter", "key:operator")


async def test_another_parcel_is_booked_for_the_operator_who_had_it_sent(shopper: Shopper, callers: Callers) -> None:
    operator = await callers.named("reshipper")
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "lost")
    await shopper.becomes(path, "needs_attention")
    await ok(await operator.post(f"{path}/actions/reship", json=REASON))
    await shopper.becomes(path, "awaiting_shipment")

    assert ("attention_needed", CARRIER) in await timeline(shopper, path)
    actors = await ledger(shopper, path)
    assert (actors["book:1"], actors["book:2"]) == (TESTER_ID, "key:reshipper")


async def test_an_undo_of_an_order_that_was_taken_over_names_who_had_it_taken_over(
    staffed: Staffed, shopper: Shopper, callers: Callers
) -> None:
    medic = await callers.named("medic")
    path = await shopper.place()
    order = await shopper.becomes(path, "awaiting_shipment")
    await staffed[2].get_workflow_handle(order_workflow_id(OrderId(order["id"]))).terminate()
    await ok(await medic.post(f"{path}/recover", json={**REASON, "undo": True}))
    await shopper.becomes(path, "cancelled")

    assert ("cancellation_requested", "key:medic") in await timeline(shopper, path)
    assert (await ledger(shopper, path))["refund:1"] == "key:medic"


async def test_movements_name_who_counted_and_who_adjusted(shopper: Shopper, callers: Callers) -> None:
    counter, adjuster = [await callers.named(name) for name in ("counter", "adjuster")]
    path = f"/v1/inventory/LAMP-{uuid4()}"
    await ok(await counter.put(path, json={"on_hand": 5}), 201)
    body = {"delta": 2, "reason": "found"}
    await ok(await adjuster.post(f"{path}/adjustments", json=body, headers=a_key()), 201)
    sku = path.rpartition("/")[2]
    await shopper.place(lines=[{**an_order()["lines"][0], "sku": sku}], payment=None)

    movements = await listed(shopper, f"{path}/movements")
    assert [(movement["kind"], movement["actor"]) for movement in movements] == [
        ("held", SERVICE),
        ("adjusted", "key:adjuster"),
        ("adjusted", "key:counter"),
    ]
