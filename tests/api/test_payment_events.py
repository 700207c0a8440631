"""
`POST /v1/payment-providers/{provider}/events`, signed as Standard Webhooks are.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.resources import ApiResources
from fulfillment.contracts.payments import PaymentNews
from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from fulfillment.settings import Settings
from tests.api.carrier import OTHER_SECRET, Carrier, news, order_of, refusal, rows, settled, signed, start
from tests.api.payment_provider import PATH, SOURCE, PaymentProvider, authorize, payment_news, payment_signals
from tests.fixtures.api import serving
from tests.fixtures.settings import MakeSettings


async def test_a_signed_event_is_stored_and_reaches_the_workflow(
    provider: PaymentProvider, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    response = await provider.tell(payment_news(order_of(waiting)), event_id="evt_1")
    row = await settled(database)

    assert (response.status_code, response.content) == (202, b"")
    assert (row.source, row.event_id, row.outcome, row.order_id) == (SOURCE, "evt_1", "delivered", order_of(waiting))
    assert await payment_signals(temporal, waiting) == [
        PaymentNews(
            id="evt_1",
            provider="sandbox",
            payment="auth_1",
            type=PaymentEvent.DISPUTED,
            occurred_at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("event", PaymentEvent)
async def test_every_type_is_taken_without_an_order_and_however_old_it_is(
    event: PaymentEvent, provider: PaymentProvider, database: Database
) -> None:
    old = payment_news(type=event, data={"occurred_at": "1999-01-01T00:00:00Z"})
    del old["data"]["reference"]

    assert (await provider.tell(old)).status_code == 202
    (row,) = await rows(database)
    assert (row.type, row.subject, row.order_id) == (event, "auth_1", None)


async def test_an_event_sent_many_times_counts_once(
    provider: PaymentProvider, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    body = payment_news(order_of(waiting))

    answers = await asyncio.gather(*(provider.tell(body, event_id="evt_1") for _ in range(10)))
    await settled(database)
    answers.append(await provider.tell(body, event_id="evt_1"))

    assert {answer.status_code for answer in answers} == {202}
    assert len(await rows(database)) == 1
    assert len(await payment_signals(temporal, waiting)) == 1


async def test_an_event_of_a_carrier_with_the_same_name_and_id_is_another(
    provider: PaymentProvider, carrier: Carrier, database: Database
) -> None:
    answers = [await provider.tell(payment_news(), event_id="evt_1"), await carrier.tell(news(), event_id="evt_1")]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert [row.source for row in await rows(database)] == [SOURCE, "sandbox"]


async def test_an_event_whose_reference_is_another_open_order_reaches_the_order_of_its_payment(
    provider: PaymentProvider, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    other = await start(temporal, OrderId(uuid4()))
    await authorize(database, order_of(waiting))

    await provider.tell(payment_news(order_of(other)))
    row = await settled(database)
    told = await payment_signals(temporal, waiting), await payment_signals(temporal, other)
    await other.terminate()

    assert row.order_id == order_of(waiting)
    assert [len(events) for events in told] == [1, 0]


async def test_whatever_is_not_signed_by_the_provider_is_refused_and_not_stored(
    api: httpx2.AsyncClient, provider: PaymentProvider, secret: str, database: Database
) -> None:
    body = json.dumps(payment_news(uuid4()))
    good = signed(provider.secret, body)
    forged: list[tuple[str | bytes, dict[str, str]]] = [
        (body, signed(OTHER_SECRET, body)),
        # The carrier's secret is the carrier's.
        (body, signed(secret, body)),
        (body + " ", good),
        (body, signed(provider.secret, body, age=timedelta(minutes=5, seconds=5))),
        (body, {**good, "webhook-id": "evt_other"}),
        (b"\xff{}", good),
        ("no json", {}),
        (body, {"stripe-signature": "t=1,v1=00"}),
    ]

    answers = [await api.post(PATH, content=content, headers=headers) for content, headers in forged]

    assert {refusal(answer) for answer in answers} == {(401, "unauthorized")}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert await rows(database) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (payment_news(type="payment.forgotten"), "type"),
        (payment_news(type="parcel.delivered"), "type"),
        (payment_news(colour="red"), "colour"),
        (payment_news(timestamp="yesterday"), "timestamp"),
        (payment_news(data={"occurred_at": 1700000000}), "data.occurred_at"),
        (payment_news(data={"payment": " "}), "data.payment"),
        (payment_news(data={"payment": "a\0b"}), "data.payment"),
        (payment_news(data={"payment": "p" * 201}), "data.payment"),
        (payment_news(data={"amount": 3}), "data.amount"),
    ],
)
async def test_a_signed_event_that_makes_no_sense_is_refused_by_field_and_not_stored(
    provider: PaymentProvider, database: Database, body: dict[str, Any], field: str
) -> None:
    response = await provider.tell(body)

    assert refusal(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert await rows(database) == []


async def test_signed_bodies_that_are_no_events_are_refused(provider: PaymentProvider) -> None:
    assert refusal(await provider.tell("{")) == (400, "malformed_body")
    assert refusal(await provider.tell("[]")) == (422, "invalid_request")
    assert refusal(await provider.tell(payment_news(), event_id="e" * 256)) == (422, "invalid_request")


async def test_an_event_may_have_256_kib_and_no_more(provider: PaymentProvider) -> None:
    body = json.dumps(payment_news())

    most = await provider.tell(body.ljust(256 * 1024))
    more = await provider.tell(body.ljust(256 * 1024 + 1))

    assert most.status_code == 202
    assert (refusal(more), more.json()["detail"]) == ((413, "body_too_large"), "a body may have at most 256 KiB here")


async def test_other_providers_are_not_there(
    api: httpx2.AsyncClient, provider: PaymentProvider, database: Database
) -> None:
    raw = json.dumps(payment_news())
    for other in ("stripe", "pigeon", "payments:sandbox"):
        path = f"/v1/payment-providers/{other}/events"
        answer = await api.post(path, content=raw, headers=signed(provider.secret, raw))
        assert refusal(answer) == (404, "not_found")
    assert await rows(database) == []


async def test_a_provider_that_shares_no_secret_with_us_tells_nothing(
    make_settings: MakeSettings, database: Database, temporal: Client
) -> None:
    settings: Settings = make_settings(payments={"webhook_secret": None})
    raw = json.dumps(payment_news())
    async with serving(ApiResources.of(settings, database, temporal)) as api:
        answer = await api.post(PATH, content=raw, headers=signed(OTHER_SECRET, raw))

    assert refusal(answer) == (404, "not_found")
    assert await rows(database) == []
