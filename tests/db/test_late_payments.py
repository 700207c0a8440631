"""
What a payment provider says after the end is put before an operator where money is at stake.
"""

import asyncio

import pytest

from fulfillment.contracts.payments import PaymentNews
from fulfillment.contracts.steps import RecordLatePayment
from fulfillment.db import inbox as inbox_rows
from fulfillment.db import late_events
from fulfillment.db.inbox import InboxEvent
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from fulfillment.domain.payments import PaymentEvent
from tests.fakes.orders import PLACED_AT, an_order
from tests.fakes.warehouse import Warehouse, an_answer


@pytest.fixture
async def delivered(warehouse: Warehouse) -> OrderId:
    await warehouse.stocked_up("LAMP")
    order = an_order()
    await warehouse.place(order)
    await warehouse.become(order.order_id, OrderStatus.DELIVERED)
    return order.order_id


def told(event: str, event_id: str = "evt_1") -> PaymentNews:
    return PaymentNews(
        id=event_id,
        provider="sandbox",
        payment="auth_1",
        type=PaymentEvent(f"payment.{event}"),
        occurred_at=PLACED_AT,
    )


async def record(warehouse: Warehouse, order_id: OrderId, news: PaymentNews) -> None:
    await warehouse.steps.record_late_payment(RecordLatePayment(order_id=order_id, news=news))


@pytest.mark.parametrize("event", ["disputed", "capture_failed", "authorization_expired"])
async def test_a_dispute_is_for_an_operator_and_changes_no_status(
    event: str, warehouse: Warehouse, delivered: OrderId
) -> None:
    row = InboxEvent(
        source="payments:sandbox",
        event_id="evt_1",
        type=f"payment.{event}",
        order_id=None,
        subject="auth_1",
        occurred_at=PLACED_AT,
    )
    async with warehouse.database.statement() as connection:
        await inbox_rows.store(connection, row)
    await record(warehouse, delivered, told(event))
    (entry,) = await warehouse.late_events()
    order = await warehouse.order(delivered)

    assert (entry.source, entry.event_id, entry.order_id, entry.subject) == (
        "payments:sandbox",
        "evt_1",
        delivered,
        "auth_1",
    )
    assert entry.signalled_at is not None
    assert (entry.attention_due_at - entry.received_at).days in {0, 1}
    assert (order.status, order.attention_reason) == ("delivered", None)
    assert (await warehouse.events(delivered))[-1] == "attention_needed"


async def test_it_is_asked_about_once_however_often_it_is_heard(warehouse: Warehouse, delivered: OrderId) -> None:
    await asyncio.gather(*(record(warehouse, delivered, told("disputed")) for _ in range(5)))

    assert len(await warehouse.late_events()) == 1
    assert (await warehouse.events(delivered)).count("attention_needed") == 1


@pytest.mark.parametrize("event", ["authorized", "failed"])
async def test_what_needs_nobody_leaves_nothing(event: str, warehouse: Warehouse, delivered: OrderId) -> None:
    before = await warehouse.events(delivered)
    await record(warehouse, delivered, told(event))

    assert await warehouse.events(delivered) == before
    assert await warehouse.late_events() == []


async def test_what_was_resolved_stays_so_and_what_is_new_asks_again(warehouse: Warehouse, delivered: OrderId) -> None:
    async def resolve(request: str) -> bool:
        answer = an_answer(Action.RESOLVED_BY_HAND)
        async with warehouse.database.transaction() as connection:
            return await late_events.resolve(connection, delivered, answer, request)

    await record(warehouse, delivered, told("disputed"))
    assert await resolve("request-1")
    await record(warehouse, delivered, told("disputed"))
    assert await warehouse.late_events() == []

    await record(warehouse, delivered, told("capture_failed", "evt_2"))
    assert not await resolve("request-1")
    assert await resolve("request-2")
    assert (await warehouse.events(delivered)).count("attention_resolved") == 2
