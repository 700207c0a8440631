"""
A provider may be away for so long; our own troubles are nobody's fault but ours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.engine import URL, make_url

from fulfillment import bootstrap
from fulfillment.activities.circuit import Circuit
from fulfillment.activities.providers import Asking
from fulfillment.contracts.options import attempts_within, pause_after
from fulfillment.contracts.payments import AuthorizePayment
from fulfillment.db.operations import Operation
from fulfillment.db.outages import is_outage
from fulfillment.db.tables import operations
from fulfillment.domain.errors import CarrierUnavailable, OutcomeUnknown, PaymentUnavailable, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.gateways.answers import Answer
from tests.activities.shop import TOTAL, Shop, patient_for
from tests.activities.test_answers import answer, answering
from tests.fixtures.proxy import Proxy, proxy_to
from tests.fixtures.settings import MakeSettings
from tests.fixtures.waiting import until

AUTHORIZE, BOOK = OperationKind.AUTHORIZE, OperationKind.BOOK


@asynccontextmanager
async def behind_a_proxy(shop: Shop, make_settings: MakeSettings) -> AsyncIterator[tuple[Shop, Proxy]]:
    """The same shop, with a way to the database that can be cut."""
    direct = make_url(make_settings().database.url.get_secret_value())
    async with proxy_to(f"{direct.query['host']}/.s.PGSQL.5432") as proxy:
        host, port = proxy.address.split(":")
        url = URL.create("postgresql", direct.username, host=host, port=int(port), database=direct.database)
        provider = {"url": str(shop.sandbox.base_url), "timeout": "PT1S"}
        settings = make_settings(database={"url": url.render_as_string()}, payments=provider, carriers=provider)
        async with (
            bootstrap.open_database(settings, application="tests") as database,
            bootstrap.activities(settings, database) as wired,
        ):
            yield Shop(shop.warehouse, wired, shop.sandbox), proxy


@pytest.mark.parametrize(
    ("patience", "attempts"),
    [
        (timedelta(0), 1),
        (timedelta(seconds=2), 1),
        (timedelta(seconds=3), 2),
        (timedelta(seconds=62), 5),
        (timedelta(seconds=63), 6),
        (timedelta(seconds=122), 6),
        (timedelta(seconds=123), 7),
        (timedelta(hours=1), 64),
        (timedelta(hours=22), 1324),
    ],
)
def test_patience_is_counted_in_attempts(patience: timedelta, attempts: int) -> None:
    assert attempts_within(patience) == attempts


def test_pauses_grow_to_a_minute_and_no_further() -> None:
    assert [pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 6, 7, 10**9)] == [1, 2, 4, 32, 60, 60]


async def test_patience_with_a_provider_that_is_away_ends_after_so_many_failures(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_down")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await shop.authorize(order_id, patience=patient_for(3))
    for _ in range(2):
        with pytest.raises(PaymentUnavailable):
            await shop.authorize(order_id, patience=patient_for(3))

    assert await shop.state(order_id, AUTHORIZE) == "intended"
    assert (await shop.warehouse.order(order_id)).status == "processing"


async def test_answers_that_are_lost_use_patience_up_as_well(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(book={"lose_answer_rate": 1}, lookup={"down": True})
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id, patience=patient_for(3))
    with pytest.raises(ProviderUnavailable):
        await shop.book(order_id, patience=patient_for(3))
    with pytest.raises(CarrierUnavailable):
        await shop.book(order_id, patience=patient_for(3))

    assert await shop.state(order_id, BOOK) == "unknown"
    assert len(shop.parcels(order_id)) == 1


async def test_a_look_up_that_fails_does_not_hide_what_may_have_happened(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    shop.control(lookup={"down": True})
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await shop.authorize(order_id)
    shop.nothing_but_look_ups()
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == [("authorize", "succeeded")]


async def test_half_an_hour_without_a_provider_rejects_nobody(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_down")
    away = timedelta()
    attempt = 0
    while away < timedelta(minutes=30):
        attempt += 1
        with pytest.raises(ProviderUnavailable) as unavailable:
            await shop.authorize(order_id, attempt=attempt, patience=patient_for(attempts_within(timedelta(hours=1))))
        # A provider that asks to be tried again in a second (this one does) must not use patience up within a minute.
        away += unavailable.value.retry_after or pause_after(attempt)

    assert attempt < 40


async def test_a_provider_that_asks_for_long_pauses_uses_patience_up_in_the_same_time(
    shop: Shop, make_settings: MakeSettings
) -> None:
    order_id = await shop.placed()
    async with answering(answer("429 x", "{}", "Retry-After: 300")) as url:
        settings = make_settings(payments={"url": url, "timeout": "PT1S"})
        async with bootstrap.activities(settings, shop.warehouse.database) as wired:
            other = Shop(shop.warehouse, wired, shop.sandbox)
            with pytest.raises(ProviderUnavailable) as unavailable:
                await other.authorize(order_id, patience=patient_for(10))
            with pytest.raises(PaymentUnavailable):
                await other.authorize(order_id, patience=patient_for(10))

    assert unavailable.value.retry_after == timedelta(minutes=5)


async def test_a_database_that_is_away_uses_no_patience_up_and_hides_nothing(
    shop: Shop, make_settings: MakeSettings
) -> None:
    order_id = await shop.placed()
    shop.control(authorize={"down": True, "latency_ms": [500, 500]})
    async with behind_a_proxy(shop, make_settings) as (away, proxy):
        attempt = asyncio.create_task(away.authorize(order_id, patience=patient_for(1)))

        async def it_is_intended() -> bool:
            return await shop.entry(order_id, AUTHORIZE) is not None

        await until(it_is_intended)
        await proxy.stop()
        for failing in (attempt, away.authorize(order_id), away.authorize(order_id)):
            with pytest.raises(Exception) as outage:  # noqa: PT011 - whatever the driver makes of it
                await failing
            assert is_outage(outage.value)
    entry = await shop.entry(order_id, AUTHORIZE)

    assert (entry.state, entry.attempts, entry.failures, entry.not_done) == ("intended", 1, 0, 0)
    shop.control()
    shop.sandbox.authorize(key=entry.key, order_id=str(order_id), amount=TOTAL.amount)
    shop.nothing_but_look_ups()
    await shop.authorize(order_id)


async def test_an_answer_that_is_a_bug_uses_no_patience_up_and_is_looked_up_afterwards(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, AUTHORIZE)
    async with shop.warehouse.database.statement() as connection:
        await connection.execute(update(operations).where(operations.c.key == key).values(not_done=1))
    shop.sandbox.authorize(key=key, order_id=str(order_id), amount=1)
    with pytest.raises(Exception, match="unexpected answer 409"):
        await shop.authorize(order_id)
    entry = await shop.entry(order_id, AUTHORIZE)

    assert (entry.state, entry.failures, entry.attempts - entry.not_done) == ("intended", 0, 1)


def second_attempt(key: str) -> Operation:
    return Operation(
        key=key,
        state=OperationState.UNKNOWN,
        provider="sandbox",
        failures=0,
        provider_reference=None,
        refusal=None,
        attempts=2,
        not_done=0,
        age=timedelta(0),
        actor="system",
        order=None,
        entries=(),
    )


async def test_a_look_up_and_the_call_after_it_share_the_time_of_an_attempt(shop: Shop) -> None:
    key = await shop.intend(await shop.placed(), AUTHORIZE)
    circuit = Circuit(failures=5, pause=timedelta(0), changed=lambda *, is_open: None)
    asking = Asking(shop.warehouse.database, PaymentUnavailable, circuit, longest=timedelta(seconds=0.5))
    request = AuthorizePayment(order_id=OrderId(UUID(int=1)), n=1, amount=TOTAL, patience=patient_for(9))
    calls: list[float] = []

    async def attempt(look_up: float, call: float) -> None:
        async def find(_: str) -> Answer | None:
            await asyncio.sleep(look_up)
            return None

        async def ask() -> Answer:
            calls.append(call)
            await asyncio.sleep(call)
            return Answer(reference="auth_1")

        await asking.ask(second_attempt(key), request, find=find, call=ask)

    with pytest.raises(OutcomeUnknown):
        await attempt(0.3, 0.4)
    with pytest.raises(ProviderUnavailable):
        await attempt(5, 0)
    await attempt(0.1, 0.1)
    assert calls == [0.4, 0.1]
