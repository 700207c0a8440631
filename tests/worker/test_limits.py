"""
The rate of payment steps: kept by the Temporal server, for all workers together.
"""

import asyncio
import time
from contextlib import AsyncExitStack

from temporalio.client import Client

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import TaskQueue
from fulfillment.domain.orders import OrderStatus
from fulfillment.settings import Worker as WorkerSettings
from fulfillment.worker.main import build_worker
from tests.fakes.activities import Script, fake_activities
from tests.fakes.orders import an_event, an_order
from tests.workflows.running import start

ORDERS, RATE = 8, 2.0
# Each order authorises and captures; the server lets about a second's worth through at once.
AT_LEAST = (2 * ORDERS - RATE - 2) / RATE


async def seconds_of(server: str, script: Script, settings: WorkerSettings) -> float:
    """How long it takes until all orders are delivered, with two workers of payments."""
    clients = [await Client.connect(server, data_converter=data_converter(None)) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for client, roles in zip(clients, (list(TaskQueue), [TaskQueue.PAYMENTS]), strict=True):
            for role in roles:
                await stack.enter_async_context(build_worker(client, role, fake_activities(script), settings))
        orders = [an_order() for _ in range(ORDERS)]
        began = time.monotonic()
        handles = [await start(clients[0], order, an_event(order.order_id, "delivered")) for order in orders]
        results = await asyncio.gather(*(handle.result() for handle in handles))
        took = time.monotonic() - began
    assert {result.status for result in results} == {OrderStatus.DELIVERED}
    return took


async def test_payment_steps_of_all_workers_together_keep_to_the_rate_and_nobody_is_rejected(
    own_temporal_server: str,
) -> None:
    limited, unlimited = Script(), Script()
    took = await seconds_of(own_temporal_server, limited, WorkerSettings(pollers=2, payments_per_second=RATE))

    assert took >= AT_LEAST
    assert [call.attempt for call in limited.attempts("capture_payment")] == [1] * ORDERS
    assert await seconds_of(own_temporal_server, unlimited, WorkerSettings(pollers=2)) < AT_LEAST
