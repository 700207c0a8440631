"""
A provider that is down: it is hardly asked any more, nobody is given up for that, and nothing is mistaken.
"""

import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx2
import pytest
from prometheus_client import REGISTRY

from fulfillment import bootstrap
from fulfillment.activities.carriers import Carriers, Partner
from fulfillment.activities.circuit import Circuit, reporting
from fulfillment.activities.payments import LedgeredPaymentActivities
from fulfillment.activities.providers import Asking
from fulfillment.activities.shipping import LedgeredShippingActivities
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.options import LONGEST_PAUSE, attempts_within, pause_after
from fulfillment.contracts.payments import Reversal
from fulfillment.contracts.shipping import ShipmentCancellation
from fulfillment.domain.errors import (
    CarrierUnavailable,
    DomainError,
    OutcomeUnknown,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
    TransientError,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.carriers import HttpCarrier
from fulfillment.gateways.http import ProviderClient
from fulfillment.gateways.payments import HttpPaymentGateway
from fulfillment.settings import Settings
from tests.activities.gate import Gate, gate_to
from tests.activities.shop import Shop, patient_for
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import MakeSettings

AUTHORIZE, VOID, BOOK, CANCEL = OperationKind.AUTHORIZE, OperationKind.VOID, OperationKind.BOOK, OperationKind.CANCEL
HOUR = attempts_within(timedelta(hours=1))
NEVER = timedelta(days=1)
"""A pause longer than any test: once open, the circuit admits nobody."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stand:
    """A shop whose providers are behind a door, and whose circuits run by a clock of the test."""

    shop: Shop
    gate: Gate
    clock: Clock
    failed: dict[OrderId, DomainError] = field(default_factory=dict)
    ended: dict[OrderId, float] = field(default_factory=dict)
    due: list[tuple[float, int, OrderId]] = field(default_factory=list)

    async def authorize(self, *orders: OrderId, until: float, failures: int = HOUR) -> None:
        """
        Run the step of orders as Temporal would, each begun a second after the other, until so many seconds are over;
        those that are under way go on.
        """
        for n, order_id in enumerate(orders):
            heapq.heappush(self.due, (self.clock.now + n, 1, order_id))
        while self.due and self.due[0][0] <= until:
            self.clock.now, attempt, order_id = heapq.heappop(self.due)
            try:
                await self.shop.authorize(order_id, attempt=attempt, patience=patient_for(failures))
            except TransientError as error:
                pause = error.retry_after or pause_after(attempt)
                heapq.heappush(self.due, (self.clock.now + pause.total_seconds(), attempt + 1, order_id))
                continue
            except DomainError as error:
                self.failed[order_id] = error
            self.ended[order_id] = self.clock.now


@asynccontextmanager
async def stand(shop: Shop, settings: Settings, pause: timedelta) -> AsyncIterator[Stand]:
    clock, database = Clock(), shop.warehouse.database

    def circuit(queue: str) -> Circuit:
        return Circuit(failures=5, pause=pause, changed=reporting(queue, "sandbox"), clock=clock)

    async with gate_to(str(shop.sandbox.base_url)) as gate, httpx2.AsyncClient(trust_env=False) as http:
        client = ProviderClient(http, provider="provider", url=gate.url, timeout=timedelta(seconds=5))
        cipher = Cipher(settings.encryption.ring())
        asking = Asking(database, CarrierUnavailable, circuit("shipping"))
        carriers = Carriers(database, Partner(name="sandbox", gateway=HttpCarrier(client), asking=asking))
        wired = replace(
            shop.activities,
            payments=LedgeredPaymentActivities(
                database, HttpPaymentGateway(client), cipher, "sandbox", circuit("payments")
            ),
            shipping=LedgeredShippingActivities(database, carriers),
        )
        yield Stand(Shop(shop.warehouse, wired, shop.sandbox), gate, clock)


async def ten_minutes_away(shop: Shop, settings: Settings, pause: timedelta) -> tuple[int, float]:
    """How often twenty orders asked a provider that was away for ten minutes; when, after that, the last was paid."""
    orders = [await shop.placed() for _ in range(20)]
    async with stand(shop, settings, pause) as at:
        at.gate.is_shut = True
        await at.authorize(*orders, until=600)
        assert at.ended == {}
        calls = at.gate.calls
        assert circuits("sandbox")["payments"] == 1
        at.gate.is_shut = False
        await at.authorize(until=3600)
        assert circuits("sandbox")["payments"] == 0
        assert at.failed == {}
        for order_id in orders:
            assert shop.ledger(order_id) == [("authorize", "succeeded")]
        return calls, max(at.ended.values()) - 600


async def test_a_provider_that_is_down_is_hardly_asked_and_everything_goes_on_within_a_pause(
    shop: Shop, settings: Settings
) -> None:
    asked_always, _ = await ten_minutes_away(shop, settings, timedelta(0))
    asked, after = await ten_minutes_away(shop, settings, timedelta(seconds=5))

    assert asked * 4 < asked_always
    assert after <= LONGEST_PAUSE.total_seconds()


async def given_up_after(shop: Shop, settings: Settings, pause: timedelta) -> tuple[float, int]:
    """When an order is rejected whose provider is away for good, and how often that was asked."""
    order_id = await shop.placed()
    async with stand(shop, settings, pause) as at:
        at.gate.is_shut = True
        await at.authorize(order_id, until=7200)
        assert isinstance(at.failed[order_id], PaymentUnavailable)
    entry = await shop.entry(order_id, AUTHORIZE)
    assert (entry.attempts, entry.failures, entry.not_done) == (HOUR, HOUR, HOUR)
    return at.ended[order_id], at.gate.calls


async def test_an_order_is_given_up_neither_earlier_nor_unasked_nor_never(shop: Shop, settings: Settings) -> None:
    usually, _ = await given_up_after(shop, settings, timedelta(0))
    held_back, calls = await given_up_after(shop, settings, NEVER)

    assert usually <= held_back <= usually + LONGEST_PAUSE.total_seconds() * 6
    # Five that opened the circuit, and the last one.
    assert calls == 6


async def test_the_last_attempt_of_an_order_can_still_be_answered(shop: Shop, settings: Settings) -> None:
    other, order_id = await shop.placed(), await shop.placed()
    async with stand(shop, settings, NEVER) as at:
        at.gate.is_shut = True
        await at.authorize(other, until=100, failures=5)
        at.gate.is_shut = False
        await at.authorize(order_id, until=7200, failures=3)

    assert at.failed.keys() == {other}
    assert shop.ledger(order_id) == [("authorize", "succeeded")]


@asynccontextmanager
async def opened(shop: Shop, settings: Settings) -> AsyncIterator[Stand]:
    """Both circuits are open and admit nobody, although the providers are there again."""
    other = await shop.placed()
    async with stand(shop, settings, NEVER) as at:
        at.gate.is_shut = True
        for step in (at.shop.authorize, at.shop.book):
            for _ in range(5):
                with pytest.raises(ProviderUnavailable):
                    await step(other)
        at.gate.is_shut, at.gate.calls = False, 0
        yield at


async def test_an_attempt_that_is_held_back_waits_long_and_takes_up_no_time(shop: Shop, settings: Settings) -> None:
    order_id = await shop.placed()
    async with opened(shop, settings) as at:
        with pytest.raises(ProviderUnavailable) as held:
            await at.shop.authorize(order_id)

        assert held.value.retry_after == LONGEST_PAUSE
        assert at.gate.calls == 0


async def test_a_look_up_that_is_held_back_leaves_unknown_what_is_unknown(shop: Shop, settings: Settings) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    async with opened(shop, settings) as at:
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                await at.shop.authorize(order_id)
        entry = await shop.entry(order_id, AUTHORIZE)
        assert (entry.state, entry.attempts, entry.not_done) == ("unknown", 4, 3)

    shop.nothing_but_look_ups()
    await shop.authorize(order_id)
    assert shop.ledger(order_id) == [("authorize", "succeeded")]


async def test_an_undo_that_is_held_back_has_undone_nothing_and_takes_nothing_for_undone(
    shop: Shop, settings: Settings
) -> None:
    order_id = await shop.placed(token="tok_lost_answer", postal_code="TEST-LOST-ANSWER")
    for step in (shop.authorize, shop.book):
        with pytest.raises(OutcomeUnknown):
            await step(order_id)
    async with opened(shop, settings) as at:
        for undo in (at.shop.cancel, at.shop.reverse):
            for _ in range(2):
                with pytest.raises(ProviderUnavailable):
                    await undo(order_id, last_look=True)
        assert at.gate.calls == 0
        assert [await shop.state(order_id, kind) for kind in (AUTHORIZE, BOOK)] == ["unknown", "unknown"]
        assert [(await shop.entry(order_id, kind)).failures for kind in (CANCEL, VOID)] == [2, 2]

    assert (await shop.cancel(order_id)).outcome is ShipmentCancellation.DONE
    assert await shop.reverse(order_id) is Reversal.DONE
    assert (shop.parcels(order_id), shop.balance(order_id)) == (["cancelled"], (0, 0, 0))


async def test_a_refusal_is_an_answer(shop: Shop, settings: Settings) -> None:
    declined, order_id = await shop.placed(token="tok_declined"), await shop.placed()
    async with opened(shop, settings) as at:
        with pytest.raises(PaymentDeclined):
            await at.shop.authorize(declined, patience=patient_for(1))
        await at.shop.authorize(order_id)

    assert shop.ledger(order_id) == [("authorize", "succeeded")]


async def test_a_worker_is_wired_with_circuits_as_configured_and_says_when_they_open_and_close(
    shop: Shop, make_settings: MakeSettings, log_lines: LogLines
) -> None:
    async with gate_to(str(shop.sandbox.base_url)) as gate:
        provider = {"url": gate.url, "timeout": "PT5S", "name": "wired"}
        worker = {"circuit_failures": 2, "circuit_pause": "PT1H"}
        settings = make_settings(payments=provider, carriers={**provider, "url": "http://127.0.0.1:9"}, worker=worker)
        async with bootstrap.activities(settings, shop.warehouse.database) as wired:
            other, order_id = Shop(shop.warehouse, wired, shop.sandbox), await shop.placed()
            gate.is_shut = True
            for _ in range(4):
                with pytest.raises(ProviderUnavailable):
                    await other.authorize(order_id)
            assert gate.calls == 2
            assert circuits("wired") == {"payments": 1, "shipping": 0}
            gate.is_shut = False
            await other.authorize(order_id, patience=patient_for(1))
            assert circuits("wired") == {"payments": 0, "shipping": 0}

    said = [(line["event"], line["queue"], line["provider"]) for line in log_lines() if "circuit" in line["event"]]
    assert said == [(f"provider_circuit_{what}", "payments", "wired") for what in ("opened", "closed")]


def circuits(provider: str) -> dict[str, float | None]:
    """The metric, by queue."""
    name = "fulfillment_provider_circuit_open"
    return {
        queue: REGISTRY.get_sample_value(name, {"queue": queue, "provider": provider})
        for queue in ("payments", "shipping")
    }
