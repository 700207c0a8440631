"""
Another payment provider is configured while orders are open at the one before.
"""

from collections.abc import AsyncIterator

import pytest

from fulfillment import bootstrap
from fulfillment.activities.providers import UnknownPaymentProvider
from fulfillment.db.engine import Database
from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from tests.activities.shop import Shop
from tests.fakes.warehouse import Warehouse
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient

AUTHORIZE = OperationKind.AUTHORIZE


@pytest.fixture
async def after(
    make_settings: MakeSettings, database: Database, second: SandboxClient, sandbox: SandboxClient
) -> AsyncIterator[Shop]:
    """The same shop, started again with another provider."""
    carrier = {"url": str(sandbox.base_url)}
    settings = make_settings(payments={"name": "second", "url": str(second.base_url)}, carriers=carrier)
    async with bootstrap.activities(settings, database) as wired:
        yield Shop(Warehouse.on(database, settings), wired, second)


async def set_aside_unheard_of(shop: Shop) -> OrderId:
    """The provider has done it, and its answer was lost."""
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    return order_id


async def test_money_that_may_be_set_aside_at_one_provider_is_not_set_aside_at_another(shop: Shop, after: Shop) -> None:
    order_id = await set_aside_unheard_of(shop)

    with pytest.raises(UnknownPaymentProvider, match="sandbox"):
        await after.authorize(order_id)

    assert after.balance(order_id) == (0, 0, 0)
    await shop.authorize(order_id)
    assert (await shop.state(order_id, AUTHORIZE), shop.balance(order_id)) == ("done", (3000, 0, 0))


async def test_money_is_taken_and_freed_where_it_is_set_aside_or_nowhere(shop: Shop, after: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)

    with pytest.raises(UnknownPaymentProvider):
        await after.capture(order_id)
    with pytest.raises(UnknownPaymentProvider):
        await after.reverse(order_id)

    assert (await shop.warehouse.order(order_id)).payment_status == "authorized"
    await shop.reverse(order_id)
    assert shop.balance(order_id) == (0, 0, 0)


async def test_orders_that_are_paid_from_then_on_are_paid_at_the_new_one(shop: Shop, after: Shop) -> None:
    order_id = await shop.placed()

    await after.authorize(order_id)
    await after.capture(order_id)

    assert (shop.balance(order_id), after.balance(order_id)) == ((0, 0, 0), (0, 3000, 0))
