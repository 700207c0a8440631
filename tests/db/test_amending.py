"""
Lines and address of an order change as a whole or not at all, and its stock with them.
"""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from fulfillment.contracts.messages import Readdress
from fulfillment.contracts.orders import Address, Line
from fulfillment.contracts.steps import Changed, ReaddressOrder
from fulfillment.db.engine import Database
from fulfillment.db.tables import order_events, order_lines, stock_movements
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import a_line, an_order
from tests.fakes.policies import DEAR, a_policy
from tests.fakes.warehouse import Warehouse

S = OrderStatus


@pytest.fixture
async def waiting(warehouse: Warehouse) -> OrderId:
    """An order that waits for a payment and holds 2 of 5 lamps; there are 3 vases, too."""
    await warehouse.stocked(LAMP=5, VASE=3)
    order = an_order(token=None)
    await warehouse.place(order)
    return order.order_id


async def lines_of(warehouse: Warehouse, order_id: OrderId) -> list[tuple[str, int, int]]:
    columns = order_lines.c
    rows = select(columns.sku, columns.quantity, columns.unit_price).where(columns.order_id == order_id)
    async with warehouse.database.statement() as connection:
        return [tuple(row) for row in await connection.execute(rows.order_by(columns.position))]


async def last_fact(warehouse: Warehouse, order_id: OrderId) -> Any:
    rows = select(order_events).where(order_events.c.order_id == order_id).order_by(order_events.c.sequence.desc())
    async with warehouse.database.statement() as connection:
        return (await connection.execute(rows.limit(1))).one()


async def test_new_lines_replace_the_old_ones_and_only_the_difference_moves(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    changed = await warehouse.amend(waiting, a_line("VASE", 3, 100), a_line("LAMP", 1, 1500))
    row = await warehouse.order(waiting)

    assert changed == Changed(status=S.AWAITING_PAYMENT, total=Money(1800, "EUR"), version=2)
    assert (row.status, row.total, row.version, row.stock) == ("awaiting_payment", 1800, 2, "held")
    assert await lines_of(warehouse, waiting) == [("VASE", 3, 100), ("LAMP", 1, 1500)]
    assert (await warehouse.figures("LAMP"), await warehouse.figures("VASE")) == ((5, 1), (3, 3))
    assert await warehouse.count(stock_movements, kind="held", sku="VASE", reserved_delta=3) == 1
    assert await warehouse.count(stock_movements, kind="released", sku="LAMP", reserved_delta=-1) == 1
    fact = await last_fact(warehouse, waiting)
    assert (fact.kind, fact.actor) == ("order_amended", "shop")
    assert (fact.data["old_total"]["amount"], fact.data["new_total"]["amount"]) == (3000, 1800)


async def test_what_the_order_holds_itself_is_its_own_to_use(warehouse: Warehouse, waiting: OrderId) -> None:
    assert (await warehouse.amend(waiting, a_line("LAMP", 5))).refusal is None

    assert await warehouse.figures("LAMP") == (5, 5)


@pytest.mark.parametrize(
    ("lines", "version", "code"),
    [
        ((a_line("LAMP", 1), a_line("VASE", 4)), None, "stock_short"),
        ((a_line("LAMP", 6),), None, "stock_short"),
        ((a_line("LAMP", 1), a_line("GHOST", 1)), None, "unknown_sku"),
        ((a_line("LAMP", 1),), 7, "precondition_failed"),
    ],
    ids=["one_is_short", "more_of_the_same", "unknown", "changed_meanwhile"],
)
async def test_a_change_that_is_refused_changes_nothing(
    lines: tuple[Line, ...], version: int | None, code: str, warehouse: Warehouse, waiting: OrderId
) -> None:
    before = await warehouse.order(waiting)
    changed = await warehouse.amend(waiting, *lines, version=version)

    assert changed == Changed(status=S.AWAITING_PAYMENT, total=Money(3000, "EUR"), version=1, refusal=code)
    assert await warehouse.order(waiting) == before
    assert await lines_of(warehouse, waiting) == [("LAMP", 2, 1500)]
    assert (await warehouse.figures("LAMP"), await warehouse.figures("VASE")) == ((5, 2), (3, 0))


async def test_a_repeated_change_finds_its_fact_although_the_version_has_moved_on(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    first = await warehouse.amend(waiting, a_line("LAMP", 3), version=1)
    again = await warehouse.amend(waiting, a_line("LAMP", 3), version=1)
    other = await warehouse.amend(waiting, a_line("LAMP", 4), version=1, n=2)

    assert (first.version, first.refusal) == (2, None)
    assert again == first
    assert other.refusal == "precondition_failed"


async def test_an_order_that_costs_nothing_any_more_is_processed_without_a_card(
    database: Database, settings: Settings
) -> None:
    warehouse = Warehouse.on(database, settings, a_policy())
    await warehouse.stocked(LAMP=5)
    order = an_order(a_line("LAMP", 2, DEAR))
    assert (await warehouse.place(order)).status is S.AWAITING_APPROVAL
    changed = await warehouse.amend(order.order_id, a_line("LAMP", 1, 0))
    row = await warehouse.order(order.order_id)

    assert (changed.status, changed.total) == (S.PROCESSING, Money(0, "EUR"))
    assert (row.status, row.total) == ("processing", 0)
    assert (row.payment_method, row.payment_token, row.payment_token_key) == (None, None, None)


async def test_lines_in_another_currency_change_the_currency(warehouse: Warehouse, waiting: OrderId) -> None:
    line = Line(sku=a_line().sku, name="Lamp", quantity=1, unit_price=Money(90, "JPY"))
    changed = await warehouse.amend(waiting, line)

    assert changed.total == Money(90, "JPY")
    assert (await warehouse.order(waiting)).currency == "JPY"


async def test_what_was_amended_is_what_is_released_and_what_leaves(warehouse: Warehouse, waiting: OrderId) -> None:
    await warehouse.amend(waiting, a_line("VASE", 2))
    await warehouse.begin_rejection(waiting)
    await warehouse.release(waiting)

    assert (await warehouse.figures("LAMP"), await warehouse.figures("VASE")) == ((5, 0), (3, 0))


async def test_orders_that_are_amended_and_placed_in_opposite_order_never_wait_in_a_circle(
    warehouse: Warehouse,
) -> None:
    skus = [f"SKU-{n}" for n in range(6)]
    await warehouse.stocked(**dict.fromkeys(skus, 1000))
    orders = [an_order(*(a_line(sku, 1) for sku in skus[:3]), token=None) for _ in range(8)]
    for order in orders:
        await warehouse.place(order)
    amended = (
        warehouse.amend(order.order_id, *(a_line(sku, 2) for sku in skus[::-1]), n=n)
        for n in range(3)
        for order in orders
    )
    placed = (warehouse.place(an_order(*(a_line(sku, 1) for sku in skus[::step]))) for step in (1, -1) * 12)
    changes = await asyncio.wait_for(asyncio.gather(*amended, *placed), timeout=30)

    assert not [change for change in changes if isinstance(change, Changed) and change.refusal]
    assert [await warehouse.figures(sku) for sku in skus] == [(1000, 8 * 2 + 24)] * 6


async def test_of_changes_made_at_once_on_the_same_version_one_is_made(warehouse: Warehouse, waiting: OrderId) -> None:
    changes = await asyncio.gather(*(warehouse.amend(waiting, a_line("LAMP", n), n=n, version=1) for n in range(1, 6)))

    assert sorted(change.refusal or "" for change in changes) == ["", *["precondition_failed"] * 4]
    assert (await warehouse.order(waiting)).version == 2


def readdressing(order_id: OrderId, version: int | None = None) -> ReaddressOrder:
    address = Address(name="Ada Lovelace", line1="Weg 2", city="Graz", country="AT")
    return ReaddressOrder(
        order_id=order_id, n=1, change=Readdress(address=address, actor="shop", expected_version=version)
    )


async def test_another_address_replaces_the_old_one_and_only_its_country_is_told(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    changed = await warehouse.steps.readdress_order(readdressing(waiting, 1))
    row, fact = await warehouse.order(waiting), await last_fact(warehouse, waiting)

    assert changed == Changed(status=S.AWAITING_PAYMENT, total=Money(3000, "EUR"), version=2)
    assert (row.shipping_address["city"], row.shipping_address["postal_code"]) == ("Graz", None)
    assert (fact.kind, fact.data) == ("address_changed", {"country": "AT"})


async def test_an_address_for_an_order_that_was_changed_meanwhile_is_refused(
    warehouse: Warehouse, waiting: OrderId
) -> None:
    changed = await warehouse.steps.readdress_order(readdressing(waiting, 4))

    assert (changed.refusal, changed.version) == ("precondition_failed", 1)
    assert (await warehouse.order(waiting)).shipping_address["city"] == "Berlin"
