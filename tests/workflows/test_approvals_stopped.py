"""
Orders and their requests are stopped, reset and taken over on a real server: votes are kept, and nobody is asked twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import TaskQueue
from fulfillment.contracts.orders import OrderResult, Resume
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.orders import OrderStatus
from fulfillment.worker.registry import activities_on
from fulfillment.worker.sandbox import workflow_runner
from tests.fakes.activities import Script, fake_activities
from tests.fakes.approvals import a_plan
from tests.fakes.orders import an_order
from tests.fakes.recovery import LEFT_IN_PROCESSING
from tests.fixtures.waiting import until
from tests.workflows.approving import MANAGER, OPEN, SETTLE, WRITE, Approving, awaiting
from tests.workflows.rows import row
from tests.workflows.run_id_child import NamedAfterTheRun
from tests.workflows.running import OrderHandle, RunningOrders, order_workers
from tests.workflows.stories import CANCELLED, CAPTURE, PLACE, STOCK, begun, code_of_refusal

TWO = a_plan("manager", quorum=2)
TASK_DONE, TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


async def reset(approving: Approving, task: int) -> list[HistoryEvent]:
    """Run the order again from one of its tasks on (0: the first, -1: the last); the new history so far."""
    handle, client = approving.order.handle, approving.order.orders.environment.client
    tasks = [event.event_id for event in (await handle.fetch_history()).events if event.event_type == TASK_DONE]
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="test",
            request_id=str(uuid4()),
            workflow_task_finish_event_id=tasks[task],
        )
    )
    again = client.get_workflow_handle(handle.id, run_id=answer.run_id)

    async def is_tried() -> bool:
        # The first failed task of the new run is the reset itself.
        kinds = [event.event_type for event in (await again.fetch_history()).events]
        tried = kinds[kinds.index(TASK_FAILED) + 1 :]
        return TASK_DONE in tried or TASK_FAILED in tried

    await until(is_tried)
    return list((await again.fetch_history()).events)


def of_another_kind(history: list[HistoryEvent]) -> bool:
    """Whether the code and the history do not fit together."""
    causes = [event.workflow_task_failed_event_attributes.cause for event in history if event.event_type == TASK_FAILED]
    return WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR in causes


async def latest(approving: Approving) -> Approving:
    """The same order in its newest run."""
    client = approving.order.orders.environment.client
    handle: OrderHandle = client.get_workflow_handle(approving.order.handle.id, result_type=OrderResult)
    return Approving(replace(approving.order, handle=handle))


@row("V57")
async def test_an_order_is_reset_to_a_point_after_people_were_asked(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, TWO)
    await approving.says("ada")
    history = await reset(approving, -1)
    again = await latest(approving)
    await again.says("bob")
    await again.order.rests(CAPTURE)

    assert not of_another_kind(history)
    assert await again.order.ends_delivered()
    # It is still the same workflow that is waited for.
    assert (len(script.attempts(OPEN)), script.approvals.statuses) == (1, ["approved"])


@row("V58")
async def test_an_order_is_reset_to_a_point_before_people_were_asked(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, TWO)
    await approving.says("ada")
    first = approving.handle
    await reset(approving, 0)
    again = await latest(approving)
    await again.opened(2)

    assert again.handle.id != first.id
    assert await code_of_refusal(again.says("ada")) == "already_voted"
    await again.says("bob")
    await again.order.rests(CAPTURE)
    assert await again.order.ends_delivered()
    assert script.approvals.statuses == ["approved"]
    # Nobody listens to the first any more: whatever it would write, it is void, and ends.
    await first.cancel()
    assert (await first.result()).status is ApprovalStatus.VOID


async def test_a_request_named_after_the_run_of_its_order_would_break_a_reset(
    own_temporal_server: str, script: Script
) -> None:
    client = await Client.connect(own_temporal_server, data_converter=data_converter(None))
    roles = [role for role in TaskQueue if role is not TaskQueue.ORDERS]
    async with order_workers(client, script, roles=roles), _named_after_the_run(client, script):
        orders = RunningOrders(WorkflowEnvironment.from_client(client), script)
        approving = await awaiting(orders)

        assert of_another_kind(await reset(approving, -1))


@asynccontextmanager
async def _named_after_the_run(client: Client, script: Script) -> AsyncIterator[None]:
    steps = activities_on(TaskQueue.ORDERS, fake_activities(script))
    async with Worker(
        client,
        task_queue=TaskQueue.ORDERS,
        workflows=[NamedAfterTheRun],
        activities=steps,
        workflow_runner=workflow_runner(),
    ):
        yield


@row("V59")
async def test_an_order_that_is_terminated_stops_its_request_and_is_taken_over_with_its_votes(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, TWO)
    await approving.says("ada")
    first = approving.handle
    await approving.order.handle.terminate()
    assert (await first.result()).status is ApprovalStatus.VOID
    assert script.approvals.statuses == ["void"]

    script.left = replace(LEFT_IN_PROCESSING, status=OrderStatus.AWAITING_APPROVAL)
    resume = Resume(actor="operator", reason="it was shot")
    again = Approving(await begun(orders_in_real_time, replace(approving.order.order, resume=resume)))
    await again.opened(2)
    assert await code_of_refusal(again.says("ada")) == "already_voted"
    assert (await again.says("bob")).status is ApprovalStatus.APPROVED
    await again.order.rests(CAPTURE)
    assert await again.order.ends_delivered()
    assert script.approvals.statuses == ["approved"]


@row("V60")
async def test_an_order_that_was_approved_as_it_was_terminated_goes_on_when_it_is_taken_over(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time)
    script.hold(SETTLE)
    await approving.says("ada")
    await script.reached(SETTLE)
    await approving.order.handle.terminate()
    script.release(SETTLE)

    script.standing = OrderStatus.AWAITING_APPROVAL
    script.left = replace(LEFT_IN_PROCESSING, status=OrderStatus.AWAITING_APPROVAL)
    resume = Resume(actor="operator", reason="it was shot")
    story = await begun(orders_in_real_time, replace(approving.order.order, resume=resume))
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert (len(script.attempts(WRITE)), script.approvals.statuses) == (1, ["approved"])


@row("V61")
async def test_a_request_somebody_terminated_is_asked_again_less_and_less_often(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, TWO)
    await approving.says("ada")
    clock = asyncio.get_running_loop()
    pauses = []
    for n in (2, 3):
        stopped = clock.time()
        await approving.handle.terminate()
        await approving.opened(n)
        pauses.append(clock.time() - stopped)

    assert pauses[0] >= 1
    assert pauses[1] >= 2
    assert (await approving.says("bob")).status is ApprovalStatus.APPROVED
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()


@row("V62")
async def test_an_order_is_cancelled_at_once_although_nobody_asks_anybody(
    own_temporal_server: str, script: Script
) -> None:
    client = await Client.connect(own_temporal_server, data_converter=data_converter(None))
    script.plan = MANAGER
    roles = [role for role in TaskQueue if role is not TaskQueue.APPROVALS]
    async with order_workers(client, script, roles=roles):
        orders = RunningOrders(WorkflowEnvironment.from_client(client), script)
        story = await begun(orders, an_order())
        await story.rests(PLACE)
        await story.cancel()
        async with asyncio.timeout(10):
            assert await story.ends() is OrderStatus.CANCELLED
        assert (story.undone(), story.closed_as) == (STOCK, CANCELLED)
    children = [execution.id async for execution in client.list_workflows("WorkflowType = 'Approval'")]
    async with order_workers(client, script, roles=[TaskQueue.APPROVALS]):
        result = await client.get_workflow_handle(children[0]).result()

    assert result["status"] == ApprovalStatus.VOID
    assert script.approvals.statuses == ["void"]
