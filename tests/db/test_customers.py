"""
What the rules know of customers: each order counts once, whoever else is placing.
"""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from fulfillment.contracts.orders import Address, StartOrder
from fulfillment.db.customers import read_facts
from fulfillment.db.engine import Database
from fulfillment.db.tables import customers, orders
from fulfillment.domain.approval_policy import RiskRules
from fulfillment.domain.orders import OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import a_line, an_order
from tests.fakes.policies import a_policy, curious
from tests.fakes.warehouse import Warehouse

HOME = Address(name="Ada Lovelace", line1="Weg 1", city="Berlin", postal_code="10115", country="DE")
ELSEWHERE = replace(HOME, line1="Allee 2")


@pytest.fixture
async def curious_warehouse(database: Database, settings: Settings) -> Warehouse:
    made = Warehouse.on(database, settings, a_policy(curious()))
    await made.stocked(LAMP=1000)
    return made


async def known(warehouse: Warehouse, order_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await warehouse.order(order_id)).assessment["customer"]
    return found


async def placed(warehouse: Warehouse, address: Address = HOME, **more: Any) -> StartOrder:
    order = an_order(shipping_address=address, **more)
    await warehouse.place(order)
    return order


async def counted(warehouse: Warehouse) -> Any:
    async with warehouse.database.statement() as connection:
        return (await connection.execute(select(customers))).one()


async def test_the_first_order_is_the_first_and_the_next_is_not(curious_warehouse: Warehouse) -> None:
    first, second = await placed(curious_warehouse), await placed(curious_warehouse)

    assert await known(curious_warehouse, first.order_id) == {
        "first_order": True,
        "orders_within_hour": 1,
        "unusual_address": None,
    }
    assert await known(curious_warehouse, second.order_id) == {
        "first_order": False,
        "orders_within_hour": 2,
        "unusual_address": False,
    }


async def test_orders_of_one_customer_at_once_count_from_one_upwards(curious_warehouse: Warehouse) -> None:
    made = [an_order(a_line("LAMP", 1)) for _ in range(12)]
    await asyncio.gather(*(curious_warehouse.place(order) for order in made))
    facts = [await known(curious_warehouse, order.order_id) for order in made]

    assert sorted(fact["orders_within_hour"] for fact in facts) == list(range(1, 13))
    assert sum(fact["first_order"] for fact in facts) == 1


async def test_orders_of_different_articles_at_once_count_from_one_upwards(curious_warehouse: Warehouse) -> None:
    skus = [f"SKU{n}" for n in range(8)]
    await curious_warehouse.stocked(**dict.fromkeys(skus, 5))
    made = [an_order(a_line(sku, 1)) for sku in skus]
    await asyncio.gather(*(curious_warehouse.place(order) for order in made))
    facts = [await known(curious_warehouse, order.order_id) for order in made]

    assert sorted(fact["orders_within_hour"] for fact in facts) == list(range(1, 9))


async def test_an_order_that_is_placed_again_counts_once(curious_warehouse: Warehouse) -> None:
    order = await placed(curious_warehouse)
    await curious_warehouse.place(order)
    await asyncio.gather(*(curious_warehouse.place(order) for _ in range(4)))

    assert ((await counted(curious_warehouse)).orders, len((await counted(curious_warehouse)).recent)) == (1, 1)


async def test_twins_at_once_count_once(curious_warehouse: Warehouse) -> None:
    order = an_order()
    await asyncio.gather(*(curious_warehouse.place(order) for _ in range(6)))

    assert ((await counted(curious_warehouse)).orders, len((await counted(curious_warehouse)).recent)) == (1, 1)
    assert (await known(curious_warehouse, order.order_id))["first_order"] is True


async def test_orders_of_more_than_an_hour_ago_are_not_counted_among_the_last(curious_warehouse: Warehouse) -> None:
    await placed(curious_warehouse)
    async with curious_warehouse.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE customers SET recent = ARRAY[now() - interval '61 minutes']")
    order = await placed(curious_warehouse)

    assert (await known(curious_warehouse, order.order_id))["orders_within_hour"] == 1
    assert len((await counted(curious_warehouse)).recent) == 1


async def test_no_more_than_a_thousand_moments_are_kept(curious_warehouse: Warehouse) -> None:
    await placed(curious_warehouse)
    async with curious_warehouse.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE customers SET recent = array_fill(now(), ARRAY[1000])")
    order = await placed(curious_warehouse)

    assert (await known(curious_warehouse, order.order_id))["orders_within_hour"] == 1000


async def test_what_is_refused_for_its_stock_counts_for_nothing(curious_warehouse: Warehouse) -> None:
    await curious_warehouse.place(an_order(a_line("LAMP", 1001)))

    assert await curious_warehouse.count(customers) == 0


async def test_a_reference_that_is_taken_is_no_other_order(curious_warehouse: Warehouse) -> None:
    await placed(curious_warehouse, reference="PO-1")
    again = await placed(curious_warehouse, reference="PO-1")
    await curious_warehouse.place(again)

    assert (await counted(curious_warehouse)).orders == 1


async def test_a_customer_whose_order_was_refused_still_places_a_first_one(
    database: Database, settings: Settings
) -> None:
    warehouse = Warehouse.on(database, settings, a_policy(RiskRules(first_order=10, refuse_from=10)))
    await warehouse.stocked(LAMP=10)
    orders_placed = [await placed(warehouse) for _ in "12"]

    assert [(await known(warehouse, order.order_id))["first_order"] for order in orders_placed] == [True, True]


async def test_a_customer_from_before_customers_were_counted_has_orders(curious_warehouse: Warehouse) -> None:
    await placed(curious_warehouse)
    async with curious_warehouse.database.transaction() as connection:
        await connection.execute(customers.delete())
    order = await placed(curious_warehouse)

    assert (await known(curious_warehouse, order.order_id))["first_order"] is False


@pytest.mark.parametrize(
    ("address", "unusual"),
    [
        (replace(HOME, line1="  weg   1 ", city="BERLIN", name="Somebody Else"), False),
        (replace(HOME, line2="Back door"), False),
        (replace(HOME, postal_code="10117"), True),
        (replace(HOME, country="AT"), True),
    ],
    ids=["written_otherwise", "more_of_it", "another_code", "another_country"],
)
async def test_an_address_is_unusual_where_parcels_do_not_usually_go(
    address: Address, unusual: bool, curious_warehouse: Warehouse
) -> None:
    for _ in "12":
        await placed(curious_warehouse)
    await placed(curious_warehouse, ELSEWHERE)
    order = await placed(curious_warehouse, address)

    assert (await known(curious_warehouse, order.order_id))["unusual_address"] is unusual


async def test_rejected_orders_say_nothing_about_where_parcels_go(curious_warehouse: Warehouse) -> None:
    for _ in "12":
        order = await placed(curious_warehouse, ELSEWHERE)
        await curious_warehouse.become(order.order_id, OrderStatus.REJECTED)
    await placed(curious_warehouse)
    order = await placed(curious_warehouse)

    assert (await known(curious_warehouse, order.order_id))["unusual_address"] is False


async def test_customers_say_nothing_about_each_other(curious_warehouse: Warehouse) -> None:
    await placed(curious_warehouse)
    order = await placed(curious_warehouse, ELSEWHERE, customer_id="customer-2")

    assert (await known(curious_warehouse, order.order_id))["first_order"] is True
    assert (await known(curious_warehouse, order.order_id))["unusual_address"] is None


async def test_asking_about_a_customer_counts_nothing(curious_warehouse: Warehouse) -> None:
    async with curious_warehouse.database.statement() as connection:
        before = await read_facts(connection, "customer-1")
    await placed(curious_warehouse)
    async with curious_warehouse.database.statement() as connection:
        after = await read_facts(connection, "customer-1")
        again = await read_facts(connection, "customer-1")

    assert (before.first_order, before.orders_within_hour) == (True, 1)
    assert (after.first_order, after.orders_within_hour) == (False, 2)
    assert again == after
    assert await curious_warehouse.count(orders) == 1
