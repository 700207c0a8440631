"""
What a carrier says after the end is kept, and put before an operator where goods are at stake.
"""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import select

from fulfillment.db import inbox as inbox_rows
from fulfillment.db import late_events
from fulfillment.db.inbox import InboxEvent
from fulfillment.db.tables import order_events, shipments
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from fulfillment.domain.shipping import ShipmentStatus
from tests.fakes.orders import CARRIER, an_event, an_order, tracking_number_of
from tests.fakes.warehouse import Warehouse, an_answer

S = OrderStatus


@pytest.fixture
async def cancelled(warehouse: Warehouse) -> OrderId:
    """An order that was cancelled before its parcel left."""
    return await ended(warehouse, S.CANCELLED, ShipmentStatus.CANCELLED)


async def ended(warehouse: Warehouse, status: OrderStatus, parcel: ShipmentStatus) -> OrderId:
    await warehouse.stocked_up("LAMP")
    order = an_order()
    await warehouse.place(order)
    await warehouse.booked(order.order_id, parcel)
    await warehouse.become(order.order_id, status)
    return order.order_id


async def resolve(warehouse: Warehouse, order_id: OrderId, request: str | None = None) -> bool:
    answer = an_answer(Action.RESOLVED_BY_HAND)
    async with warehouse.database.transaction() as connection:
        return await late_events.resolve(connection, order_id, answer, request or str(uuid4()))


async def arrived(warehouse: Warehouse, order_id: OrderId, event: str) -> None:
    """The event is in the inbox, as the carrier sent it."""
    told = an_event(order_id, event)
    row = InboxEvent(
        source=told.carrier,
        event_id=told.id,
        type=told.type,
        order_id=order_id,
        subject=told.tracking_number,
        occurred_at=told.occurred_at,
    )
    async with warehouse.database.statement() as connection:
        assert await inbox_rows.store(connection, row)


async def test_a_pick_up_of_a_cancelled_order_is_for_an_operator_and_changes_no_status(
    warehouse: Warehouse, cancelled: OrderId
) -> None:
    await arrived(warehouse, cancelled, "picked_up")
    await warehouse.hear_late(cancelled, "picked_up")
    (row,) = await warehouse.late_events()
    order = await warehouse.order(cancelled)

    assert (row.source, row.event_id, row.order_id) == (CARRIER, "event-picked_up", cancelled)
    assert row.signalled_at is not None
    assert (row.attention_due_at - row.received_at).days in {0, 1}
    assert (order.status, order.attention_reason) == ("cancelled", None)
    assert (await warehouse.events(cancelled))[-2:] == ["shipment_in_transit", "attention_needed"]


@pytest.mark.parametrize(
    ("status", "parcel", "event", "kind", "asks"),
    [
        (S.DELIVERED, ShipmentStatus.DELIVERED, "delivered", "order_delivered", False),
        (S.DELIVERED, ShipmentStatus.DELIVERED, "returned", "parcel_returned", True),
        (S.CANCELLED, ShipmentStatus.BOOKED, "delivered", "order_delivered", True),
        (S.SHIPPED, ShipmentStatus.LOST, "returned", "parcel_returned", False),
    ],
)
async def test_what_is_heard_late_is_in_the_timeline_and_the_parcel_is_where_it_is_said_to_be(
    status: OrderStatus, parcel: ShipmentStatus, event: str, kind: str, asks: bool, warehouse: Warehouse
) -> None:
    order_id = await ended(warehouse, status, parcel)
    await warehouse.hear_late(order_id, event)

    assert (await warehouse.events(order_id))[2:] == ([kind, "attention_needed"] if asks else [kind])
    assert len(await warehouse.late_events()) == asks
    assert await warehouse.count(shipments, order_id=order_id, status=event) == 1
    assert await warehouse.count(order_events, order_id=order_id, actor=f"carrier:{CARRIER}") == 1 + asks
    assert (await warehouse.order(order_id)).status == status


async def test_a_parcel_that_is_not_the_orders_is_none_of_its_business(
    warehouse: Warehouse, cancelled: OrderId
) -> None:
    await warehouse.hear_late(cancelled, "lost", tracking_number="SOMEBODY-ELSES")

    assert (await warehouse.events(cancelled)) == ["order_received", "stock_held"]
    assert await warehouse.late_events() == []


async def test_an_event_the_workflow_has_acted_on_is_not_late_when_it_comes_again(warehouse: Warehouse) -> None:
    order_id = await ended(warehouse, S.SHIPPED, ShipmentStatus.IN_TRANSIT)
    await warehouse.hear(order_id, "returned", S.SHIPPED, picked_up=True)
    await warehouse.become(order_id, S.RETURNED)
    before = await warehouse.events(order_id)
    await warehouse.hear_late(order_id, "returned", id="event-returned-1")

    assert await warehouse.events(order_id) == before
    assert await warehouse.late_events() == []


async def test_a_late_event_is_asked_about_once_however_often_it_is_heard(
    warehouse: Warehouse, cancelled: OrderId
) -> None:
    await asyncio.gather(*(warehouse.hear_late(cancelled, "lost") for _ in range(5)))

    assert len(await warehouse.late_events()) == 1
    assert (await warehouse.events(cancelled)).count("attention_needed") == 1


async def test_an_operator_looks_at_all_late_events_of_an_order_at_once(
    warehouse: Warehouse, cancelled: OrderId
) -> None:
    other = await ended(warehouse, S.CANCELLED, ShipmentStatus.BOOKED)
    for event in ("lost", "returned"):
        await warehouse.hear_late(cancelled, event)
    await warehouse.hear_late(other, "lost", id="another")
    answers = await asyncio.gather(*(resolve(warehouse, cancelled) for _ in range(4)))

    assert sorted(answers) == [False, False, False, True]
    assert [row.order_id for row in await warehouse.late_events()] == [other]
    assert (await warehouse.events(cancelled)).count("attention_resolved") == 1
    rows = select(order_events).where(order_events.c.kind == "attention_resolved")
    async with warehouse.database.statement() as connection:
        (fact,) = await connection.execute(rows)
    assert (fact.actor, fact.data) == (
        "operator",
        {"action": "resolved_by_hand", "reason": "seen in the yard"},
    )


async def test_what_was_looked_at_stays_so_and_what_is_new_asks_again(warehouse: Warehouse, cancelled: OrderId) -> None:
    await warehouse.hear_late(cancelled, "lost")
    assert await resolve(warehouse, cancelled)
    await warehouse.hear_late(cancelled, "lost")
    assert await warehouse.late_events() == []

    await warehouse.hear_late(cancelled, "returned")
    assert await resolve(warehouse, cancelled)
    assert (await warehouse.events(cancelled)).count("attention_resolved") == 2


async def test_a_request_that_was_acted_on_is_known_and_answers_for_nothing_new(
    warehouse: Warehouse, cancelled: OrderId
) -> None:
    await warehouse.hear_late(cancelled, "lost")
    assert await resolve(warehouse, cancelled, "request-1")
    await warehouse.hear_late(cancelled, "returned")
    assert not await resolve(warehouse, cancelled, "request-1")

    assert len(await warehouse.late_events()) == 1
    async with warehouse.database.statement() as connection:
        told = [await late_events.answered(connection, cancelled, name) for name in ("request-1", "request-2")]
    assert told == [an_answer(Action.RESOLVED_BY_HAND), None]


async def test_an_event_of_a_replaced_parcel_does_not_touch_the_parcel_under_way(warehouse: Warehouse) -> None:
    order_id = await ended(warehouse, S.SHIPPED, ShipmentStatus.LOST)
    await warehouse.booked(order_id, ShipmentStatus.IN_TRANSIT, n=2)
    await warehouse.hear_late(order_id, "delivered", tracking_number=tracking_number_of(order_id, 1))

    assert await warehouse.count(shipments, order_id=order_id, n=1, status="delivered") == 1
    assert await warehouse.count(shipments, order_id=order_id, n=2, status="in_transit") == 1
    assert (await warehouse.order(order_id)).status == "shipped"
    assert await warehouse.late_events() == []
