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
from fulfillment.contracts.naming import order_workflow_id
from fulfillment.domain.ids import OrderId
from fulfillment.worker.sandbox import workflow_runner
from fulfillment.workflows.order import OrderWorkflow
from tests.replay import paths
from tests.replay.changed_order import BookingFirst
from tests.replay.record import HISTORIES, history_of
from tests.replay.stage import ORDER_ID
from tests.replay.stage import Path as OrderPath
from tests.replay.waiting import WAITING

RECORDED = sorted(HISTORIES.glob("*.json"))


def replayer(workflow: type) -> Replayer:
    return Replayer(workflows=[workflow], data_converter=data_converter(None), workflow_runner=workflow_runner())


def recorded(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(order_workflow_id(OrderId(ORDER_ID)), file.read_text())


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_orders_begun_by_an_earlier_release_go_on(file: Path) -> None:
    await replayer(OrderWorkflow).replay_workflow(recorded(file))


@pytest.mark.parametrize("path", WAITING, ids=lambda path: path.__name__)
async def test_a_worker_that_is_lost_at_any_wait_loses_nothing(path: OrderPath) -> None:
    kinds = Counter(event.event_type for event in (await history_of(path, cached=0)).events)

    assert kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED] == 0
    assert kinds[EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED] == 1


def test_every_path_was_recorded() -> None:
    played = {file.stem.partition("-")[2] for file in RECORDED}

    assert {path.__name__ for path in paths.PATHS} <= played, "run `python -m tests.replay.record`"


async def test_another_order_of_steps_is_noticed() -> None:
    (file,) = HISTORIES.glob("0.1.0-delivered.json")

    with pytest.raises(NondeterminismError):
        await replayer(BookingFirst).replay_workflow(recorded(file))


async def test_an_order_takes_no_more_events_than_we_promise() -> None:
    history = await history_of(paths.delivered)

    kinds = [event.event_type for event in history.events]
    assert kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) <= 26
    assert len(kinds) <= 44
    await replayer(OrderWorkflow).replay_workflow(history)
