"""
Questions to operators are asked, answered and written down; goods leave once per parcel.
"""

from typing import Any

import pytest
from sqlalchemy import select

from fulfillment.contracts.steps import BeginUndo, Changed, CloseOrder, ContinueAsShipped, ResolveAttention
from fulfillment.db.changes import OutOfStep
from fulfillment.db.tables import order_events, shipments
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.domain.shipping import ShipmentStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse, an_answer

S = OrderStatus


@pytest.fixture
async def placed(warehouse: Warehouse) -> OrderId:
    """An order with a parcel; it holds 2 of 5 lamps."""
    await warehouse.stocked(LAMP=5)
    order = an_order()
    await warehouse.place(order)
    await warehouse.booked(order.order_id)
    return order.order_id


@pytest.fixture
async def lost(warehouse: Warehouse, placed: OrderId) -> OrderId:
    """An order whose parcel was picked up and lost."""
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    await warehouse.hear(placed, "lost", S.AWAITING_SHIPMENT)
    return placed


async def facts(warehouse: Warehouse, order_id: OrderId) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, actor and data."""
    rows = select(order_events).where(order_events.c.order_id == order_id).order_by(order_events.c.sequence)
    async with warehouse.database.statement() as connection:
        return [(row.kind, row.actor, row.data) for row in await connection.execute(rows)]


def resolution(order_id: OrderId, action: Action, status: OrderStatus, **more: Any) -> ResolveAttention:
    return ResolveAttention(order_id=order_id, n=1, answer=an_answer(action), status=status, **more)


async def test_the_timeline_tells_what_was_asked_and_what_could_be_answered(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.ask(placed, AttentionReason.CAPTURE_OVERDUE, S.PROCESSING)

    assert (await facts(warehouse, placed))[-1] == (
        "attention_needed",
        "system",
        {"reason": "capture_overdue", "operation": f"{placed}:capture:1", "actions": ["retry", "cancel"]},
    )


async def test_a_lost_parcel_asks_with_its_buttons(warehouse: Warehouse, lost: OrderId) -> None:
    row = await warehouse.order(lost)
    kind, actor, data = (await facts(warehouse, lost))[-1]

    assert (row.status, row.attention_reason, row.resume_status) == ("needs_attention", "lost", "shipped")
    assert row.attention_actions == ["found", "refund", "reship"]
    assert (kind, actor) == ("attention_needed", "carrier:sandbox")
    assert (data["reason"], data["actions"]) == ("lost", ["found", "refund", "reship"])


async def test_an_answer_is_written_down_with_who_gave_it_and_the_question_is_gone(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.ask(placed, AttentionReason.HAND_OVER_OVERDUE, S.PROCESSING)
    await warehouse.steps.resolve_attention(resolution(placed, Action.KEEP_WAITING, S.AWAITING_SHIPMENT))
    row = await warehouse.order(placed)

    assert row.status == "awaiting_shipment"
    asked = ("attention_reason", "attention_since", "attention_due_at", "attention_actions", "attention_operation")
    assert [row._mapping[name] for name in (*asked, "resume_status", "failure_code")] == [None] * 7
    closed = {"question": "hand_over_overdue", "operation": f"{placed}:capture:1"}
    answer = {"action": "keep_waiting", "reason": "seen in the yard", **closed}
    assert (await facts(warehouse, placed))[-1] == ("attention_resolved", "operator", answer)


async def test_an_answer_that_begins_an_undo_says_how_it_is_to_end(warehouse: Warehouse, lost: OrderId) -> None:
    refund = resolution(lost, Action.REFUND, S.CANCELLING, failure=FailureCode.PARCEL_LOST)
    await warehouse.steps.resolve_attention(refund)
    row = await warehouse.order(lost)

    assert (row.status, row.failure_code, row.attention_reason) == ("cancelling", "parcel_lost", None)
    assert (await facts(warehouse, lost))[-1] == ("cancellation_requested", "operator", {"code": "parcel_lost"})


async def test_a_parcel_that_was_found_is_under_way_again(warehouse: Warehouse, lost: OrderId) -> None:
    assert await warehouse.count(shipments, order_id=lost, status="lost") == 1
    await warehouse.steps.resolve_attention(resolution(lost, Action.FOUND, S.SHIPPED))

    assert await warehouse.count(shipments, order_id=lost, status="in_transit") == 1
    assert (await warehouse.order(lost)).status == "shipped"


async def test_another_parcel_holds_its_goods_once_more(warehouse: Warehouse, lost: OrderId) -> None:
    assert await warehouse.figures("LAMP") == (3, 0)
    first = await warehouse.reship(lost)
    again = await warehouse.reship(lost)
    row = await warehouse.order(lost)

    assert first == again == Changed(status=S.PROCESSING, total=Money(3000, "EUR"), version=row.version)
    assert (row.status, row.stock, row.attention_reason) == ("processing", "held", None)
    assert await warehouse.figures("LAMP") == (3, 2)
    assert (await warehouse.events(lost))[-2:] == ["attention_resolved", "stock_held"]


async def test_goods_of_another_parcel_leave_a_second_time(warehouse: Warehouse, lost: OrderId) -> None:
    await warehouse.reship(lost)
    await warehouse.booked(lost, n=2)
    await warehouse.become(lost, S.AWAITING_SHIPMENT)
    await warehouse.hear(lost, "picked_up", S.AWAITING_SHIPMENT, n=2)

    assert await warehouse.figures("LAMP") == (1, 0)
    assert (await warehouse.order(lost)).stock == "left"


async def test_another_parcel_that_is_undone_gives_its_goods_back(warehouse: Warehouse, lost: OrderId) -> None:
    await warehouse.reship(lost)
    await warehouse.begin_rejection(lost)
    await warehouse.release(lost)

    assert await warehouse.figures("LAMP") == (3, 0)


async def test_without_goods_for_another_parcel_the_question_stays(warehouse: Warehouse, lost: OrderId) -> None:
    other = an_order()
    await warehouse.place(other)
    before = await warehouse.order(lost)
    changed = await warehouse.reship(lost)

    assert (changed.refusal, changed.status, changed.version) == ("stock_short", S.NEEDS_ATTENTION, before.version)
    assert await warehouse.order(lost) == before
    assert await warehouse.figures("LAMP") == (3, 2)


async def test_nothing_is_held_twice_for_goods_that_have_not_left(warehouse: Warehouse, placed: OrderId) -> None:
    await warehouse.become(placed, S.NEEDS_ATTENTION)
    with pytest.raises(OutOfStep):
        await warehouse.reship(placed)

    assert await warehouse.figures("LAMP") == (5, 2)


async def test_an_undo_says_who_wanted_it_and_why_and_a_parcel_that_left_ends_it(
    warehouse: Warehouse, placed: OrderId
) -> None:
    undo = BeginUndo(order_id=placed, n=1, failure=FailureCode.CANCELLED, actor="shop", reason="too dear")
    await warehouse.steps.begin_undo(undo)
    begun = await warehouse.order(placed)
    await warehouse.depart(placed, S.CANCELLING)
    row = await warehouse.order(placed)

    assert (begun.status, begun.failure_code) == ("cancelling", "cancelled")
    assert (row.status, row.failure_code, row.stock) == ("shipped", None, "left")
    assert await warehouse.figures("LAMP") == (3, 0)
    assert await warehouse.count(shipments, order_id=placed, status="in_transit") == 1
    assert (await facts(warehouse, placed))[-3:] == [
        ("cancellation_requested", "shop", {"code": "cancelled", "reason": "too dear"}),
        ("cancellation_refused", "carrier:sandbox", {}),
        ("order_shipped", "carrier:sandbox", {}),
    ]


async def test_a_carrier_that_has_the_parcel_resolves_the_question(warehouse: Warehouse, placed: OrderId) -> None:
    await warehouse.ask(placed, AttentionReason.UNDO_FAILED, S.PROCESSING)
    moment = ContinueAsShipped(order_id=placed, n=1, parcel=1, status=S.NEEDS_ATTENTION)
    for _ in range(2):
        await warehouse.steps.continue_as_shipped(moment)
    row = await warehouse.order(placed)

    assert (row.status, row.attention_reason, row.attention_actions) == ("shipped", None, None)
    assert [(kind, actor) for kind, actor, _ in await facts(warehouse, placed)][-2:] == [
        ("attention_resolved", "carrier:sandbox"),
        ("order_shipped", "carrier:sandbox"),
    ]


async def test_a_question_about_money_that_was_taken_meanwhile_is_not_asked(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    before = await warehouse.order(placed)
    for _ in range(2):
        assert not await warehouse.ask(placed, AttentionReason.CAPTURE_OVERDUE, S.PROCESSING)

    assert await warehouse.order(placed) == before
    assert "attention_needed" not in await warehouse.events(placed)


async def test_a_question_is_asked_once_and_never_of_an_order_that_went_another_way(
    warehouse: Warehouse, placed: OrderId
) -> None:
    for _ in range(2):
        assert await warehouse.ask(placed, AttentionReason.CAPTURE_OVERDUE, S.PROCESSING)
    with pytest.raises(OutOfStep):
        await warehouse.ask(placed, AttentionReason.CAPTURE_OVERDUE, S.PROCESSING, n=2)

    assert (await warehouse.events(placed)).count("attention_needed") == 1


async def test_goods_that_have_left_do_not_leave_again(warehouse: Warehouse, placed: OrderId) -> None:
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    await warehouse.hear(placed, "picked_up", S.AWAITING_SHIPMENT)
    await warehouse.become(placed, S.CANCELLING)
    await warehouse.depart(placed, S.CANCELLING)

    assert await warehouse.figures("LAMP") == (3, 0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("rejected", "order_rejected"), ("cancelled", "order_cancelled"), ("returned", "order_returned")],
)
async def test_each_end_has_its_name_and_forgets_the_card(
    status: str, kind: str, warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.become(placed, S.CANCELLING)
    failure = None if status == "returned" else FailureCode.CANCELLED
    await warehouse.steps.close_order(CloseOrder(order_id=placed, status=S(status), failure=failure))
    row = await warehouse.order(placed)

    assert (row.status, row.failure_code, row.payment_token, row.payment_token_key) == (status, failure, None, None)
    assert (await facts(warehouse, placed))[-1] == (kind, "system", {"code": failure} if failure else {})


async def test_a_parcel_that_was_cancelled_at_the_carrier_keeps_its_status(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.booked(placed, ShipmentStatus.CANCELLED, n=2)
    await warehouse.become(placed, S.CANCELLING)
    await warehouse.depart(placed, S.CANCELLING, parcel=1)

    assert await warehouse.count(shipments, order_id=placed, status="cancelled") == 1
