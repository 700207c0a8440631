"""
What is only trouble (a database or a provider that is away, a bug) delays an order and never ends it.
"""

from datetime import timedelta

import pytest

from fulfillment.contracts.orders import OrderResult
from fulfillment.domain.errors import CarrierRefused, OutcomeUnknown, PaymentDeclined, ProviderUnavailable
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import an_order
from tests.workflows.running import RunningOrders

DELIVERED = OrderResult(status=OrderStatus.DELIVERED)


async def test_a_database_step_that_fails_locally_goes_on_remotely(orders: RunningOrders, script: Script) -> None:
    script.fail("place_order", *[OSError("the database is away")] * 4)
    order = an_order()

    assert await orders.deliver(order, await orders.start(order)) == DELIVERED
    where = [call.is_local for call in script.attempts("place_order")]
    assert where == [True, True, True, False, False]
    assert script.steps.count("place_order") == 1


async def test_a_database_that_is_away_for_an_hour_ends_no_order(orders: RunningOrders, script: Script) -> None:
    order = an_order()
    script.always_fail("reject_order", OSError("the database is away"))
    script.fail("authorize_payment", PaymentDeclined())
    handle = await orders.start(order)
    await script.reached("reject_order", times=4)
    await orders.environment.sleep(timedelta(hours=1))
    assert len(script.attempts("reject_order")) > 50
    script.fail("reject_order")

    assert await handle.result() == OrderResult(status=OrderStatus.REJECTED)
    assert script.steps[-1] == "reject_order"


@pytest.mark.parametrize("step", ["authorize_payment", "book_shipment", "capture_payment"])
async def test_an_order_cancelled_through_temporal_is_not_left_half_done(
    step: str, orders: RunningOrders, script: Script
) -> None:
    script.fail(step, *[ProviderUnavailable("provider")] * 3)
    order = an_order()
    handle = await orders.start(order)
    await script.reached(step)
    await handle.cancel()

    assert await orders.deliver(order, handle) == DELIVERED


async def test_an_order_cancelled_through_temporal_while_its_parcel_travels_is_still_followed(
    orders: RunningOrders, script: Script
) -> None:
    order = an_order()
    handle = await orders.start(order)
    await script.reached("capture_payment")
    await handle.cancel()

    assert await orders.deliver(order, handle) == DELIVERED


BUGS = (KeyError("id"), ValueError("not JSON"), RuntimeError(FailureCode.CARRIER_REFUSED))


@pytest.mark.parametrize("step", ["authorize_payment", "book_shipment", "capture_payment"])
async def test_a_bug_in_a_provider_step_is_retried_and_refuses_nothing(
    step: str, orders: RunningOrders, script: Script
) -> None:
    script.fail(step, *BUGS)
    order = an_order()
    result = await orders.deliver(order, await orders.start(order))

    assert result == DELIVERED
    assert "begin_rejection" not in script.steps


async def test_an_undo_is_tried_until_it_is_done(orders: RunningOrders, script: Script) -> None:
    script.always_fail("book_shipment", CarrierRefused())
    script.fail("reverse_payment", *BUGS, ProviderUnavailable("payment provider"))

    assert await orders.run(an_order()) == OrderResult(status=OrderStatus.REJECTED)
    assert script.steps[-3:] == ["reverse_payment", "release_stock", "reject_order"]


@pytest.mark.parametrize("trouble", [ProviderUnavailable("carrier"), OutcomeUnknown("carrier POST parcels")])
async def test_a_provider_that_is_away_for_a_while_delays_the_order(
    trouble: Exception, orders: RunningOrders, script: Script
) -> None:
    script.fail("book_shipment", *[trouble] * 30)
    order = an_order()

    assert await orders.deliver(order, await orders.start(order)) == DELIVERED
    attempts = script.attempts("book_shipment")
    assert [call.attempt for call in attempts] == list(range(1, 32))


async def test_a_provider_says_when_it_is_to_be_asked_again(orders: RunningOrders, script: Script) -> None:
    script.fail("authorize_payment", ProviderUnavailable("payment provider", timedelta(hours=5)))
    order = an_order()
    began = await orders.environment.get_current_time()
    await orders.deliver(order, await orders.start(order))

    assert await orders.environment.get_current_time() - began >= timedelta(hours=5)
