"""
Orders whose approval the rules ask for when they are placed.
"""

import pytest

from fulfillment.contracts.steps import PlacementOutcome, SettleApproval
from fulfillment.db.engine import Database
from fulfillment.domain.orders import OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import a_line, an_order
from tests.fakes.policies import a_policy, curious
from tests.fakes.warehouse import Warehouse


@pytest.fixture
def asking(database: Database, settings: Settings) -> Warehouse:
    return Warehouse.on(database, settings, a_policy(curious()))


async def test_an_order_the_rules_do_not_let_pass_waits_with_its_stock_held(asking: Warehouse) -> None:
    await asking.stocked(LAMP=500)
    order = an_order(a_line(quantity=8), token=None)
    placement = await asking.place(order)
    row = await asking.order(order.order_id)

    assert (placement.outcome, placement.status) == (PlacementOutcome.PLACED, OrderStatus.AWAITING_APPROVAL)
    assert await asking.figures("LAMP") == (500, 8)
    assert await asking.events(order.order_id) == ["order_received", "stock_held", "approval_requested"]
    assert (row.payment_due_at, row.approved_total, row.approved_currency) == (None, None, None)


async def test_an_approved_order_is_asked_to_be_paid_once(asking: Warehouse) -> None:
    await asking.stocked(LAMP=500)
    order = an_order(a_line(quantity=8), token=None)
    await asking.place(order)
    request = SettleApproval(order_id=order.order_id, n=1)

    assert [await asking.steps.settle_approval(request) for _ in "12"] == [OrderStatus.AWAITING_PAYMENT] * 2
    assert (await asking.events(order.order_id))[3:] == ["order_approved", "payment_requested"]
    assert (await asking.order(order.order_id)).payment_due_at is not None
