"""
What payment providers said, from the inbox to the workflow or to an operator.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import insert, update
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.resignal import InboxSignals
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from fulfillment.db.tables import inbox, order_events, orders
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from tests.api.bodies import a_key
from tests.api.carrier import AT_ONCE, order_of, rows, settled
from tests.api.payment_provider import (
    SOURCE,
    PaymentProvider,
    authorize,
    free_leases,
    lose_signal,
    payment_news,
    payment_signals,
)
from tests.fixtures.api import serving
from tests.fixtures.waiting import until

DAY = timedelta(days=1)
DISPUTES = {"reason": "provider_dispute"}


@pytest.fixture
def signals(resources: ApiResources, database: Database) -> InboxSignals:
    """Passes on at once what was not passed on."""
    return InboxSignals(database, resources.orders, DAY, AT_ONCE)


@pytest.fixture
async def closed(waiting: WorkflowHandle[Any, Any], database: Database) -> OrderId:
    """An order that was delivered, whose workflow is closed."""
    await waiting.terminate()
    await authorize(database, order_of(waiting), status="delivered")
    return order_of(waiting)


async def test_an_event_without_an_order_is_accepted_and_waits(provider: PaymentProvider, database: Database) -> None:
    answers = [await provider.tell(payment_news(reference)) for reference in (None, uuid4(), "what?")]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [row.signalled_at for row in await rows(database)] == [None, None, None]


async def test_an_event_whose_signal_was_lost_is_signalled_again_by_the_next_process(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    old = datetime.now(UTC) - timedelta(seconds=11)

    await lose_signal(database, order_id=order_of(waiting), event_id="evt_1", received_at=old)
    async with serving(resources):
        row = await settled(database)

    assert row.outcome == "delivered"
    assert [news.id for news in await payment_signals(temporal, waiting)] == ["evt_1"]


@pytest.mark.parametrize("reference", [None, uuid4()])
async def test_a_payment_is_found_by_its_name_when_the_reference_is_missing_or_wrong(
    reference: OrderId | None,
    signals: InboxSignals,
    waiting: WorkflowHandle[Any, Any],
    temporal: Client,
    database: Database,
) -> None:
    await lose_signal(database, order_id=reference)

    early = await signals.signal_stuck()
    unsettled = (await rows(database))[0].signalled_at
    await authorize(database, order_of(waiting))
    await free_leases(database)
    await signals.signal_stuck()
    row = await settled(database)

    assert (early, unsettled) == (1, None)
    assert (row.outcome, row.order_id) == ("delivered", order_of(waiting))
    assert len(await payment_signals(temporal, waiting)) == 1


async def test_the_payment_of_another_provider_is_not_meant(
    signals: InboxSignals, waiting: WorkflowHandle[Any, Any], database: Database
) -> None:
    await authorize(database, order_of(waiting))
    await lose_signal(database, source="payments:other")
    await lose_signal(database, source="sandbox", type="parcel.lost")

    await signals.signal_stuck()

    assert [row.signalled_at for row in await rows(database)] == [None, None]


async def test_a_dispute_after_the_end_is_a_question_of_its_own(
    api: httpx2.AsyncClient, provider: PaymentProvider, closed: OrderId, database: Database
) -> None:
    before = (await api.get("/v1/attention", params=DISPUTES)).json()["items"]
    await provider.tell(payment_news(), event_id="evt_1")
    row = await settled(database)
    (entry,) = (await api.get("/v1/attention", params=DISPUTES)).json()["items"]
    order = (await api.get(f"/v1/orders/{closed}")).json()
    (fact,) = (await api.get(f"/v1/orders/{closed}/events")).json()["items"]

    assert (before, row.outcome, row.order_id) == ([], "late_event", closed)
    assert (entry["order_id"], entry["reason"], entry["resume_status"]) == (str(closed), "provider_dispute", None)
    assert datetime.fromisoformat(entry["due_at"]) - datetime.fromisoformat(entry["since"]) >= timedelta(hours=23)
    assert [action["name"] for action in entry["actions"]] == ["resolved_by_hand"]
    assert (order["status"], order["attention"], order["actions"]) == ("delivered", None, entry["actions"])
    assert (fact["kind"], fact["actor"], fact["data"]["type"], fact["data"]["payment"]) == (
        "attention_needed",
        "provider:sandbox",
        "payment.disputed",
        "auth_1",
    )


async def test_an_operator_closes_all_that_came_after_the_end_by_hand(
    api: httpx2.AsyncClient, provider: PaymentProvider, closed: OrderId, database: Database, signals: InboxSignals
) -> None:
    for event in ("disputed", "capture_failed"):
        await lose_signal(database, type=f"payment.{event}")
    await signals.signal_stuck()
    waiting = (await api.get("/v1/attention", params=DISPUTES)).json()["items"]
    there, reason = f"/v1/orders/{closed}/actions/resolved_by_hand", {"reason": "paid back by bank transfer"}
    key = a_key()

    answers = [await api.post(there, json=reason, headers=key) for _ in range(2)]
    other = await api.post(there, json=reason, headers=a_key())
    left = (await api.get("/v1/attention", params=DISPUTES)).json()["items"]
    await provider.tell(payment_news(), event_id="evt_new")

    async def is_asked_again() -> bool:
        return bool((await api.get("/v1/attention", params=DISPUTES)).json()["items"])

    await until(is_asked_again)
    assert ([answer.status_code for answer in answers], other.status_code) == ([202, 202], 409)
    assert (len(waiting), left) == (2, [])
    assert (await api.get(f"/v1/orders/{closed}")).json()["status"] == "delivered"


@pytest.mark.parametrize("event", [PaymentEvent.AUTHORIZED, PaymentEvent.FAILED])
async def test_what_needs_nobody_leaves_nothing_after_the_end(
    event: PaymentEvent, api: httpx2.AsyncClient, provider: PaymentProvider, closed: OrderId, database: Database
) -> None:
    await provider.tell(payment_news(closed, type=event))
    row = await settled(database)

    assert row.outcome == "closed"
    assert (await api.get("/v1/attention")).json()["items"] == []
    assert (await api.get(f"/v1/orders/{closed}/events")).json()["items"] == []


async def test_a_dispute_of_an_order_that_temporal_has_forgotten_is_not_lost(
    api: httpx2.AsyncClient, provider: PaymentProvider, database: Database
) -> None:
    order_id = OrderId(uuid4())
    await authorize(database, order_id, status="delivered")

    await provider.tell(payment_news())
    row = await settled(database)

    assert (row.outcome, row.order_id) == ("late_event", order_id)
    assert len((await api.get("/v1/attention", params=DISPUTES)).json()["items"]) == 1


async def test_a_dispute_of_an_open_order_whose_workflow_is_gone_waits_for_its_recovery(
    signals: InboxSignals, waiting: WorkflowHandle[Any, Any], database: Database
) -> None:
    await waiting.terminate()
    await authorize(database, order_of(waiting), status="shipped")
    await lose_signal(database)
    await lose_signal(database, received_at=datetime.now(UTC) - timedelta(hours=25))

    await signals.signal_stuck()

    assert [row.outcome for row in await rows(database)] == [None, "late_event"]


@pytest.mark.parametrize(("asked", "is_late"), [("evt_1:3", False), ("evt_1:late", False), ("evt_1:2:3", True)])
async def test_what_the_workflow_has_asked_about_is_not_late_when_it_is_passed_on_twice(
    asked: str, is_late: bool, signals: InboxSignals, closed: OrderId, database: Database
) -> None:
    fact = {"order_id": closed, "sequence": 1, "kind": "attention_needed", "key": f"{SOURCE}:{asked}"}
    async with database.transaction() as connection:
        await connection.execute(insert(order_events).values({**fact, "actor": "system", "data": {}}))
        await connection.execute(update(orders).where(orders.c.id == closed).values(last_event=1))
    await lose_signal(database, event_id="evt_1")

    await signals.signal_stuck()
    row = await settled(database)

    assert row.outcome == ("late_event" if is_late else "closed")


async def test_disputes_that_are_asked_and_those_after_the_end_are_one_list(
    api: httpx2.AsyncClient, provider: PaymentProvider, closed: OrderId, database: Database
) -> None:
    asked, lost = OrderId(uuid4()), OrderId(uuid4())
    question = {"status": "needs_attention", "attention_since": datetime(2026, 1, 1, tzinfo=UTC)}
    await authorize(
        database,
        asked,
        "auth_2",
        **question,
        attention_reason="provider_dispute",
        attention_actions=["resolved_by_hand", "cancel"],
        resume_status="awaiting_shipment",
    )
    await authorize(database, lost, "auth_3", **question, attention_reason="lost")
    await provider.tell(payment_news(closed))
    await settled(database)
    async with database.statement() as connection:
        await connection.execute(
            insert(inbox).values(
                source="sandbox",
                event_id="parcel",
                type="parcel.lost",
                subject="T-1",
                order_id=closed,
                occurred_at=datetime.now(UTC),
                outcome="late_event",
                signalled_at=datetime.now(UTC),
            )
        )

    found = (await api.get("/v1/attention", params=DISPUTES)).json()["items"]
    pages = [(await api.get("/v1/attention", params={**DISPUTES, "limit": 1})).json()]
    pages.append((await api.get("/v1/attention", params={**DISPUTES, "cursor": pages[0]["next_cursor"]})).json())

    assert [entry["order_id"] for entry in found] == [str(asked), str(closed)]
    assert [item for page in pages for item in page["items"]] == found
    assert [action["name"] for action in found[0]["actions"]] == ["resolved_by_hand", "cancel"]


@pytest.mark.parametrize("status", ["awaiting_payment", "processing", "cancelling", "rejected"])
async def test_what_the_customer_has_to_do_is_shown_while_the_payment_is_awaited(
    status: str, api: httpx2.AsyncClient, database: Database
) -> None:
    action, order_id = {"type": "redirect_to_url", "url": "https://bank.example.com/1"}, OrderId(uuid4())
    await authorize(database, order_id, status=status, payment_next_action=action)

    shown = (await api.get(f"/v1/orders/{order_id}")).json()["payment"]["next_action"]
    (listed,) = (await api.get("/v1/orders")).json()["items"]

    assert shown == listed["payment"]["next_action"] == (action if status == "awaiting_payment" else None)
