"""
Orders whose approval the rules ask for when they are placed.
"""

import asyncio
from dataclasses import replace

import pytest

from fulfillment.activities.new_orders import NewOrders
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.db.engine import Database
from fulfillment.db.placing import place
from fulfillment.db.tables import approvals, customers, orders
from fulfillment.domain.approval_policy import NOBODY_IS_ASKED, AtLeast, Forced, RiskRules
from fulfillment.domain.approvals import Mode, Plan
from fulfillment.domain.ids import TEST_SKU, approval_id_for
from fulfillment.domain.orders import OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import TERMS, a_line, an_order
from tests.fakes.policies import DEAR, a_policy, curious
from tests.fakes.warehouse import Warehouse
from tests.fixtures.queries import counting_queries

S = OrderStatus


@pytest.fixture
async def asking(database: Database, settings: Settings) -> Warehouse:
    """A warehouse with 10 lamps where dear orders need approval."""
    made = Warehouse.on(database, settings, a_policy())
    await made.stocked(LAMP=10)
    return made


async def test_a_dear_order_waits_for_people_with_its_stock_held(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 2, DEAR), token=None, requested_by="mia")
    placement = await asking.place(order)
    row, (request,) = await asking.order(order.order_id), await asking.requests(order.order_id)

    assert (placement.outcome, placement.status) == (PlacementOutcome.PLACED, S.AWAITING_APPROVAL)
    assert await asking.figures("LAMP") == (10, 2)
    assert await asking.events(order.order_id) == ["order_received", "stock_held", "approval_requested"]
    assert (row.payment_due_at, row.approved_total, row.approved_currency) == (None, None, None)
    assert row.assessment["policy"] == "rules-1"
    assert (request.id, request.n, request.status) == (approval_id_for(order.order_id, 1), 1, "pending")
    assert (request.total, request.currency, request.requesters) == (2 * DEAR, "EUR", ["mia"])
    assert (request.owner, request.version, request.waiting_for) == (None, 1, ["manager"])
    assert request.due_at > request.started_at
    assert placement.approval is not None
    assert [level.role for level in placement.approval.plan.levels] == ["manager", "director"]


async def test_whoever_called_may_not_decide_where_no_requester_is_named(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 1, DEAR))
    placement = await asking.place(order)

    assert placement.approval is not None
    assert placement.approval.requesters == ("key:shop",)


async def test_an_order_below_every_threshold_is_approved_by_the_rules(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 1, 100))
    placement = await asking.place(order)
    row = await asking.order(order.order_id)

    assert (placement.status, placement.approval) == (S.PROCESSING, None)
    assert (row.approved_total, row.approved_currency, row.assessment["score"]) == (100, "EUR", 0)
    assert await asking.requests(order.order_id) == []


async def test_levels_that_decide_side_by_side_are_all_asked(database: Database, settings: Settings) -> None:
    plan = Plan(policy="rules-1", mode=Mode.PARALLEL)
    warehouse = Warehouse.on(database, settings, a_policy(plan=plan))
    await warehouse.stocked(LAMP=10)
    order = an_order(a_line("LAMP", 2, DEAR))
    await warehouse.place(order)

    assert (await warehouse.events(order.order_id))[2:] == ["approval_requested"] * 2
    assert (await warehouse.requests(order.order_id))[0].waiting_for == ["manager", "director"]


async def test_placing_again_finds_the_same_request(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 2, DEAR))
    first = await asking.place(order)

    assert await asking.place(order) == first
    assert await asking.count(approvals) == 1


async def test_placing_twice_at_once_asks_once(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 2, DEAR))
    placed = await asyncio.gather(*(asking.place(order) for _ in range(6)))

    assert all(placement == placed[0] for placement in placed)
    assert await asking.count(approvals) == 1
    assert len(await asking.events(order.order_id)) == 3


async def test_a_test_order_and_a_free_one_ask_nobody(database: Database, settings: Settings) -> None:
    rules = RiskRules(units_of_one_sku=AtLeast(number=1, points=50), forced=(Forced(score=50, role="manager"),))
    warehouse = Warehouse.on(database, settings, a_policy(rules))
    await warehouse.stocked(LAMP=10)
    test = an_order(a_line(TEST_SKU, 1, 10 * DEAR), test=True)
    free = an_order(a_line("LAMP", 1, 0))

    assert {(await warehouse.place(order)).status for order in (test, free)} == {S.PROCESSING}
    assert await warehouse.count(approvals) == 0
    assert (await warehouse.order(test.order_id)).assessment is None
    assert (await warehouse.order(free.order_id)).assessment["points"] == {"units_of_one_sku": 50}


async def test_what_looks_like_fraud_is_rejected_and_holds_nothing(database: Database, settings: Settings) -> None:
    warehouse = Warehouse.on(database, settings, a_policy(RiskRules(countries={"DE": 90}, refuse_from=90)))
    await warehouse.stocked(LAMP=10)
    order = an_order(a_line("LAMP", 1, DEAR))
    placement = await warehouse.place(order)
    row = await warehouse.order(order.order_id)

    assert (placement.outcome, placement.approval) == (PlacementOutcome.REJECTED, None)
    assert (row.status, row.failure_code, row.stock) == ("rejected", "fraud_suspected", "none")
    assert (row.payment_token, row.approved_total, row.assessment["score"]) == (None, None, 90)
    assert await warehouse.figures("LAMP") == (10, 0)
    assert await warehouse.events(order.order_id) == ["order_received", "order_rejected"]
    assert await warehouse.place(order) == placement


async def test_an_order_whose_stock_is_short_asks_nobody(asking: Warehouse) -> None:
    order = an_order(a_line("LAMP", 11, DEAR))

    assert (await asking.place(order)).status is S.REJECTED
    assert await asking.count(approvals) == 0


async def test_a_reference_that_is_taken_asks_nobody(asking: Warehouse) -> None:
    first, second = (an_order(a_line("LAMP", 1, DEAR), reference="PO-1") for _ in "12")
    await asking.place(first)

    assert (await asking.place(second)).status is S.REJECTED
    assert await asking.count(approvals, order_id=second.order_id) == 0


@pytest.mark.parametrize(
    ("policy", "statements"),
    [(NOBODY_IS_ASKED, 2), (a_policy(), 2), (a_policy(curious()), 3)],
    ids=["no_rules", "by_amount", "by_customer"],
)
async def test_only_rules_about_customers_cost_a_statement(
    policy: object, statements: int, database: Database, settings: Settings
) -> None:
    warehouse = Warehouse.on(database, settings, policy)  # type: ignore[arg-type]
    await warehouse.stocked(LAMP=10)
    with counting_queries(database) as executed:
        await warehouse.place(an_order(a_line("LAMP", 2, DEAR)))

    assert len(executed) == statements


async def test_nothing_is_kept_of_customers_nobody_asks_about(asking: Warehouse) -> None:
    order = an_order()
    await asking.place(replace(order, reference="PO-1"))

    assert await asking.count(orders) == 1
    assert await asking.count(customers) == 0


@pytest.mark.parametrize(
    ("risk", "status", "failure"),
    [
        (RiskRules(), S.AWAITING_APPROVAL, None),
        (RiskRules(countries={"DE": 90}, refuse_from=90), S.CANCELLING, "fraud_suspected"),
    ],
    ids=["asks_anew", "looks_like_fraud"],
)
async def test_a_row_that_is_written_anew_is_judged_like_a_new_one(
    risk: RiskRules, status: OrderStatus, failure: str | None, database: Database, settings: Settings
) -> None:
    warehouse = Warehouse.on(database, settings)
    await warehouse.stocked(LAMP=10)
    order = an_order(a_line("LAMP", 1, DEAR))
    new = NewOrders(Cipher(settings.encryption.ring()), TERMS, a_policy(risk)).row(order, "run-2")
    async with database.transaction() as connection:
        placed = await place(connection, new, refused_as=S.CANCELLING)

    assert (placed.status, placed.approval is None) == (status, status is S.CANCELLING)
    assert (await warehouse.order(order.order_id)).failure_code == failure
