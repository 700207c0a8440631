"""
Placing an order: all of its stock or none, once, whoever else is placing.
"""

import asyncio

import pytest

from fulfillment.contracts.steps import PlacementOutcome
from fulfillment.db.tables import order_events, order_lines, orders, stock_movements
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import TERMS, a_line, an_order
from tests.fakes.warehouse import Warehouse

PLACED, REJECTED = PlacementOutcome.PLACED, PlacementOutcome.REJECTED


async def test_a_placed_order_holds_all_of_its_stock(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=5, VASE=1)
    order = an_order(a_line("LAMP", 2, 1500), a_line("VASE", 1, 999))
    placement = await warehouse.place(order)

    assert (placement.outcome, placement.status) == (PLACED, OrderStatus.PROCESSING)
    assert (placement.total, placement.terms) == (Money(3999, "EUR"), TERMS)
    assert (await warehouse.figures("LAMP"), await warehouse.figures("VASE")) == ((5, 2), (1, 1))
    assert await warehouse.events(order.order_id) == ["order_received", "stock_held"]
    assert await warehouse.count(order_lines, order_id=order.order_id) == 2


async def test_an_order_without_a_payment_waits_for_one_with_its_stock_held(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=5)
    order = an_order(token=None)
    placement = await warehouse.place(order)

    assert placement.status is OrderStatus.AWAITING_PAYMENT
    assert await warehouse.figures("LAMP") == (5, 2)
    assert (await warehouse.events(order.order_id))[-1] == "payment_requested"


@pytest.mark.parametrize(
    ("sku", "code"), [("VASE", "stock_short"), ("GHOST", "unknown_sku")], ids=["a_short_one", "an_unknown_one"]
)
async def test_an_order_with_one_line_that_cannot_be_held_holds_nothing(
    sku: str, code: str, warehouse: Warehouse
) -> None:
    await warehouse.stocked(LAMP=5, VASE=1)
    order = an_order(a_line("LAMP", 2), a_line(sku, 2))
    placement = await warehouse.place(order)
    row = await warehouse.order(order.order_id)

    assert (placement.outcome, placement.status) == (REJECTED, OrderStatus.REJECTED)
    assert (row.failure_code, row.stock, row.payment_token) == (code, "none", None)
    assert (await warehouse.figures("LAMP"), await warehouse.figures("VASE")) == ((5, 0), (1, 0))
    assert await warehouse.events(order.order_id) == ["order_received", "order_rejected"]


@pytest.mark.parametrize("pieces", [5, 1], ids=["held", "short"])
async def test_placing_again_for_the_same_run_says_the_same_and_doubles_nothing(
    pieces: int, warehouse: Warehouse
) -> None:
    await warehouse.stocked(LAMP=pieces)
    order = an_order()
    first = await warehouse.place(order)
    again = await warehouse.place(order)

    assert again == first
    assert await warehouse.figures("LAMP") in {(5, 2), (1, 0)}
    assert await warehouse.count(order_lines) == 1
    assert await warehouse.count(order_events) == 2


async def test_the_same_step_twice_at_once_places_one_order(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=100)
    order = an_order()
    placements = await asyncio.gather(*(warehouse.place(order) for _ in range(8)))

    assert {placement.outcome for placement in placements} == {PLACED}
    assert await warehouse.figures("LAMP") == (100, 2)
    assert await warehouse.count(orders) == 1


async def test_another_run_of_the_same_order_is_a_duplicate_that_touches_nothing(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=5)
    order = an_order()
    await warehouse.place(order, "run-1")
    before = await warehouse.order(order.order_id)
    placement = await warehouse.place(order, "run-2")

    assert placement.outcome is PlacementOutcome.DUPLICATE
    assert await warehouse.order(order.order_id) == before
    assert await warehouse.figures("LAMP") == (5, 2)


async def test_two_orders_race_for_a_reference_and_one_gets_it(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=50)
    for n in range(10):
        both = [an_order(reference=f"R-{n}") for _ in range(2)]
        placements = await asyncio.gather(*(warehouse.place(order) for order in both))
        rows = [await warehouse.order(order.order_id) for order in both]

        assert sorted(placement.outcome for placement in placements) == [PLACED, REJECTED]
        assert sorted((row.status, row.failure_code or "") for row in rows) == [
            ("processing", ""),
            ("rejected", "reference_taken"),
        ]
    assert await warehouse.figures("LAMP") == (50, 20)


async def test_the_reference_of_a_rejected_order_is_free_again(warehouse: Warehouse) -> None:
    rejected = await warehouse.place(an_order(reference="R-1"))
    await warehouse.stocked(LAMP=5)
    placed = await warehouse.place(an_order(reference="R-1"))

    assert (rejected.outcome, placed.outcome) == (REJECTED, PLACED)


async def test_two_customers_may_use_the_same_reference(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=5)
    placements = [await warehouse.place(an_order(reference="R-1", customer_id=name)) for name in ("a", "b")]

    assert {placement.outcome for placement in placements} == {PLACED}


async def test_a_hundred_pieces_make_a_hundred_orders_however_many_want_one(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=100)
    placements = await asyncio.gather(*(warehouse.place(an_order(a_line(quantity=1))) for _ in range(200)))

    assert sum(placement.outcome is PLACED for placement in placements) == 100
    assert await warehouse.figures("LAMP") == (100, 100)
    assert await warehouse.count(stock_movements, kind="held") == 100


async def test_orders_that_name_their_articles_in_any_order_never_wait_in_a_circle(warehouse: Warehouse) -> None:
    skus = [f"SKU-{n}" for n in range(6)]
    await warehouse.stocked(**dict.fromkeys(skus, 1000))
    for n in range(4):
        # Every rotation, forwards and backwards, at the same time.
        turned = [skus[first:] + skus[:first] for first in range(6)]
        wanted = [some[: 2 + n] for some in (*turned, *(some[::-1] for some in turned)) for _ in range(3)]
        placements = await asyncio.gather(
            *(warehouse.place(an_order(*(a_line(sku, 1) for sku in some))) for some in wanted)
        )
        assert {placement.outcome for placement in placements} == {PLACED}
    # Each article is in 2 + n of the 6 rotations, three times, in both directions.
    assert [await warehouse.figures(sku) for sku in skus] == [(1000, sum(6 * (2 + n) for n in range(4)))] * 6


async def test_a_test_order_holds_nothing_and_frees_nothing(warehouse: Warehouse) -> None:
    await warehouse.stocked(**{"TEST-ORDER": 3})
    order = an_order(a_line("TEST-ORDER", 2), token=None, test=True)
    placement = await warehouse.place(order)
    assert (placement.outcome, placement.status) == (PLACED, OrderStatus.AWAITING_PAYMENT)

    await warehouse.begin_rejection(order.order_id)
    await warehouse.release(order.order_id)
    await warehouse.end_rejection(order.order_id)

    assert await warehouse.figures("TEST-ORDER") == (3, 0)
    assert (await warehouse.order(order.order_id)).status == "rejected"


async def test_a_card_token_is_stored_encrypted_for_its_order_alone(warehouse: Warehouse) -> None:
    await warehouse.stocked(LAMP=5)
    order = an_order(token="tok_visa")
    await warehouse.place(order)
    row = await warehouse.order(order.order_id)

    assert b"tok_visa" not in row.payment_token
    assert row.payment_token_key == "payloads"
    assert "tok_visa" not in str(row._mapping)
