"""
Taking an old order over: what neither our books nor the provider's know of may have happened all the same.
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from fulfillment.db.tables import order_events
from fulfillment.domain.errors import CannotTell
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from tests.activities.shop import MEMORY, Shop
from tests.activities.test_recovery import (
    AUTHORIZE,
    BOOK,
    CAPTURE,
    ledger,
    look,
    standing,
    take_over,
)
from tests.fakes.orders import a_line, an_order

LONG_AGO = MEMORY + timedelta(minutes=1)


async def aged(shop: Shop, order_id: OrderId, by: timedelta = LONG_AGO) -> None:
    """The order was accepted, and written down, so long ago."""
    row = await shop.warehouse.order(order_id)
    await shop.warehouse.become(order_id, row.status, accepted_at=row.accepted_at - by)
    moved = update(order_events).where(order_events.c.order_id == order_id).values(at=order_events.c.at - by)
    async with shop.warehouse.database.statement() as connection:
        await connection.execute(moved)


async def test_what_providers_may_have_forgotten_is_asked_of_an_operator_and_not_done_again(shop: Shop) -> None:
    order_id = await shop.placed()
    await aged(shop, order_id)

    await look(shop, order_id)

    assert await ledger(shop, order_id) == dict.fromkeys(("authorize:1", "capture:1", "book:1"), "unknown")
    entry = await shop.entry(order_id, AUTHORIZE)
    assert (entry.created_at, entry.attempts) == ((await shop.warehouse.order(order_id)).accepted_at, 1)
    for step in (shop.authorize, shop.capture, shop.book):
        with pytest.raises(CannotTell):
            await step(order_id)
    assert (shop.ledger(order_id), shop.parcels(order_id)) == ([], [])


async def test_what_providers_remember_is_no_question_however_old_the_order_is(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.book(order_id)
    await shop.forget_ledger(order_id)
    await aged(shop, order_id)

    await look(shop, order_id)
    parcel = await shop.book(order_id)

    accepted_at = (await shop.warehouse.order(order_id)).accepted_at
    entries = {kind: await shop.entry(order_id, kind) for kind in (AUTHORIZE, BOOK, CAPTURE)}
    assert [kind for kind, entry in entries.items() if entry.created_at == accepted_at] == [CAPTURE]
    assert [found["tracking_number"] for found in shop.sandbox.parcels(str(order_id))] == [parcel.tracking_number]


async def test_as_long_as_providers_remember_what_they_do_not_know_never_happened(shop: Shop) -> None:
    order_id = await shop.placed()
    await aged(shop, order_id, MEMORY - timedelta(hours=1))

    await look(shop, order_id)

    assert await ledger(shop, order_id) == {}


async def test_an_order_that_never_had_a_card_has_not_begun(shop: Shop) -> None:
    order_id = await shop.placed(token=None)
    await aged(shop, order_id)
    await look(shop, order_id)
    await shop.begin_undo(order_id)
    await look(shop, order_id)

    assert await ledger(shop, order_id) == {}


async def test_a_row_that_was_written_anew_does_not_know_whether_it_had_a_card(shop: Shop) -> None:
    order = an_order(token=None, accepted_at=datetime.now(UTC) - LONG_AGO)
    await shop.warehouse.stocked_up("LAMP")
    await take_over(shop, order)

    await look(shop, order.order_id)

    assert set(await ledger(shop, order.order_id)) == {"authorize:1", "capture:1", "book:1"}
    assert (await standing(shop, order.order_id)).status is OrderStatus.AWAITING_PAYMENT


async def test_nobody_is_asked_about_money_of_a_free_order(shop: Shop) -> None:
    order_id = await shop.placed(a_line(price=0), token=None)
    await aged(shop, order_id)

    await look(shop, order_id)

    assert await ledger(shop, order_id) == {"book:1": "unknown"}


async def test_after_a_card_was_declined_nothing_can_have_been_taken(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    with pytest.raises(Exception, match="declined"):
        await shop.authorize(order_id, another_card=True)
    await aged(shop, order_id)

    await look(shop, order_id)

    assert await ledger(shop, order_id) == {"authorize:1": "refused"}
