"""
A card given later is kept once, encrypted, with the key of its request; the days to pay are counted once.
"""

from datetime import UTC, datetime, timedelta

import pytest

from fulfillment.contracts.messages import Pay, PaymentRecorded
from fulfillment.contracts.orders import Card
from fulfillment.contracts.steps import TakePayment
from fulfillment.db import views
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.tables import payment_requests
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import a_line, an_order
from tests.fakes.warehouse import Warehouse

S = OrderStatus


@pytest.fixture
async def waiting(warehouse: Warehouse) -> OrderId:
    """An order that waits for a payment."""
    await warehouse.stocked(LAMP=5)
    order = an_order(token=None)
    await warehouse.place(order)
    return order.order_id


async def pay(warehouse: Warehouse, order_id: OrderId, n: int = 1) -> None:
    payment = Pay(
        card=Card(token=f"tok_{n}"), actor="shop", key=f"pay:{n}", fingerprint=f"f{n}", fingerprint_key="fingerprints"
    )
    await warehouse.steps.take_payment(TakePayment(order_id=order_id, n=n, payment=payment))


async def decline(warehouse: Warehouse, order_id: OrderId, n: int = 1) -> None:
    fact = Fact(kind=EventKind.PAYMENT_DECLINED, key=f"declined:{n}")
    async with warehouse.database.statement() as connection:
        await apply(connection, Change(order_id=order_id, facts=(fact,), path=(S.AWAITING_PAYMENT,)))


async def test_a_card_is_kept_encrypted_with_what_recognises_its_request(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    await pay(warehouse, waiting)
    row = await warehouse.order(waiting)

    assert (row.status, row.version, row.payment_method, row.payment_token_key) == ("processing", 2, "card", "payloads")
    assert b"tok_1" not in row.payment_token
    async with warehouse.database.statement() as connection:
        found = await views.payment_request(connection, "pay:1")
        assert await views.payment_request(connection, "pay:2") is None
    assert found == PaymentRecorded(fingerprint="f1", fingerprint_key="fingerprints")


async def test_a_card_that_is_taken_again_after_a_decline_does_not_take_the_order_along(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    await pay(warehouse, waiting)
    await decline(warehouse, waiting)
    before = await warehouse.order(waiting)
    await pay(warehouse, waiting)

    assert await warehouse.order(waiting) == before
    await pay(warehouse, waiting, n=2)
    assert (await warehouse.order(waiting)).status == "processing"
    assert await warehouse.count(payment_requests, order_id=waiting) == 2


async def test_the_days_to_pay_start_with_the_first_wait(warehouse: Warehouse, waiting: OrderId) -> None:
    due = (await warehouse.order(waiting)).payment_due_at
    assert abs(due - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)

    await pay(warehouse, waiting)
    await decline(warehouse, waiting)
    assert (await warehouse.order(waiting)).payment_due_at == due


async def test_an_order_that_came_with_a_card_has_its_days_from_the_decline_on(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=9)
    order = an_order()
    await warehouse.place(order)
    assert (await warehouse.order(order.order_id)).payment_due_at is None

    await decline(warehouse, order.order_id)
    due = (await warehouse.order(order.order_id)).payment_due_at
    assert abs(due - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)


async def test_placing_again_after_a_change_says_what_the_order_is_worth_now(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=9)
    order = an_order(token=None)
    await warehouse.place(order)
    await warehouse.amend(order.order_id, a_line("LAMP", 1, 700))

    assert (await warehouse.place(order)).total.amount == 700
