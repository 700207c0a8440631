"""
A parcel is booked once, however often the step runs and wherever it dies.
"""

import asyncio
from datetime import UTC, datetime

import pytest

from fulfillment.contracts.providers import Told
from fulfillment.contracts.shipping import ShipmentBooked, ShipmentCancellation
from fulfillment.db import inbox
from fulfillment.db.changes import OutOfStep
from fulfillment.db.tables import inbox as inbox_table
from fulfillment.db.tables import shipments
from fulfillment.domain.errors import CannotTell, CarrierRefused, OutcomeUnknown, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.shipping import ParcelEvent
from tests.activities.shop import Shop
from tests.fixtures.waiting import until


def parcels(shop: Shop, order_id: OrderId) -> list[str]:
    return [parcel["tracking_number"] for parcel in shop.sandbox.parcels(str(order_id))]


async def test_a_step_that_runs_twice_books_one_parcel(shop: Shop) -> None:
    order_id = await shop.placed()
    first, again = await shop.book(order_id), await shop.book(order_id)

    assert first == again
    assert (first.carrier, [first.tracking_number]) == ("sandbox", parcels(shop, order_id))
    assert await shop.warehouse.count(shipments, order_id=order_id, status="booked") == 1
    assert (await shop.warehouse.order(order_id)).status == "processing"


async def test_the_parcel_holds_what_was_ordered_and_names_the_order(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    (parcel,) = shop.sandbox.parcels(str(order_id))

    assert parcel["items"] == [{"sku": "LAMP", "quantity": 2}]
    assert parcel["key"] == f"{order_id}:book:1"


async def test_an_attempt_that_still_runs_when_the_next_begins_books_one_parcel(shop: Shop) -> None:
    order_id = await shop.placed()
    booked = await asyncio.gather(*(shop.book(order_id) for _ in range(4)))

    assert [booked[0].tracking_number] == parcels(shop, order_id)
    assert len({parcel.tracking_number for parcel in booked}) == 1
    assert (await shop.warehouse.events(order_id)).count("shipment_booked") == 1


async def test_a_worker_that_died_after_the_call_finds_its_parcel(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.BOOK)
    tracking_number = shop.sandbox.booked(key=key, order_id=str(order_id))
    shop.nothing_but_look_ups()
    booked = await shop.book(order_id)

    assert booked.tracking_number == tracking_number
    assert parcels(shop, order_id) == [tracking_number]


async def test_an_answer_that_was_lost_is_looked_up(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-LOST-ANSWER")
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id)
    assert await shop.state(order_id, OperationKind.BOOK) == "unknown"
    shop.nothing_but_look_ups()
    booked = await shop.book(order_id)

    assert parcels(shop, order_id) == [booked.tracking_number]
    assert await shop.state(order_id, OperationKind.BOOK) == "done"


async def test_a_carrier_that_fails_twice_is_asked_a_third_time(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-FLAKY")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await shop.book(order_id)
    await shop.book(order_id)

    assert len(parcels(shop, order_id)) == 1


async def test_a_carrier_that_is_down_has_booked_nothing(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-DOWN")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await shop.book(order_id)

    assert parcels(shop, order_id) == []


async def test_an_address_the_carrier_refuses_is_asked_for_once(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-REFUSED")
    with pytest.raises(CarrierRefused):
        await shop.book(order_id)
    shop.nothing_but_look_ups()
    with pytest.raises(CarrierRefused):
        await shop.book(order_id)

    assert await shop.state(order_id, OperationKind.BOOK) == "refused"
    assert parcels(shop, order_id) == []


async def test_a_free_order_is_ready_with_its_booking(shop: Shop) -> None:
    order_id = await shop.placed()
    for _ in range(2):
        await shop.book(order_id, completes=True)

    assert (await shop.warehouse.order(order_id)).status == "awaiting_shipment"


async def test_another_parcel_of_an_order_is_booked_under_its_own_number(shop: Shop) -> None:
    order_id = await shop.placed()
    first = await shop.book(order_id)
    second, again = [await shop.book(order_id, n=2, completes=True) for _ in range(2)]

    assert second == again != first
    assert parcels(shop, order_id) == [first.tracking_number, second.tracking_number]
    assert (await shop.warehouse.order(order_id)).status == "awaiting_shipment"


async def test_a_booking_too_old_to_be_looked_up_is_not_made_again(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.BOOK)
    await shop.grow_old(order_id)
    for _ in range(2):
        with pytest.raises(CannotTell):
            await shop.book(order_id)
    assert parcels(shop, order_id) == []

    booked = await shop.book(order_id, told=Told(operation=key, reference="T-1"))
    assert booked == ShipmentBooked(carrier="sandbox", tracking_number="T-1")
    assert await shop.warehouse.count(shipments, order_id=order_id, tracking_number="T-1") == 1


async def test_a_parcel_of_another_order_is_no_answer_to_what_became_of_a_booking(shop: Shop) -> None:
    other, order_id = await shop.placed(), await shop.placed()
    taken = (await shop.book(other)).tracking_number
    key = await shop.intend(order_id, OperationKind.BOOK)
    await shop.grow_old(order_id)
    for _ in range(2):
        with pytest.raises(CannotTell):
            await shop.book(order_id, told=Told(operation=key, reference=taken))

    assert await shop.state(order_id, OperationKind.BOOK) == "intended"
    assert "shipment_booked" not in await shop.warehouse.events(order_id)
    assert (await shop.book(order_id, told=Told(operation=key, reference="T-2"))).tracking_number == "T-2"


async def test_a_booking_that_is_overtaken_by_its_cancellation_changes_nothing_of_it(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(book={"latency_ms": [600, 600]})
    late = asyncio.create_task(shop.book(order_id))

    async def it_is_intended() -> bool:
        return await shop.state(order_id, OperationKind.BOOK) == "intended"

    await until(it_is_intended)
    assert (await shop.cancel(order_id)).outcome is ShipmentCancellation.LOOK_AGAIN
    with pytest.raises(OutOfStep):
        await late
    assert (await shop.cancel(order_id, last_look=True)).outcome is ShipmentCancellation.DONE

    assert shop.parcels(order_id) == ["cancelled"]
    assert await shop.state(order_id, OperationKind.BOOK) == "undone"


async def test_events_that_came_before_we_knew_the_parcel_are_claimed_with_it(shop: Shop) -> None:
    order_id = await shop.placed()
    tracking_number = shop.sandbox.booked(key=await shop.intend(order_id, OperationKind.BOOK), order_id=str(order_id))
    event = inbox.InboxEvent(
        source="sandbox",
        event_id="e1",
        type=ParcelEvent.PICKED_UP,
        order_id=None,
        subject=tracking_number,
        occurred_at=datetime.now(UTC),
    )
    async with shop.warehouse.database.statement() as connection:
        await inbox.store(connection, event)
    await shop.book(order_id)

    assert await shop.warehouse.count(inbox_table, event_id="e1", order_id=order_id) == 1
