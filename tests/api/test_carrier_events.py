import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.signatures import verified_id
from fulfillment.contracts.orders import CarrierEvent
from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.domain.shipping import ParcelEvent
from fulfillment.inbound_events import BadSignature
from tests.api.carrier import (
    OTHER_SECRET,
    PATH,
    Carrier,
    book,
    news,
    order_of,
    refusal,
    rows,
    settled,
    signals,
    signed,
    start,
)


async def test_a_signed_event_is_stored_and_reaches_the_workflow(
    carrier: Carrier, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    response = await carrier.tell(news(order_of(waiting)), event_id="evt_1")
    row = await settled(database)

    assert (response.status_code, response.content) == (202, b"")
    assert (row.source, row.event_id, row.outcome, row.order_id) == (
        "sandbox",
        "evt_1",
        "delivered",
        order_of(waiting),
    )
    assert await signals(temporal, waiting) == [
        CarrierEvent(
            id="evt_1",
            carrier="sandbox",
            tracking_number="T-1",
            type=ParcelEvent.PICKED_UP,
            occurred_at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        )
    ]


async def test_an_event_whose_reference_is_another_open_order_reaches_the_order_of_its_parcel(
    carrier: Carrier, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    other = await start(temporal, OrderId(uuid4()))
    await book(database, order_of(waiting), "T-1")

    await carrier.tell(news(order_of(other)))
    row = await settled(database)
    told = await signals(temporal, waiting), await signals(temporal, other)
    await other.terminate()

    assert row.order_id == order_of(waiting)
    assert [len(events) for events in told] == [1, 0]


async def test_an_event_sent_many_times_counts_once(
    carrier: Carrier, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    body = news(order_of(waiting))

    answers = await asyncio.gather(*(carrier.tell(body, event_id="evt_1") for _ in range(10)))
    await settled(database)
    answers.append(await carrier.tell(body, event_id="evt_1"))

    assert {answer.status_code for answer in answers} == {202}
    assert len(await rows(database)) == 1
    assert len(await signals(temporal, waiting)) == 1


async def test_whatever_is_not_signed_by_the_carrier_is_refused_and_not_stored(
    api: httpx2.AsyncClient, secret: str, database: Database
) -> None:
    body = json.dumps(news(uuid4()))
    good = signed(secret, body)
    forged: list[tuple[str | bytes, dict[str, str]]] = [
        (body, signed(OTHER_SECRET, body)),
        (body + " ", good),
        (body, signed(secret, body, age=timedelta(minutes=5, seconds=5))),
        (body, signed(secret, body, age=-timedelta(minutes=5, seconds=5))),
        (body, {**good, "webhook-id": "evt_other"}),
        (body, {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        (body, {**good, "webhook-signature": "v1"}),
        (body, {**good, "webhook-signature": "v1,a,b  v1"}),
        (b"\xff{}", good),
        ("no json", {}),
    ]
    forged += [
        (body, {name: value for name, value in good.items() if name != missing})
        for missing in ("webhook-id", "webhook-timestamp", "webhook-signature")
    ]

    answers = [await api.post(PATH, content=content, headers=headers) for content, headers in forged]

    assert {refusal(answer) for answer in answers} == {(401, "unauthorized")}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert await rows(database) == []


_JUNK = st.text(st.characters(codec="latin-1"), max_size=40)


@given(
    event_id=_JUNK,
    timestamp=_JUNK
    | st.sampled_from(["nan", "inf", "-1", "1e99", "9" * 30])
    | st.just(str(int(datetime.now(UTC).timestamp()))),
    signature=_JUNK | st.sampled_from(["v1,", "v1,,", "v1,a=b", ",", "v1a,x v1,é"]),
    body=st.binary(max_size=40),
)
def test_no_junk_in_headers_or_body_is_anything_but_a_bad_signature(
    event_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    headers = Headers({"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature})

    with pytest.raises(BadSignature):
        verified_id(headers, body, OTHER_SECRET)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (news(uuid4(), type="parcel.exploded"), "type"),
        (news(uuid4(), colour="red"), "colour"),
        (news(uuid4(), timestamp="yesterday"), "timestamp"),
        (news(uuid4(), data={"occurred_at": "2026-11-22T10:00:00"}), "data.occurred_at"),
        (news(uuid4(), data={"occurred_at": 1700000000}), "data.occurred_at"),
        (news(uuid4(), data={"tracking_number": " "}), "data.tracking_number"),
        (news(uuid4(), data={"tracking_number": "a\0b"}), "data.tracking_number"),
        (news(uuid4(), data={"weight": 3}), "data.weight"),
    ],
)
async def test_a_signed_event_that_makes_no_sense_is_refused_by_field(
    carrier: Carrier, body: dict[str, Any], field: str
) -> None:
    response = await carrier.tell(body)

    assert refusal(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_signed_bodies_that_are_no_events_and_other_carriers_are_refused(
    carrier: Carrier, api: httpx2.AsyncClient, secret: str
) -> None:
    raw = json.dumps(news(uuid4()))

    assert refusal(await carrier.tell("{")) == (400, "malformed_body")
    assert refusal(await carrier.tell("[]")) == (422, "invalid_request")
    assert refusal(await carrier.tell(json.dumps("x" * 33_000))) == (413, "body_too_large")
    assert refusal(await carrier.tell(raw, event_id="e" * 256)) == (422, "invalid_request")
    other = await api.post("/v1/carriers/pigeon/events", content=raw, headers=signed(secret, raw))
    assert refusal(other) == (404, "not_found")
