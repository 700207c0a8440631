"""
Order workflows on workers like those of production, with fake steps.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from fulfillment.contracts.naming import TaskQueue, order_workflow_id
from fulfillment.contracts.orders import CarrierEvent, OrderResult, StartOrder
from fulfillment.settings import Worker as WorkerSettings
from fulfillment.worker.main import build_worker
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script, fake_activities
from tests.fakes.orders import an_event

OrderHandle = WorkflowHandle[OrderWorkflow, OrderResult]


@asynccontextmanager
async def order_workers(
    client: Client, script: Script, *, cached: int = 1000, roles: Iterable[TaskQueue] = TaskQueue
) -> AsyncIterator[None]:
    """All roles of the service, their steps played by a script; with none `cached` each task is a replay."""
    async with AsyncExitStack() as stack:
        for role in roles:
            worker = build_worker(
                client, role, fake_activities(script), WorkerSettings(pollers=2, cached_workflows=cached)
            )
            await stack.enter_async_context(worker)
        yield


async def start(client: Client, order: StartOrder, early: CarrierEvent | None = None) -> OrderHandle:
    """Start an order; an early event is in its history before its first step."""
    return await client.start_workflow(
        OrderWorkflow.run,
        order,
        id=order_workflow_id(order.order_id),
        task_queue=TaskQueue.ORDERS,
        start_signal="carrier_event" if early else None,
        start_signal_args=[early] if early else [],
    )


@dataclass(frozen=True)
class RunningOrders:
    """Orders on one server that skips time."""

    environment: WorkflowEnvironment
    script: Script

    async def start(self, order: StartOrder, early: CarrierEvent | None = None) -> OrderHandle:
        """Start an order."""
        return await start(self.environment.client, order, early)

    async def run(self, order: StartOrder) -> OrderResult:
        """An order from its start to its end, however long it waits."""
        return await (await self.start(order)).result()

    async def deliver(self, order: StartOrder, handle: OrderHandle) -> OrderResult:
        """The carrier's last word about an order, and how it ends."""
        await handle.signal(OrderWorkflow.carrier_event, an_event(order.order_id, "delivered"))
        return await handle.result()

    async def pass_days_until(self, step: str) -> int:
        """Let days go by until a step is begun; how many it took."""
        days = 0
        while not self.script.attempts(step):
            assert days < 100, f"{step} never came"
            await self.environment.sleep(timedelta(days=1))
            # Time is skipped faster than a worker picks up what has become due.
            await asyncio.sleep(0.01)
            days += 1
        return days
