"""
What becomes of a change when its workflow ends, fails or does not know it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.worker import Worker

from fulfillment.contracts.messages import Amend, Cancel, Readdress
from fulfillment.contracts.naming import order_workflow_id
from fulfillment.domain.errors import Unavailable
from fulfillment.domain.ids import OrderId
from fulfillment.orchestrator import OrderEnded, OrderOrchestrator
from tests.api.carrier import order_of
from tests.api.odd_workflow import OddWorkflow
from tests.fakes.orders import a_line, an_order

CANCEL = Cancel(actor="a", reason="r")


@pytest.fixture
async def odd(temporal: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    queue = f"odd-{uuid4()}"
    async with Worker(temporal, task_queue=queue, workflows=[OddWorkflow]):
        handle = await temporal.start_workflow(
            OddWorkflow.run, id=order_workflow_id(OrderId(uuid4())), task_queue=queue
        )
        yield handle
        if (await handle.describe()).close_time is None:
            await handle.terminate()


async def test_a_change_whose_workflow_ended_before_its_answer_is_one_of_an_ended_order(
    odd: WorkflowHandle[Any, Any], temporal: Client
) -> None:
    orders = OrderOrchestrator(temporal)

    for _ in range(2):
        with pytest.raises(OrderEnded):
            await orders.cancel(order_of(odd), CANCEL, "cancel:1")
    assert await orders.accepted(order_of(odd), "cancel:1", Cancel) == CANCEL


async def test_a_change_of_an_order_nobody_knows_is_one_of_an_ended_order(temporal: Client) -> None:
    orders, unknown = OrderOrchestrator(temporal), OrderId(uuid4())

    with pytest.raises(OrderEnded):
        await orders.cancel(unknown, CANCEL, "cancel:1")
    assert await orders.accepted(unknown, "cancel:1", Cancel) is None


async def test_a_failure_without_a_code_of_ours_stays_a_bug(odd: WorkflowHandle[Any, Any], temporal: Client) -> None:
    with pytest.raises(WorkflowUpdateFailedError):
        await OrderOrchestrator(temporal).amend(order_of(odd), Amend(lines=(a_line(),), actor="a"), "amend:1")


async def test_a_bug_of_the_workflow_refuses_nothing(odd: WorkflowHandle[Any, Any], temporal: Client) -> None:
    orders = OrderOrchestrator(temporal, timedelta(seconds=1))
    change = Readdress(address=an_order().shipping_address, actor="a")

    for _ in range(2):
        with pytest.raises(Unavailable):
            await orders.readdress(order_of(odd), change, "readdress:1")
