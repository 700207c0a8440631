"""
The steps that change an order: legal or refused, once, whoever else tries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from fulfillment.contracts.orders import RequestAttention
from fulfillment.db.changes import Change, Fact, OutOfStep, apply
from fulfillment.db.tables import order_events
from fulfillment.domain.errors import InvalidTransition
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, OrderStatus
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse

S = OrderStatus


@pytest.fixture
async def placed(warehouse: Warehouse) -> OrderId:
    """An order that is being processed and holds 2 of 5 lamps."""
    await warehouse.stocked(LAMP=5)
    order = an_order()
    await warehouse.place(order)
    return order.order_id


def shipping(order_id: UUID) -> Change:
    return Change(
        order_id=OrderId(order_id),
        facts=(Fact(kind=EventKind.ORDER_SHIPPED, key="shipped"),),
        path=(S.SHIPPED,),
    )


async def test_a_change_of_no_order_is_refused(warehouse: Warehouse) -> None:
    async with warehouse.database.statement() as connection:
        with pytest.raises(OutOfStep, match="not written"):
            await apply(connection, shipping(uuid4()))


async def test_an_illegal_move_is_refused_and_changes_nothing(warehouse: Warehouse, placed: OrderId) -> None:
    before = await warehouse.order(placed)
    async with warehouse.database.statement() as connection:
        with pytest.raises(OutOfStep, match="is processing"):
            await apply(connection, shipping(placed))

    assert await warehouse.order(placed) == before
    assert await warehouse.events(placed) == ["order_received", "stock_held"]


async def test_a_path_with_an_illegal_step_in_it_is_refused(warehouse: Warehouse, placed: OrderId) -> None:
    fact = Fact(kind=EventKind.ORDER_DELIVERED, key="k")
    change = Change(order_id=placed, facts=(fact,), path=(S.AWAITING_SHIPMENT, S.DELIVERED))
    async with warehouse.database.statement() as connection:
        with pytest.raises(InvalidTransition):
            await apply(connection, change)


async def test_the_same_fact_is_written_once_wherever_the_order_is_by_then(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    async with warehouse.database.statement() as connection:
        assert await apply(connection, shipping(placed))
        assert not await apply(connection, shipping(placed))
    await warehouse.become(placed, S.DELIVERED)
    async with warehouse.database.statement() as connection:
        assert not await apply(connection, shipping(placed))

    assert (await warehouse.events(placed)).count("order_shipped") == 1


async def test_of_many_who_write_the_same_fact_at_once_one_does(warehouse: Warehouse, placed: OrderId) -> None:
    fact = Fact(kind=EventKind.PAYMENT_AUTHORIZED, key="k")
    change = Change(order_id=placed, facts=(fact,), during=(S.PROCESSING,))

    async def write() -> bool:
        async with warehouse.database.statement() as connection:
            return await apply(connection, change)

    written = await asyncio.gather(*(write() for _ in range(10)))

    assert sum(written) == 1
    assert await warehouse.events(placed) == ["order_received", "stock_held", "payment_authorized"]


async def test_many_facts_at_once_leave_no_gap(warehouse: Warehouse, placed: OrderId) -> None:
    async def write(n: int) -> None:
        facts = (Fact(kind=EventKind.ORDER_AMENDED, key=f"{n}a"), Fact(kind=EventKind.ADDRESS_CHANGED, key=f"{n}b"))
        async with warehouse.database.statement() as connection:
            await apply(connection, Change(order_id=placed, facts=facts, during=(S.PROCESSING,)))

    await asyncio.gather(*(write(n) for n in range(20)))

    assert len(await warehouse.events(placed)) == 42
    assert (await warehouse.order(placed)).version == 21


async def _ask(warehouse: Warehouse, order_id: OrderId) -> None:
    request = RequestAttention(
        order_id=order_id, n=1, reason=AttentionReason.HAND_OVER_OVERDUE, status=S.AWAITING_SHIPMENT
    )
    await warehouse.steps.request_attention(request)


Step = Callable[[Warehouse, OrderId], Awaitable[None]]
STEPS: dict[str, tuple[OrderStatus, Step]] = {
    "begin_rejection": (S.PROCESSING, lambda w, o: w.begin_rejection(o)),
    "release_stock": (S.CANCELLING, lambda w, o: w.release(o)),
    "reject_order": (S.CANCELLING, lambda w, o: w.end_rejection(o)),
    "request_attention": (S.AWAITING_SHIPMENT, _ask),
    "picked_up": (S.AWAITING_SHIPMENT, lambda w, o: w.hear(o, "picked_up", S.AWAITING_SHIPMENT)),
    "in_transit": (S.SHIPPED, lambda w, o: w.hear(o, "in_transit", S.SHIPPED, picked_up=True)),
    "delivered": (S.SHIPPED, lambda w, o: w.hear(o, "delivered", S.SHIPPED, picked_up=True)),
    "delivered_unannounced": (S.AWAITING_SHIPMENT, lambda w, o: w.hear(o, "delivered", S.AWAITING_SHIPMENT)),
    "lost": (S.SHIPPED, lambda w, o: w.hear(o, "lost", S.SHIPPED, picked_up=True)),
}


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_runs_again_changes_nothing(name: str, warehouse: Warehouse, placed: OrderId) -> None:
    status, step = STEPS[name]
    await warehouse.become(placed, status)
    await step(warehouse, placed)
    once = await warehouse.order(placed), await warehouse.events(placed), await warehouse.figures("LAMP")
    await step(warehouse, placed)

    assert (await warehouse.order(placed), await warehouse.events(placed), await warehouse.figures("LAMP")) == once


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_runs_twice_at_once_happens_once(name: str, warehouse: Warehouse, placed: OrderId) -> None:
    status, step = STEPS[name]
    await warehouse.become(placed, status)
    before = await warehouse.count(order_events)
    await asyncio.gather(*(step(warehouse, placed) for _ in range(6)))

    kinds = await warehouse.events(placed)
    assert len(kinds) == len(set(kinds)) > before
    assert await warehouse.figures("LAMP") in {(5, 2), (5, 0), (3, 0)}


async def test_a_pick_up_takes_the_goods_out_of_the_warehouse(warehouse: Warehouse, placed: OrderId) -> None:
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    await warehouse.hear(placed, "picked_up", S.AWAITING_SHIPMENT)
    row = await warehouse.order(placed)

    assert (row.status, row.stock) == ("shipped", "left")
    assert await warehouse.figures("LAMP") == (3, 0)


async def test_a_question_names_what_it_interrupted_and_is_gone_once_answered(
    warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.become(placed, S.AWAITING_SHIPMENT)
    await _ask(warehouse, placed)
    asked = await warehouse.order(placed)
    await warehouse.hear(placed, "delivered", S.NEEDS_ATTENTION)
    answered = await warehouse.order(placed)

    assert (asked.status, asked.attention_reason) == ("needs_attention", "hand_over_overdue")
    assert asked.resume_status == "awaiting_shipment"
    assert asked.attention_since is not None
    assert (answered.status, answered.stock) == ("delivered", "left")
    assert (answered.attention_reason, answered.attention_since, answered.resume_status) == (None, None, None)
    assert (await warehouse.events(placed))[-3:] == ["attention_resolved", "order_shipped", "order_delivered"]


async def test_a_rejected_order_keeps_no_card(warehouse: Warehouse, placed: OrderId) -> None:
    assert (await warehouse.order(placed)).payment_token is not None
    for step in (warehouse.begin_rejection, warehouse.release, warehouse.end_rejection):
        await step(placed)
    row = await warehouse.order(placed)

    assert (row.status, row.stock, row.failure_code) == ("rejected", "released", "payment_declined")
    assert (row.payment_token, row.payment_token_key) == (None, None)
    assert await warehouse.figures("LAMP") == (5, 0)


async def test_nothing_of_an_order_is_touched_by_steps_of_another(warehouse: Warehouse, placed: OrderId) -> None:
    other = an_order()
    await warehouse.place(other)
    before = await warehouse.order(placed)
    await warehouse.begin_rejection(other.order_id)
    await warehouse.release(other.order_id)

    assert await warehouse.order(placed) == before
    assert await warehouse.figures("LAMP") == (5, 2)
