import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from fulfillment.worker.sandbox import workflow_runner
from fulfillment.workflows.order import OrderWorkflow
from tests.worker.io_workflow import ReachingOut


async def test_a_workflow_that_imports_what_reaches_outside_is_not_run(temporal: Client) -> None:
    with pytest.raises(RuntimeError, match="ReachingOut") as refused:
        Worker(temporal, task_queue="q", workflows=[ReachingOut], workflow_runner=workflow_runner())

    assert "fulfillment.db.engine was not intentionally passed through" in str(refused.value.__cause__)


async def test_the_workflows_of_the_service_are_run(temporal: Client) -> None:
    Worker(temporal, task_queue="q", workflows=[OrderWorkflow], workflow_runner=workflow_runner())
