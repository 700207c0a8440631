"""
Taking over orders whose parcels may be with the second carrier, when the ledger that knew it is lost or too old.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.recovery import FindOperations
from fulfillment.contracts.shipping import ShipmentCancellation
from fulfillment.db.tables import operations
from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.settings import Settings
from tests.activities.shop import Shop
from tests.activities.two_carriers import ALL_DOWN, FAILURES, at, fail
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient

BOOK = OperationKind.BOOK
Lose = Callable[[Shop, OrderId], Awaitable[None]]


@pytest.fixture
def settings(make_settings: MakeSettings, two_carriers: dict[str, Any]) -> Settings:
    return make_settings(**two_carriers)


async def look(shop: Shop, order_id: OrderId) -> None:
    """The carriers are asked, twice."""
    for _ in range(2):
        await shop.activities.recovery.find_shipments(FindOperations(order_id=order_id))


async def booked_unheard(shop: Shop) -> OrderId:
    """An order whose parcel is with the second carrier, which only that carrier knows."""
    order_id = await shop.placed(postal_code="TEST-LOST-ANSWER")
    shop.control(**ALL_DOWN)
    await fail(shop, order_id)
    with pytest.raises(OutcomeUnknown):
        await shop.book(order_id)
    shop.control()
    return order_id


async def put_back(shop: Shop, order_id: OrderId) -> None:
    """The ledger is put back to the minute before the booking was handed on."""
    before = {"provider": "sandbox", "state": "intended", "attempts": FAILURES, "not_done": FAILURES}
    async with shop.warehouse.database.statement() as connection:
        await connection.execute(update(operations).where(operations.c.order_id == order_id).values(before))


async def carriers_of(shop: Shop, order_id: OrderId) -> dict[str, str]:
    """Whom the ledger names, by kind and number."""
    async with shop.warehouse.database.statement() as connection:
        rows = await connection.execute(operations.select().where(operations.c.order_id == order_id))
        return {f"{row.kind}:{row.n}": row.provider for row in rows}


@pytest.mark.parametrize("lose", [Shop.forget_ledger, put_back])
async def test_a_parcel_at_the_second_carrier_is_found_and_not_booked_again(
    shop: Shop, second: SandboxClient, lose: Lose
) -> None:
    order_id = await booked_unheard(shop)
    await lose(shop, order_id)
    await look(shop, order_id)
    entry = await shop.entry(order_id, BOOK)
    assert (entry.provider, entry.state, entry.attempts - entry.not_done) == ("second", "unknown", 1)

    assert (await shop.book(order_id)).carrier == "second"
    assert (shop.parcels(order_id), at(second, order_id)) == ([], ["booked"])


@pytest.mark.parametrize("lose", [Shop.forget_ledger, put_back])
async def test_a_parcel_at_the_second_carrier_is_found_and_does_not_leave(
    shop: Shop, second: SandboxClient, lose: Lose
) -> None:
    order_id = await booked_unheard(shop)
    await lose(shop, order_id)
    await look(shop, order_id)

    assert (await shop.cancel(order_id)).outcome is ShipmentCancellation.DONE
    assert (shop.parcels(order_id), at(second, order_id)) == ([], ["cancelled"])


async def test_parcels_are_found_whoever_has_which(shop: Shop, second: SandboxClient) -> None:
    order_id = await booked_unheard(shop)
    second.booked(key=operation_key(order_id, BOOK, 2), order_id=str(order_id))
    shop.sandbox.booked(key=operation_key(order_id, BOOK, 3), order_id=str(order_id))
    await shop.forget_ledger(order_id)
    await look(shop, order_id)

    assert await carriers_of(shop, order_id) == {"book:1": "second", "book:2": "second", "book:3": "sandbox"}


async def test_a_parcel_that_was_kept_back_by_the_second_carrier_stays_so(shop: Shop, second: SandboxClient) -> None:
    order_id = await booked_unheard(shop)
    await shop.cancel(order_id)
    await shop.forget_ledger(order_id)
    await look(shop, order_id)

    assert await carriers_of(shop, order_id) == {"book:1": "second", "cancel:1": "second"}
    assert at(second, order_id) == ["cancelled"]
