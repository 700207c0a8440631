"""
A parcel that is cancelled does not leave; one that may leave is never taken for cancelled.
"""

import asyncio

import pytest

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.providers import Told
from fulfillment.contracts.shipping import CancelledShipment, ShipmentBooked, ShipmentCancellation
from fulfillment.db.tables import shipments
from fulfillment.domain.errors import (
    CannotTell,
    CarrierRefused,
    CarrierUnavailable,
    OutcomeUnknown,
    ProviderUnavailable,
    UndoRefused,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from tests.activities.shop import Shop, patient_for

DONE, LOOK_AGAIN, TOO_LATE = ShipmentCancellation.DONE, ShipmentCancellation.LOOK_AGAIN, ShipmentCancellation.TOO_LATE
NOTHING = CancelledShipment(outcome=DONE)
BOOK, CANCEL = OperationKind.BOOK, OperationKind.CANCEL


async def test_a_booked_parcel_is_cancelled_once(shop: Shop) -> None:
    order_id = await shop.placed()
    booked = await shop.book(order_id)
    for _ in range(2):
        assert await shop.cancel(order_id) == CancelledShipment(outcome=DONE, parcel=booked)

    assert shop.parcels(order_id) == ["cancelled"]
    assert await shop.warehouse.count(shipments, order_id=order_id, status="cancelled") == 1
    assert (await shop.warehouse.events(order_id)).count("shipment_cancelled") == 1
    assert (await shop.state(order_id, BOOK), await shop.state(order_id, CANCEL)) == ("undone", "done")


async def test_attempts_that_run_side_by_side_cancel_once(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    await shop.begin_undo(order_id)
    cancelled = await asyncio.gather(*(shop.cancel(order_id) for _ in range(4)))

    assert {answer.outcome for answer in cancelled} == {DONE}
    assert (await shop.warehouse.events(order_id)).count("shipment_cancelled") == 1


async def test_what_was_never_booked_does_not_leave(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(lookup={"down": True}, cancel={"down": True})
    for _ in range(2):
        assert await shop.cancel(order_id) == NOTHING

    assert await shop.state(order_id, CANCEL) == "undone"


@pytest.mark.parametrize(
    ("postal_code", "error", "left"),
    [("TEST-DOWN", ProviderUnavailable, "undone"), ("TEST-REFUSED", CarrierRefused, "refused")],
)
async def test_what_was_certainly_not_booked_is_not_even_looked_up(
    postal_code: str, error: type[Exception], left: str, shop: Shop
) -> None:
    order_id = await shop.placed(postal_code=postal_code)
    for _ in range(2):
        with pytest.raises(error):
            await shop.book(order_id)
    shop.control(lookup={"down": True}, cancel={"down": True})

    assert await shop.cancel(order_id) == NOTHING
    assert await shop.state(order_id, BOOK) == left


async def test_a_parcel_nobody_told_us_of_is_found_and_cancelled(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-LOST-ANSWER")
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id)
    first, again = await shop.cancel(order_id), await shop.cancel(order_id)

    assert first == again
    assert (first.outcome, shop.parcels(order_id)) == (DONE, ["cancelled"])
    assert (await shop.warehouse.events(order_id))[-2:] == ["shipment_booked", "shipment_cancelled"]


async def test_a_parcel_nobody_told_us_of_that_has_left_is_told_with_its_name(shop: Shop) -> None:
    order_id = await shop.placed()
    number = shop.sandbox.booked("TEST-TOO-LATE", key=await shop.intend(order_id, BOOK), order_id=str(order_id))
    for _ in range(2):
        cancelled = await shop.cancel(order_id)
        assert (cancelled.outcome, cancelled.parcel and cancelled.parcel.tracking_number) == (TOO_LATE, number)

    assert await shop.warehouse.count(shipments, order_id=order_id, tracking_number=number) == 1


async def test_a_parcel_that_is_not_found_is_looked_for_again(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, BOOK)
    assert await shop.cancel(order_id) == CancelledShipment(outcome=LOOK_AGAIN)
    shop.sandbox.booked(key=key, order_id=str(order_id))

    assert (await shop.cancel(order_id, last_look=True)).outcome is DONE
    assert shop.parcels(order_id) == ["cancelled"]


async def test_a_parcel_that_is_not_found_on_the_second_look_was_never_booked(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.intend(order_id, BOOK)
    assert (await shop.cancel(order_id)).outcome is LOOK_AGAIN
    for _ in range(2):
        assert await shop.cancel(order_id, last_look=True) == NOTHING

    assert (await shop.state(order_id, BOOK), await shop.state(order_id, CANCEL)) == ("undone", "undone")


async def unknown_for_too_long(shop: Shop) -> tuple[OrderId, str]:
    """The parcel may have been booked, and the question about it names the booking."""
    order_id = await shop.placed()
    key = await shop.intend(order_id, BOOK)
    await shop.grow_old(order_id)
    for last_look in (False, True):
        with pytest.raises(CannotTell) as cannot_tell:
            await shop.cancel(order_id, last_look=last_look)
        assert cannot_tell.value.details == (key,)
    return order_id, key


async def test_a_booking_too_old_to_be_looked_up_is_cancelled_under_the_number_an_operator_finds(shop: Shop) -> None:
    order_id, key = await unknown_for_too_long(shop)
    number = shop.sandbox.booked(order_id=str(order_id))
    for _ in range(2):
        cancelled = await shop.cancel(order_id, told=Told(operation=key, reference=number))
        assert (cancelled.outcome, cancelled.parcel and cancelled.parcel.tracking_number) == (DONE, number)

    assert shop.parcels(order_id) == ["cancelled"]
    assert (await shop.state(order_id, BOOK), await shop.state(order_id, CANCEL)) == ("undone", "done")


async def test_a_booking_too_old_to_be_looked_up_never_was_if_an_operator_says_so(shop: Shop) -> None:
    order_id, key = await unknown_for_too_long(shop)
    shop.control(lookup={"down": True}, cancel={"down": True})
    for _ in range(2):
        assert await shop.cancel(order_id, told=Told(operation=key, happened=False)) == NOTHING

    assert (await shop.state(order_id, BOOK), await shop.state(order_id, CANCEL)) == ("undone", "undone")


async def test_a_parcel_nobody_knew_of_that_the_carrier_has_is_told_with_the_number_an_operator_finds(
    shop: Shop,
) -> None:
    order_id, _ = await unknown_for_too_long(shop)
    told = Told(operation=operation_key(order_id, CANCEL, 1), happened=False, reference="T-8")
    for _ in range(2):
        parcel = ShipmentBooked(carrier="sandbox", tracking_number="T-8")
        assert await shop.cancel(order_id, told=told) == CancelledShipment(outcome=TOO_LATE, parcel=parcel)

    assert await shop.warehouse.count(shipments, order_id=order_id, tracking_number="T-8") == 1
    assert (await shop.state(order_id, BOOK), await shop.state(order_id, CANCEL)) == ("done", "refused")


async def test_a_parcel_the_carrier_has_by_an_operators_word_is_not_asked_for_again(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-CANCEL-FAILS")
    booked = await shop.book(order_id)
    with pytest.raises(UndoRefused):
        await shop.cancel(order_id)
    shop.control(lookup={"down": True}, cancel={"down": True})
    told = Told(operation=operation_key(order_id, CANCEL, 1), happened=False)
    for _ in range(2):
        assert await shop.cancel(order_id, told=told) == CancelledShipment(outcome=TOO_LATE, parcel=booked)


async def test_a_parcel_a_carrier_never_heard_of_is_somebodys_affair(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    await shop.misspell(order_id, BOOK)
    for _ in range(2):
        with pytest.raises(UndoRefused):
            await shop.cancel(order_id)

    assert await shop.state(order_id, CANCEL) == "parked"


async def test_a_parcel_the_carrier_has_is_not_cancelled(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-TOO-LATE")
    booked = await shop.book(order_id)
    for _ in range(2):
        assert await shop.cancel(order_id) == CancelledShipment(outcome=TOO_LATE, parcel=booked)
    entry = await shop.entry(order_id, CANCEL)

    assert (entry.state, entry.refusal) == ("refused", "too_late")
    assert await shop.state(order_id, BOOK) == "done"
    assert "shipment_cancelled" not in await shop.warehouse.events(order_id)
    assert await shop.warehouse.count(shipments, order_id=order_id, status="booked") == 1


async def test_a_carrier_that_will_not_cancel_is_asked_again_when_an_operator_wants_it(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-CANCEL-FAILS")
    await shop.book(order_id)
    for attempts in (1, 2):
        with pytest.raises(UndoRefused):
            await shop.cancel(order_id)
        entry = await shop.entry(order_id, CANCEL)
        assert (entry.state, entry.attempts) == ("parked", attempts)

    assert shop.parcels(order_id) == ["booked"]
    assert "shipment_cancelled" not in await shop.warehouse.events(order_id)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("only_look_ups", [False, True])
async def test_a_cancellation_whose_answer_was_lost_is_found_out(only_look_ups: bool, old: bool, shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    shop.control(cancel={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await shop.cancel(order_id)
    assert await shop.state(order_id, CANCEL) == "unknown"
    shop.control()
    if only_look_ups:
        shop.nothing_but_look_ups()
    if old:
        await shop.grow_old(order_id)

    assert (await shop.cancel(order_id)).outcome is DONE


async def test_a_cancellation_that_never_arrived_is_made_however_old_it_is(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    await shop.begin_undo(order_id)
    await shop.intend(order_id, CANCEL)
    await shop.grow_old(order_id)

    assert (await shop.cancel(order_id)).outcome is DONE
    assert shop.parcels(order_id) == ["cancelled"]


async def test_patience_with_a_carrier_ends_and_an_operator_may_lengthen_it(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.book(order_id)
    shop.control(cancel={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.cancel(order_id, patience=patient_for(2))
    with pytest.raises(CarrierUnavailable):
        await shop.cancel(order_id, patience=patient_for(2))
    shop.control()

    assert (await shop.cancel(order_id, patience=patient_for(4))).outcome is DONE


async def test_the_second_parcel_of_an_order_is_cancelled_and_not_the_first(shop: Shop) -> None:
    order_id = await shop.placed()
    for n in (1, 2):
        await shop.book(order_id, n=n)

    assert (await shop.cancel(order_id, parcel=2)).outcome is DONE
    assert shop.parcels(order_id) == ["booked", "cancelled"]
    assert (await shop.state(order_id, BOOK, 1), await shop.state(order_id, BOOK, 2)) == ("done", "undone")
