"""
A second carrier takes over what the first one certainly has not booked, and nothing else.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from fulfillment import bootstrap
from fulfillment.activities.carriers import UnknownCarrier
from fulfillment.contracts.shipping import CancelledShipment, ShipmentBooked, ShipmentCancellation
from fulfillment.db.operations import hand_on
from fulfillment.db.outcomes import failed
from fulfillment.db.tables import shipments
from fulfillment.domain.errors import CarrierRefused, CarrierUnavailable, OutcomeUnknown, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.settings import Settings
from tests.activities.shop import Shop, patient_for
from tests.activities.two_carriers import ALL_DOWN, DOWN, FAILURES, at, control, data_of, fail, handed_on
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient

BOOK, CANCEL = OperationKind.BOOK, OperationKind.CANCEL
DONE = ShipmentCancellation.DONE


@pytest.fixture
def settings(make_settings: MakeSettings, two_carriers: dict[str, Any]) -> Settings:
    return make_settings(**two_carriers)


async def test_what_the_first_has_certainly_not_booked_the_second_books_once(shop: Shop, second: SandboxClient) -> None:
    order_id, booked = await handed_on(shop)
    again = await shop.book(order_id)
    shop.control()
    entry = await shop.entry(order_id, BOOK)

    assert (booked, booked.carrier) == (again, "second")
    assert (shop.parcels(order_id), at(second, order_id)) == ([], ["booked"])
    assert (entry.provider, entry.state, entry.failures) == ("second", "done", FAILURES)
    assert await shop.warehouse.count(shipments, order_id=order_id, carrier="second") == 1
    assert await data_of(shop, order_id, "shipment_booked") == {
        "carrier": "second",
        "tracking_number": booked.tracking_number,
        "degraded": True,
    }


async def test_before_that_and_while_it_answers_the_first_is_asked(shop: Shop, second: SandboxClient) -> None:
    order_id = await shop.placed()
    shop.control(book=DOWN)
    await fail(shop, order_id)
    shop.control()
    other = await shop.placed(postal_code="TEST-FLAKY")
    await fail(shop, other, FAILURES - 1)
    assert at(second, order_id) == at(second, other) == []

    plain = await shop.placed()
    booked = await shop.book(plain)
    assert (booked.carrier, at(second, plain)) == ("sandbox", [])
    assert "degraded" not in await data_of(shop, plain, "shipment_booked")


async def test_what_was_handed_on_does_not_go_back(shop: Shop, second: SandboxClient) -> None:
    order_id = await shop.placed()
    shop.control(book=DOWN)
    await fail(shop, order_id)
    control(second, book=DOWN)
    await fail(shop, order_id, 3)
    shop.control()
    await fail(shop, order_id, 3)
    control(second)

    assert (await shop.book(order_id)).carrier == "second"
    assert (shop.parcels(order_id), at(second, order_id)) == ([], ["booked"])


async def test_a_refusal_of_the_first_is_a_refusal(shop: Shop, second: SandboxClient) -> None:
    order_id = await shop.placed(postal_code="TEST-REFUSED")
    shop.control(book=DOWN)
    await fail(shop, order_id, FAILURES - 1)
    shop.control()
    for _ in range(2):
        with pytest.raises(CarrierRefused):
            await shop.book(order_id)

    assert (await shop.state(order_id, BOOK), at(second, order_id)) == ("refused", [])


@pytest.mark.parametrize("lost", ["answer", "worker"])
async def test_what_the_first_may_have_booked_stays_with_it_even_if_a_look_up_finds_nothing(
    shop: Shop, second: SandboxClient, lost: str
) -> None:
    order_id = await shop.placed()
    if lost == "worker":
        await shop.intend(order_id, BOOK)
    else:
        await fail_with_a_lost_answer(shop, order_id)
    shop.control(book=DOWN)
    await fail(shop, order_id, FAILURES + 3)
    with pytest.raises(CarrierUnavailable):
        await shop.book(order_id, patience=patient_for(FAILURES + 4))

    entry = await shop.entry(order_id, BOOK)
    assert (entry.provider, at(second, order_id)) == ("sandbox", [])
    shop.control()
    assert (await shop.book(order_id)).carrier == "sandbox"


async def fail_with_a_lost_answer(shop: Shop, order_id: OrderId) -> None:
    """Nobody knows what became of it; the carrier says that nothing did, for now."""
    shop.control(book={"latency_ms": [2500, 2500], "down": True})
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id)


async def test_with_both_away_an_order_is_given_up_at_its_bound_and_nothing_is_booked(
    shop: Shop, second: SandboxClient
) -> None:
    order_id = await shop.placed()
    shop.control(book=DOWN)
    control(second, book=DOWN)
    await fail(shop, order_id, 6, patience=patient_for(7))
    for _ in range(2):
        with pytest.raises(CarrierUnavailable):
            await shop.book(order_id, patience=patient_for(7))
    entry = await shop.entry(order_id, BOOK)

    assert (entry.provider, entry.state, entry.attempts - entry.not_done) == ("second", "intended", 0)
    shop.control(**ALL_DOWN)
    control(second, **ALL_DOWN)
    for _ in range(2):
        assert await shop.cancel(order_id) == CancelledShipment(outcome=DONE)
    assert at(shop.sandbox, order_id) == at(second, order_id) == []


async def test_a_parcel_of_the_second_is_cancelled_there(shop: Shop, second: SandboxClient) -> None:
    order_id, booked = await handed_on(shop)
    for _ in range(2):
        assert await shop.cancel(order_id) == CancelledShipment(outcome=DONE, parcel=booked)

    assert at(second, order_id) == ["cancelled"]
    assert (await shop.entry(order_id, CANCEL)).provider == "second"
    assert (await data_of(shop, order_id, "shipment_cancelled"))["carrier"] == "second"


async def test_a_booking_nobody_heard_of_is_looked_up_and_cancelled_at_the_second(
    shop: Shop, second: SandboxClient
) -> None:
    order_id = await shop.placed(postal_code="TEST-LOST-ANSWER")
    shop.control(**ALL_DOWN)
    await fail(shop, order_id)
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id)
    cancelled = [await shop.cancel(order_id) for _ in range(2)]

    assert cancelled[0].parcel is not None
    assert (cancelled[0], cancelled[0].parcel.carrier) == (cancelled[1], "second")
    assert at(second, order_id) == ["cancelled"]
    assert (await data_of(shop, order_id, "shipment_booked"))["degraded"] is True


async def test_attempts_side_by_side_never_book_at_both(shop: Shop, second: SandboxClient) -> None:
    chance = random.Random(5)  # noqa: S311 - when attempts begin
    shop.control(book={"fail_rate": 0.8, "latency_ms": [0, 120]})
    control(second, book={"fail_rate": 0.2, "latency_ms": [0, 120]})
    orders = [await shop.placed() for _ in range(40)]

    async def attempts(order_id: OrderId) -> ShipmentBooked:
        while True:
            await asyncio.sleep(chance.random() / 8)
            try:
                return await shop.book(order_id)
            except (ProviderUnavailable, OutcomeUnknown):
                continue

    booked = await asyncio.gather(*(attempts(order_id) for order_id in orders for _ in range(2)))

    for n, order_id in enumerate(orders):
        assert booked[2 * n] == booked[2 * n + 1]
        assert sorted(at(shop.sandbox, order_id) + at(second, order_id)) == ["booked"]
        here = second if booked[2 * n].carrier == "second" else shop.sandbox
        assert at(here, order_id) == ["booked"]
    assert {parcel.carrier for parcel in booked} == {"sandbox", "second"}


async def test_an_attempt_in_flight_keeps_the_booking_with_the_first(shop: Shop, second: SandboxClient) -> None:
    order_id = await shop.placed()
    # Two attempts have begun, and each is about to ask.
    key, _ = [await shop.intend(order_id, BOOK) for _ in range(2)]

    async with shop.warehouse.database.statement() as connection:
        assert await hand_on(connection, key, "sandbox", "second") == "sandbox"
        await failed(connection, key, failures=1, not_done=True)
        assert await hand_on(connection, key, "sandbox", "second") == "second"
        assert await hand_on(connection, key, "sandbox", "second") == "second"


@asynccontextmanager
async def rewired(shop: Shop, settings: Settings) -> AsyncIterator[Shop]:
    """The same shop with workers of other settings."""
    async with bootstrap.activities(settings, shop.warehouse.database) as wired:
        yield replace(shop, activities=wired)


async def test_while_the_first_keeps_failing_new_parcels_go_to_the_second_at_once(
    shop: Shop, second: SandboxClient, make_settings: MakeSettings, two_carriers: dict[str, Any]
) -> None:
    worker = {"circuit_failures": 1, "circuit_pause": "PT1H"}
    shop.control(book=DOWN)
    async with rewired(shop, make_settings(**{**two_carriers, "worker": worker})) as other:
        orders = [await shop.placed() for _ in range(4)]
        await fail(other, orders[0], 1)
        assert (await other.book(orders[1])).carrier == "second"
        # One that keeps failing itself is handed nothing.
        control(second, book=DOWN)
        await fail(other, orders[2], 1)
        await fail(other, orders[3], 3)
        assert [(await shop.entry(order_id, BOOK)).provider for order_id in orders[2:]] == ["second", "sandbox"]


async def test_a_carrier_that_is_not_configured_any_more_is_not_confused_with_the_first(
    shop: Shop, second: SandboxClient, make_settings: MakeSettings, two_carriers: dict[str, Any]
) -> None:
    order_id, _ = await handed_on(shop)
    shop.control()
    alone = {**two_carriers, "carriers": {"url": two_carriers["carriers"]["url"]}}
    async with rewired(shop, make_settings(**alone)) as other:
        for _ in range(2):
            with pytest.raises(UnknownCarrier, match="second"):
                await other.cancel(order_id)

    assert at(second, order_id) == ["booked"]
    assert (await shop.cancel(order_id)).outcome is DONE


def test_carriers_have_names_of_their_own(make_settings: MakeSettings, two_carriers: dict[str, Any]) -> None:
    fallback = {**two_carriers["carriers"]["fallback"], "name": "sandbox"}
    with pytest.raises(ValidationError, match="FULFILLMENT_CARRIERS__FALLBACK__NAME must differ"):
        make_settings(**{**two_carriers, "carriers": {**two_carriers["carriers"], "fallback": fallback}})
