"""
The steps that change an order: legal or refused, once, whoever else tries.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from fulfillment.contracts.messages import Pay, Readdress
from fulfillment.contracts.orders import Address, Card
from fulfillment.contracts.steps import (
    CloseOrder,
    ReaddressOrder,
    RefuseCancellation,
    ResolveAttention,
    TakePayment,
)
from fulfillment.db import holds
from fulfillment.db.changes import Change, Effect, Fact, OutOfStep, apply
from fulfillment.db.tables import orders
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import InvalidTransition
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.orders import a_line, an_order
from tests.fakes.warehouse import Warehouse, an_answer
from tests.fixtures.waiting import until

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


@pytest.mark.parametrize("effect", [holds.release, holds.leave])
async def test_of_many_who_move_the_same_goods_at_once_one_does(
    effect: Callable[[str], Effect], warehouse: Warehouse, placed: OrderId
) -> None:
    fact = Fact(kind=EventKind.STOCK_RELEASED, key="k")
    change = Change(order_id=placed, facts=(fact,), during=(S.PROCESSING,))

    async def write() -> bool:
        async with warehouse.database.statement() as connection:
            return await apply(connection, change, effect("moved"))

    async def both_wait() -> bool:
        async with warehouse.database.statement() as connection:
            waiting = await connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return waiting.scalar() == 2

    async with warehouse.database.transaction() as connection:
        await connection.execute(select(orders).where(orders.c.id == placed).with_for_update())
        writers = [asyncio.create_task(write()) for _ in range(2)]
        await until(both_wait)

    assert sorted(await asyncio.gather(*writers)) == [False, True]
    assert await warehouse.events(placed) == ["order_received", "stock_held", "stock_released"]
    assert (await warehouse.figures("LAMP"))[1] == 0


async def test_goods_that_were_moved_for_another_reason_are_no_sign_that_it_is_done(
    warehouse: Warehouse, placed: OrderId
) -> None:
    def moving(key: str) -> Change:
        fact = Fact(kind=EventKind.STOCK_RELEASED, key=key)
        return Change(order_id=placed, facts=(fact,), during=(S.PROCESSING,))

    async with warehouse.database.statement() as connection:
        await apply(connection, moving("k"), holds.release("moved"))
        with pytest.raises(IntegrityError):
            await apply(connection, moving("another"), holds.release("moved"))


async def test_many_facts_at_once_leave_no_gap(warehouse: Warehouse, placed: OrderId) -> None:
    async def write(n: int) -> None:
        facts = (Fact(kind=EventKind.ORDER_AMENDED, key=f"{n}a"), Fact(kind=EventKind.ADDRESS_CHANGED, key=f"{n}b"))
        async with warehouse.database.statement() as connection:
            await apply(connection, Change(order_id=placed, facts=facts, during=(S.PROCESSING,)))

    await asyncio.gather(*(write(n) for n in range(20)))

    assert len(await warehouse.events(placed)) == 42
    assert (await warehouse.order(placed)).version == 21


Step = Callable[[Warehouse, OrderId], Awaitable[Any]]


def _step(request: Callable[[OrderId], Any]) -> Step:
    """The step that takes such a request, with the request as it is for one order."""

    async def run(warehouse: Warehouse, order_id: OrderId) -> None:
        made = request(order_id)
        name = re.sub("(?<!^)(?=[A-Z])", "_", type(made).__name__).lower()
        await getattr(warehouse.steps, name)(made)

    return run


A_CARD = Pay(card=Card(token="tok_visa"), actor="shop", key="pay:1", fingerprint="f", fingerprint_key="k")
ELSEWHERE = Address(name="Ada Lovelace", line1="Weg 2", city="Graz", country="AT")
STEPS: dict[str, tuple[OrderStatus, Step]] = {
    "take_payment": (S.AWAITING_PAYMENT, _step(lambda o: TakePayment(order_id=o, n=1, payment=A_CARD))),
    "amend": (S.AWAITING_PAYMENT, lambda w, o: w.amend(o, a_line("LAMP", 1))),
    "settle_approval": (S.AWAITING_APPROVAL, lambda w, o: w.settle(o)),
    "amend_to_nothing": (S.AWAITING_PAYMENT, lambda w, o: w.amend(o, a_line("LAMP", 3, price=0))),
    "amend_short": (S.AWAITING_PAYMENT, lambda w, o: w.amend(o, a_line("LAMP", 6))),
    "readdress": (
        S.PROCESSING,
        _step(lambda o: ReaddressOrder(order_id=o, n=1, change=Readdress(address=ELSEWHERE, actor="shop"))),
    ),
    "begin_undo": (S.PROCESSING, lambda w, o: w.begin_rejection(o)),
    "release_stock": (S.CANCELLING, lambda w, o: w.release(o)),
    "reject": (S.CANCELLING, lambda w, o: w.end_rejection(o)),
    "cancel": (
        S.CANCELLING,
        _step(lambda o: CloseOrder(order_id=o, status=S.CANCELLED, failure=FailureCode.CANCELLED)),
    ),
    "return": (S.CANCELLING, _step(lambda o: CloseOrder(order_id=o, status=S.RETURNED, failure=None))),
    "refuse_cancellation": (
        S.SHIPPED,
        _step(lambda o: RefuseCancellation(order_id=o, n=1, actor="shop", reason="too dear")),
    ),
    "ask": (S.AWAITING_SHIPMENT, lambda w, o: w.ask(o, AttentionReason.HAND_OVER_OVERDUE, S.AWAITING_SHIPMENT)),
    "resolve": (
        S.NEEDS_ATTENTION,
        _step(lambda o: ResolveAttention(order_id=o, n=1, answer=an_answer(Action.FOUND), status=S.SHIPPED)),
    ),
    "resolve_with_undo": (
        S.NEEDS_ATTENTION,
        _step(
            lambda o: ResolveAttention(
                order_id=o,
                n=1,
                answer=an_answer(Action.REFUND),
                status=S.CANCELLING,
                failure=FailureCode.PARCEL_LOST,
            )
        ),
    ),
    "depart": (S.CANCELLING, lambda w, o: w.depart(o, S.CANCELLING)),
    "depart_when_asked": (S.NEEDS_ATTENTION, lambda w, o: w.depart(o, S.NEEDS_ATTENTION)),
    "picked_up": (S.AWAITING_SHIPMENT, lambda w, o: w.hear(o, "picked_up", S.AWAITING_SHIPMENT)),
    "in_transit": (S.SHIPPED, lambda w, o: w.hear(o, "in_transit", S.SHIPPED, picked_up=True)),
    "delivered": (S.SHIPPED, lambda w, o: w.hear(o, "delivered", S.SHIPPED, picked_up=True)),
    "delivered_unannounced": (S.AWAITING_SHIPMENT, lambda w, o: w.hear(o, "delivered", S.AWAITING_SHIPMENT)),
    "lost": (S.SHIPPED, lambda w, o: w.hear(o, "lost", S.SHIPPED, picked_up=True)),
    "late": (S.CANCELLED, lambda w, o: w.hear_late(o, "picked_up")),
}
SILENT = {"take_payment", "amend_short"}
"""Steps that leave nothing in the timeline."""


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_runs_again_changes_nothing(name: str, warehouse: Warehouse, placed: OrderId) -> None:
    status, step = STEPS[name]
    await warehouse.booked(placed)
    await warehouse.become(placed, status)
    told = await step(warehouse, placed)
    once = await warehouse.order(placed), await warehouse.events(placed), await warehouse.figures("LAMP")
    again = await step(warehouse, placed)

    assert again == told
    assert (await warehouse.order(placed), await warehouse.events(placed), await warehouse.figures("LAMP")) == once


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_runs_twice_at_once_happens_once(name: str, warehouse: Warehouse, placed: OrderId) -> None:
    status, step = STEPS[name]
    await warehouse.booked(placed)
    await warehouse.become(placed, status)
    before = await warehouse.order(placed)
    told = await asyncio.gather(*(step(warehouse, placed) for _ in range(6)))

    kinds, after = await warehouse.events(placed), await warehouse.order(placed)
    assert len(kinds) == len(set(kinds))
    assert (len(kinds) > before.last_event) is (name not in SILENT)
    assert after.version - before.version == (name != "amend_short")
    assert all(answer == told[0] for answer in told)
    assert await warehouse.figures("LAMP") in {(5, 2), (5, 0), (3, 0), (5, 1), (5, 3), (5, 5)}


@pytest.mark.parametrize("name", [name for name in STEPS if name not in {"refuse_cancellation", "late"}])
async def test_a_step_of_an_order_that_is_somewhere_else_is_refused_and_changes_nothing(
    name: str, warehouse: Warehouse, placed: OrderId
) -> None:
    await warehouse.booked(placed)
    await warehouse.become(placed, S.DELIVERED)
    before = await warehouse.order(placed)
    with pytest.raises(OutOfStep):
        await STEPS[name][1](warehouse, placed)

    assert await warehouse.order(placed) == before
    assert await warehouse.figures("LAMP") == (5, 2)


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
    await warehouse.ask(placed, AttentionReason.HAND_OVER_OVERDUE, S.AWAITING_SHIPMENT)
    asked = await warehouse.order(placed)
    await warehouse.hear(placed, "delivered", S.NEEDS_ATTENTION)
    answered = await warehouse.order(placed)

    assert (asked.status, asked.attention_reason) == ("needs_attention", "hand_over_overdue")
    assert asked.resume_status == "awaiting_shipment"
    assert asked.attention_since is not None
    assert (asked.attention_actions, asked.attention_operation) == (["keep_waiting", "cancel"], f"{placed}:capture:1")
    assert (answered.status, answered.stock) == ("delivered", "left")
    assert not [name for name, value in answered._mapping.items() if name.startswith("attention") and value is not None]
    assert answered.resume_status is None
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
