"""
`POST /v1/payment-providers/stripe/events`, signed as Stripe does.
"""

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from tests.api.carrier import order_of, refusal, rows, settled, start
from tests.api.carrier import signed as signed_as_standard_webhooks
from tests.api.payment_provider import payment_signals
from tests.fixtures.api import serving
from tests.fixtures.settings import MakeSettings, a_webhook_secret
from tests.stripe.test_events import an_event, signed

PATH = "/v1/payment-providers/stripe/events"
SECRET = a_webhook_secret("stripe")


@pytest.fixture
async def api(make_settings: MakeSettings, database: Database, temporal: Client) -> AsyncIterator[httpx2.AsyncClient]:
    """Of a service that is set up for Stripe."""
    stripe = {"secret_key": "sk_test_1", "return_url": "https://shop.example.com/back"}
    chosen = {"adapter": "stripe", "name": "stripe", "webhook_secret": SECRET, "stripe": stripe}
    async with serving(ApiResources.of(make_settings(payments=chosen), database, temporal)) as client:
        yield client


@pytest.fixture
async def waiting(temporal: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    handle = await start(temporal, OrderId(uuid4()))
    yield handle
    await handle.terminate()


async def tell(api: httpx2.AsyncClient, body: bytes, signature: str | None = None) -> httpx2.Response:
    headers = {"Stripe-Signature": signature or signed(body, SECRET), "Content-Type": "application/json; charset=utf-8"}
    return await api.post(PATH, content=body, headers=headers)


async def test_an_event_of_stripe_is_stored_once_and_reaches_the_workflow(
    api: httpx2.AsyncClient, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    body = an_event("payment_intent.amount_capturable_updated", metadata={"order_id": str(order_of(waiting))})

    answers = [await tell(api, body) for _ in range(3)]
    row = await settled(database)
    (news,) = await payment_signals(temporal, waiting)

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 3
    assert (row.source, row.event_id, row.outcome) == ("payments:stripe", "evt_1", "delivered")
    assert (news.payment, news.type) == ("pi_1", PaymentEvent.AUTHORIZED)


async def test_what_says_nothing_about_an_order_is_taken_and_not_stored(
    api: httpx2.AsyncClient, database: Database
) -> None:
    unknown = [an_event("payment_intent.created"), an_event("charge.dispute.created", "dispute", payment_intent=None)]

    answers = [await tell(api, body) for body in unknown]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert await rows(database) == []


async def test_whatever_is_not_signed_by_stripe_is_refused_and_not_stored(
    api: httpx2.AsyncClient, database: Database
) -> None:
    body = an_event("charge.dispute.created", "dispute")
    standard = signed_as_standard_webhooks(SECRET, body)
    answers = [
        await tell(api, body, signed(body, "whsec_other")),
        await tell(api, body, signed(body, SECRET, age=301)),
        await tell(api, body + b" ", signed(body, SECRET)),
        await tell(api, body, "nonsense"),
        await api.post(PATH, content=body),
        await api.post(PATH, content=body, headers=standard),
    ]

    assert {refusal(answer) for answer in answers} == {(401, "unauthorized")}
    assert await rows(database) == []


async def test_a_signed_body_that_is_no_event_is_refused_without_an_echo(api: httpx2.AsyncClient) -> None:
    answer = await tell(api, b'{"secret": "pm_1"}')

    assert refusal(answer) == (400, "malformed_body")
    assert "pm_1" not in answer.text


async def test_an_event_of_60_kib_is_taken(api: httpx2.AsyncClient, database: Database) -> None:
    body = an_event("charge.expired", "charge", description="d" * 60 * 1024)

    assert (await tell(api, body)).status_code == 202
    assert len(await rows(database)) == 1


async def test_only_the_provider_that_is_chosen_is_there(api: httpx2.AsyncClient) -> None:
    body = an_event("charge.expired", "charge")
    other = await api.post(
        "/v1/payment-providers/sandbox/events", content=body, headers={"Stripe-Signature": signed(body, SECRET)}
    )

    assert refusal(other) == (404, "not_found")


_WITHOUT_IT = """
import sys
sys.modules["stripe"] = None
from fulfillment.gateways.stripe_reader import stripe_reader
stripe_reader("whsec_1")
"""


def test_an_api_that_is_set_up_for_stripe_without_the_extra_does_not_start() -> None:
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_IT], check=False, capture_output=True, text=True)

    assert ended.returncode != 0
    assert "StripeNotInstalled: FULFILLMENT_PAYMENTS__ADAPTER is stripe" in ended.stderr
