"""
Workflow code of today replays what earlier code did, in the sandbox the workers use.
"""

from collections import Counter
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import approval_workflow_id, order_workflow_id
from fulfillment.domain.ids import OrderId
from fulfillment.worker.sandbox import workflow_runner
from fulfillment.workflows.approval import ApprovalWorkflow
from fulfillment.workflows.order import OrderWorkflow
from tests.replay import paths
from tests.replay.approving import APPROVING, amended_above_what_was_approved, approved, approved_by_two_levels
from tests.replay.changed_approval import WithoutATimer
from tests.replay.changed_order import BookingFirst
from tests.replay.record import APPROVALS, HISTORIES, histories_of, history_of
from tests.replay.stage import ORDER_ID
from tests.replay.stage import Path as OrderPath
from tests.replay.waiting import WAITING

RECORDED = sorted(HISTORIES.glob("*.json"))
RECORDED_APPROVALS = sorted(APPROVALS.glob("*.json"))


def replayer(workflow: type) -> Replayer:
    return Replayer(workflows=[workflow], data_converter=data_converter(None), workflow_runner=workflow_runner())


def recorded(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(order_workflow_id(OrderId(ORDER_ID)), file.read_text())


def recorded_approval(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(approval_workflow_id(OrderId(ORDER_ID), 1, "recorded"), file.read_text())


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_orders_begun_by_an_earlier_release_go_on(file: Path) -> None:
    await replayer(OrderWorkflow).replay_workflow(recorded(file))


@pytest.mark.parametrize("file", RECORDED_APPROVALS, ids=lambda file: file.stem)
async def test_requests_begun_by_an_earlier_release_go_on(file: Path) -> None:
    await replayer(ApprovalWorkflow).replay_workflow(recorded_approval(file))


@pytest.mark.parametrize("path", WAITING, ids=lambda path: path.__name__)
async def test_a_worker_that_is_lost_at_any_wait_loses_nothing(path: OrderPath) -> None:
    kinds = Counter(event.event_type for event in (await history_of(path, cached=0)).events)

    assert kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED] == 0
    assert kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED] == 1


@pytest.mark.parametrize(
    "path", [approved_by_two_levels, amended_above_what_was_approved], ids=lambda path: path.__name__
)
async def test_a_worker_that_is_lost_while_people_decide_loses_nothing(path: OrderPath) -> None:
    for history in await histories_of(path, cached=0):
        kinds = Counter(event.event_type for event in history.events)

        assert kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED] == 0
        assert kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED] == 1


@pytest.mark.parametrize(
    ("files", "played"), [(RECORDED, paths.PATHS), (RECORDED_APPROVALS, APPROVING)], ids=["orders", "approvals"]
)
def test_every_path_was_recorded(files: list[Path], played: tuple[OrderPath, ...]) -> None:
    recorded_paths = {file.stem.partition("-")[2] for file in files}

    assert {path.__name__ for path in played} <= recorded_paths, "run `python -m tests.replay.record`"


async def test_another_order_of_steps_is_noticed() -> None:
    (file,) = HISTORIES.glob("0.1.0-delivered.json")

    with pytest.raises(NondeterminismError):
        await replayer(BookingFirst).replay_workflow(recorded(file))


async def test_a_request_that_keeps_no_timer_is_noticed() -> None:
    (file,) = APPROVALS.glob("0.1.0-approved.json")

    with pytest.raises(NondeterminismError):
        await replayer(WithoutATimer).replay_workflow(recorded_approval(file))


async def test_an_approval_takes_no_more_events_than_we_promise() -> None:
    order, approval = await histories_of(approved)

    before_the_pick_up = [event.event_type for event in order.events].index(
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    )
    assert before_the_pick_up <= 26 + 15
    assert len(approval.events) <= 19
    await replayer(ApprovalWorkflow).replay_workflow(approval)


async def test_an_order_takes_no_more_events_than_we_promise() -> None:
    history = await history_of(paths.delivered)

    kinds = [event.event_type for event in history.events]
    assert kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) <= 26
    assert len(kinds) <= 44
    await replayer(OrderWorkflow).replay_workflow(history)
