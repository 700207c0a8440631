"""
What operators are shown: each question once, the oldest first, with its answers.
"""

from collections.abc import Sequence
from uuid import UUID

import pytest

from fulfillment.db import late_events, questions, views
from fulfillment.db.questions import AttentionEntry
from fulfillment.db.views import OrderView
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.domain.shipping import ShipmentStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse, an_answer

S, R = OrderStatus, AttentionReason


async def an_order_in(warehouse: Warehouse, status: OrderStatus) -> OrderId:
    await warehouse.stocked_up("LAMP")
    order = an_order()
    await warehouse.place(order)
    await warehouse.booked(order.order_id, ShipmentStatus.BOOKED)
    await warehouse.become(order.order_id, status)
    return order.order_id


async def listed(
    warehouse: Warehouse, reason: AttentionReason | None = None, limit: int = 100
) -> Sequence[AttentionEntry]:
    """All entries, page by page."""
    found: list[AttentionEntry] = []
    async with warehouse.database.statement() as connection:
        while True:
            after = found[-1].position if found else None
            page = await questions.attention(connection, reason=reason, after=after, limit=limit)
            found += page
            if len(page) < limit:
                return found


async def read(warehouse: Warehouse, order_id: UUID) -> OrderView:
    async with warehouse.database.statement() as connection:
        order = await views.order(connection, OrderId(order_id))
    assert order is not None
    return order


async def test_questions_and_late_events_are_listed_together_the_oldest_first(warehouse: Warehouse) -> None:
    overdue = await an_order_in(warehouse, S.AWAITING_SHIPMENT)
    await warehouse.ask(overdue, R.HAND_OVER_OVERDUE, S.AWAITING_SHIPMENT)
    gone = await an_order_in(warehouse, S.CANCELLED)
    await warehouse.hear_late(gone, "picked_up", id="1")
    await warehouse.hear_late(gone, "lost", id="2")
    unpaid = await an_order_in(warehouse, S.SHIPPED)
    await warehouse.ask(unpaid, R.SHIPPED_UNPAID, S.SHIPPED)

    entries = await listed(warehouse)
    assert [(entry.order_id, entry.attention.reason) for entry in entries] == [
        (overdue, R.HAND_OVER_OVERDUE),
        (gone, R.LATE_EVENT),
        (gone, R.LATE_EVENT),
        (unpaid, R.SHIPPED_UNPAID),
    ]
    assert await listed(warehouse, limit=1) == entries
    assert entries[0].attention.resume_status is S.AWAITING_SHIPMENT
    assert entries[0].attention.operation == f"{overdue}:capture:1"
    assert entries[0].attention.actions == (Action.KEEP_WAITING, Action.CANCEL)
    assert entries[1].attention.actions == (Action.RESOLVED_BY_HAND,)
    assert entries[1].attention.due_at is not None
    assert [entry.order_id for entry in await listed(warehouse, R.LATE_EVENT)] == [gone, gone]
    assert [entry.order_id for entry in await listed(warehouse, R.SHIPPED_UNPAID)] == [unpaid]


async def test_what_is_answered_is_listed_no_more(warehouse: Warehouse) -> None:
    overdue = await an_order_in(warehouse, S.AWAITING_SHIPMENT)
    await warehouse.ask(overdue, R.HAND_OVER_OVERDUE, S.AWAITING_SHIPMENT)
    gone = await an_order_in(warehouse, S.CANCELLED)
    await warehouse.hear_late(gone, "picked_up", id="1")
    await warehouse.hear(overdue, "delivered", S.NEEDS_ATTENTION)
    async with warehouse.database.transaction() as connection:
        await late_events.resolve(connection, gone, an_answer(Action.RESOLVED_BY_HAND), "request-1")

    assert await listed(warehouse) == []


async def test_an_order_shows_the_answers_it_allows(warehouse: Warehouse) -> None:
    order_id = await an_order_in(warehouse, S.SHIPPED)
    assert (await read(warehouse, order_id)).actions == ()

    await warehouse.ask(order_id, R.DELIVERY_OVERDUE, S.SHIPPED)
    asked = await read(warehouse, order_id)
    assert asked.actions == (Action.FOUND, Action.REFUND, Action.RESHIP)
    assert asked.attention is not None
    assert asked.attention.actions == asked.actions


async def test_an_order_that_has_ended_asks_about_late_events_without_being_parked(warehouse: Warehouse) -> None:
    order_id = await an_order_in(warehouse, S.CANCELLED)
    other = await an_order_in(warehouse, S.CANCELLED)
    await warehouse.hear_late(order_id, "picked_up")
    order = await read(warehouse, order_id)

    assert (order.status, order.attention, order.actions) == (S.CANCELLED, None, (Action.RESOLVED_BY_HAND,))
    assert (await read(warehouse, other)).actions == ()


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (S.CANCELLING, True),
        (S.CANCELLED, True),
        (S.REJECTED, True),
        (S.RETURNED, True),
        (S.NEEDS_ATTENTION, False),
        (S.AWAITING_PAYMENT, False),
        (S.SHIPPED, False),
        (S.DELIVERED, False),
    ],
)
async def test_a_failure_is_shown_where_it_is_what_the_order_ends_with(
    status: OrderStatus, shown: bool, warehouse: Warehouse
) -> None:
    order_id = await an_order_in(warehouse, status)
    await warehouse.become(order_id, status, failure_code="cancelled")

    assert (await read(warehouse, order_id)).failure == (FailureCode.CANCELLED if shown else None)
