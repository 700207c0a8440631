"""
Taking an order over: each step may run twice, and what providers know is found again.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.contracts.orders import Resume, StartOrder
from fulfillment.contracts.recovery import FindOperations, Numbered, Standing, TakeOver
from fulfillment.contracts.steps import Placement, PlacementOutcome, ResolveAttention
from fulfillment.db import left_orders
from fulfillment.db.tables import operations
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import ProviderUnavailable, UndoRefused
from fulfillment.domain.ids import TEST_SKU, OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason, OrderStatus
from tests.activities.shop import TOTAL, Shop
from tests.fakes.orders import a_line, an_order
from tests.fakes.warehouse import an_answer

AUTHORIZE, CAPTURE, BOOK = OperationKind.AUTHORIZE, OperationKind.CAPTURE, OperationKind.BOOK
RESUME = Resume(actor="operator", reason="it was shot")


async def take_over(shop: Shop, order: StartOrder, run_id: str = "run-2") -> Placement:
    request = TakeOver(order=replace(order, resume=RESUME), run_id=run_id)
    return await shop.activities.recovery.take_over(request)


async def look(shop: Shop, order_id: OrderId) -> None:
    """Both providers are asked, twice."""
    for _ in range(2):
        await shop.activities.recovery.find_payments(FindOperations(order_id=order_id))
        await shop.activities.recovery.find_shipments(FindOperations(order_id=order_id))


async def standing(shop: Shop, order_id: OrderId) -> Standing:
    return await shop.activities.recovery.read_standing(FindOperations(order_id=order_id))


async def ledger(shop: Shop, order_id: OrderId) -> dict[str, str]:
    """State by kind and number."""
    async with shop.warehouse.database.statement() as connection:
        rows = await connection.execute(operations.select().where(operations.c.order_id == order_id))
        return {f"{row.kind}:{row.n}": row.state for row in rows}


async def parked(shop: Shop, reason: AttentionReason, status: OrderStatus) -> StartOrder:
    order = an_order()
    await shop.warehouse.stocked_up("LAMP")
    await shop.warehouse.place(order)
    await shop.warehouse.become(order.order_id, status)
    await shop.warehouse.ask(order.order_id, reason, status)
    return order


async def test_a_question_is_closed_once_and_kept_for_whoever_asks_again(shop: Shop) -> None:
    order = await parked(shop, AttentionReason.LOST, OrderStatus.SHIPPED)

    first, second = [await take_over(shop, order) for _ in range(2)]
    third = await take_over(shop, order, "run-3")
    row = await shop.warehouse.order(order.order_id)

    assert first == second == third
    assert (row.run_id, row.status, row.attention_reason, row.attention_actions) == ("run-3", "shipped", None, None)
    assert (await shop.warehouse.events(order.order_id)).count("attention_resolved") == 1
    assert (await standing(shop, order.order_id)).question is AttentionReason.LOST


async def test_a_question_about_money_is_not_asked_by_the_journey(shop: Shop) -> None:
    order = await parked(shop, AttentionReason.CAPTURE_OVERDUE, OrderStatus.PROCESSING)

    await take_over(shop, order)

    assert (await standing(shop, order.order_id)).question is None


async def test_a_question_that_was_asked_again_and_answered_is_closed(shop: Shop) -> None:
    order = await parked(shop, AttentionReason.HAND_OVER_OVERDUE, OrderStatus.AWAITING_SHIPMENT)
    await take_over(shop, order)

    await shop.warehouse.ask(order.order_id, AttentionReason.HAND_OVER_OVERDUE, OrderStatus.AWAITING_SHIPMENT, n=9)

    assert (await standing(shop, order.order_id)).question is None


async def test_what_has_ended_stays_as_it_is(shop: Shop) -> None:
    order = an_order(a_line("GHOST"))
    await shop.warehouse.place(order)
    before = await shop.warehouse.order(order.order_id)

    placement = await take_over(shop, order)

    assert (placement.outcome, placement.status) == (PlacementOutcome.REJECTED, OrderStatus.REJECTED)
    assert await shop.warehouse.order(order.order_id) == before


async def test_a_missing_row_is_written_once_however_many_write_it(shop: Shop) -> None:
    order = an_order()
    await shop.warehouse.stocked_up("LAMP")

    placements = await asyncio.gather(*(take_over(shop, order) for _ in range(4)))

    assert {placement.outcome for placement in placements} == {PlacementOutcome.PLACED}
    assert await shop.warehouse.events(order.order_id) == ["order_received", "stock_held"]
    assert await shop.warehouse.figures("LAMP") == (1000, 2)


async def test_a_missing_row_without_stock_is_to_be_undone(shop: Shop) -> None:
    order = an_order(a_line("GHOST"))

    first, second = [await take_over(shop, order) for _ in range(2)]
    row = await shop.warehouse.order(order.order_id)

    assert first == second
    assert (first.outcome, first.status) == (PlacementOutcome.PLACED, OrderStatus.CANCELLING)
    assert (row.failure_code, row.payment_token) == ("unknown_sku", None)
    assert await shop.warehouse.events(order.order_id) == ["order_received", "cancellation_requested"]


async def test_what_providers_did_is_entered_once_and_what_is_known_stays(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.book(order_id)
    await shop.capture(order_id)
    known = await ledger(shop, order_id)
    await look(shop, order_id)
    assert await ledger(shop, order_id) == known

    await shop.forget_ledger(order_id)
    await look(shop, order_id)

    assert await ledger(shop, order_id) == dict.fromkeys(known, "unknown")
    authorization, booking = await shop.entry(order_id, AUTHORIZE), await shop.entry(order_id, BOOK)
    assert (authorization.amount, authorization.currency, authorization.attempts) == (TOTAL.amount, "EUR", 1)
    assert booking.amount is None


async def test_an_undo_at_the_providers_is_seen(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.book(order_id)
    await shop.cancel(order_id)
    await shop.reverse(order_id)
    await shop.forget_ledger(order_id)
    await shop.warehouse.become(order_id, OrderStatus.PROCESSING)

    await look(shop, order_id)

    assert set(await ledger(shop, order_id)) == {"authorize:1", "book:1", "cancel:1", "void:1"}
    assert (await standing(shop, order_id)).is_being_undone


async def test_a_card_that_was_declined_is_refused_in_the_ledger(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    with pytest.raises(Exception, match="declined"):
        await shop.authorize(order_id)
    await shop.forget_ledger(order_id)

    await look(shop, order_id)

    assert (await shop.entry(order_id, AUTHORIZE)).refusal == "payment_declined"
    assert (await standing(shop, order_id)).authorization == Numbered(last=1, is_refused=True)


async def test_one_number_nobody_knows_is_no_reason_to_stop_looking(shop: Shop) -> None:
    order_id = await shop.placed()
    for n in (2, 5):
        body = {"order_id": str(order_id), "token": "tok_visa", "amount": TOTAL.amount, "currency": "EUR"}
        shop.sandbox.keyed("/payments/authorizations", body, f"{order_id}:authorize:{n}")

    await look(shop, order_id)

    assert await ledger(shop, order_id) == {"authorize:2": "unknown"}


async def test_while_a_provider_is_away_nothing_is_entered(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.forget_ledger(order_id)
    shop.control(lookup={"down": True})

    with pytest.raises(ProviderUnavailable):
        await look(shop, order_id)

    assert await ledger(shop, order_id) == {}


async def test_nobody_is_asked_about_a_test_order(shop: Shop) -> None:
    order = an_order(a_line(TEST_SKU), token=None, test=True)
    await shop.warehouse.place(order)
    shop.control(lookup={"down": True})

    await look(shop, order.order_id)


async def test_an_order_that_waits_for_a_payment_it_has_goes_on(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.forget_ledger(order_id)
    await shop.warehouse.become(order_id, OrderStatus.AWAITING_PAYMENT)

    await look(shop, order_id)

    assert (await standing(shop, order_id)).status is OrderStatus.PROCESSING


async def test_the_standing_of_a_paid_order(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    parcel = await shop.book(order_id)
    await shop.capture(order_id)

    left = await standing(shop, order_id)

    assert left == Standing(
        status=OrderStatus.AWAITING_SHIPMENT,
        failure=None,
        last_event=5,
        authorization=Numbered(last=1),
        capture=Numbered(last=1),
        reversal=Numbered(),
        booking=Numbered(last=1),
        cancellation=Numbered(),
        is_captured=True,
        picked_up=False,
        parcel=parcel,
    )


async def test_a_second_parcel_replaces_the_first_as_soon_as_it_is_asked_for(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    first = await shop.book(order_id)
    await shop.capture(order_id)
    await shop.warehouse.hear(order_id, "lost", OrderStatus.AWAITING_SHIPMENT)
    lost = await standing(shop, order_id)
    await shop.warehouse.reship(order_id)
    held = await standing(shop, order_id)
    second = await shop.book(order_id, n=2, completes=True)
    booked = await standing(shop, order_id)

    assert (lost.parcel, lost.picked_up) == (first, True)
    assert (held.picked_up, held.booking, held.parcel) == (False, Numbered(last=1, is_refused=True), None)
    assert (booked.parcel, booked.picked_up, booked.booking.last) == (second, False, 2)


async def test_a_second_parcel_of_a_free_order_is_not_the_first(shop: Shop) -> None:
    order_id = await shop.placed(a_line(price=0), token=None)
    await shop.book(order_id, completes=True)
    await shop.warehouse.hear(order_id, "lost", OrderStatus.AWAITING_SHIPMENT)
    await shop.warehouse.reship(order_id)

    assert (await standing(shop, order_id)).booking == Numbered(last=1, is_refused=True)


async def test_a_parcel_that_is_booked_but_not_paid_is_not_booked_again(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    parcel = await shop.book(order_id)

    left = await standing(shop, order_id)

    assert (left.booking, left.parcel) == (Numbered(last=1), parcel)


async def test_a_cancellation_that_failed_before_the_first_parcel_left_does_not_undo_the_second(shop: Shop) -> None:
    order_id = await shop.placed(postal_code="TEST-CANCEL-FAILS")
    await shop.authorize(order_id)
    await shop.book(order_id)
    await shop.capture(order_id)
    with pytest.raises(UndoRefused):
        await shop.cancel(order_id)
    await shop.warehouse.depart(order_id, OrderStatus.CANCELLING)
    await shop.warehouse.hear(order_id, "lost", OrderStatus.SHIPPED, picked_up=True)
    await shop.warehouse.reship(order_id)

    assert not (await standing(shop, order_id)).is_being_undone


async def test_numbers_that_were_used_up_are_not_used_again(shop: Shop) -> None:
    order = an_order(token=None)
    await shop.warehouse.stocked_up("LAMP")
    await shop.warehouse.place(order)
    await shop.warehouse.amend(order.order_id, a_line(quantity=3), n=40)

    left = await standing(shop, order.order_id)

    assert left.last_event == 40
    assert timedelta(days=6) < (left.payment_due_in or timedelta(0)) <= timedelta(days=7)


async def test_money_that_was_settled_by_hand_is_not_taken(shop: Shop) -> None:
    order = await parked(shop, AttentionReason.SHIPPED_UNPAID, OrderStatus.SHIPPED)
    answer = an_answer(Action.RESOLVED_BY_HAND)
    request = ResolveAttention(order_id=order.order_id, n=1, answer=answer, status=OrderStatus.SHIPPED)
    await shop.warehouse.steps.resolve_attention(request)

    assert (await standing(shop, order.order_id)).is_captured


async def test_the_row_knows_what_the_order_was_started_with(shop: Shop) -> None:
    order = an_order(a_line(), a_line("TABLE", 1), reference="R-1", email="ada@example.com", metadata={"a": "b"})
    await shop.warehouse.stocked_up("LAMP")
    await shop.warehouse.stocked_up("TABLE")
    await shop.warehouse.place(order)

    async with shop.warehouse.database.statement() as connection:
        found: Any = await left_orders.start_of(connection, order.order_id)

    assert found == replace(order, payment=None)
