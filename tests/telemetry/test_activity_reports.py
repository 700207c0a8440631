"""
A real worker: what its activities log and count, and that SDK and process metrics make one page.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from fulfillment.activities.interceptors import ActivityReports
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.naming import order_workflow_id
from fulfillment.domain.errors import PaymentDeclined, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.telemetry.health import Health
from fulfillment.telemetry.internal import InternalServer
from fulfillment.telemetry.metrics import HISTOGRAM_BUCKETS, sdk_runtime


@dataclass(frozen=True)
class Anywhere:
    host: str = "127.0.0.1"
    port: int = 0


@activity.defn
async def pay(outcome: str) -> None:
    structlog.stdlib.get_logger("pay").info("paying")
    if outcome == "declined":
        raise PaymentDeclined
    if activity.info().attempt == 1:
        raise ProviderUnavailable("bank") if outcome == "away" else KeyError("amount")


@workflow.defn(sandboxed=False)
class Paying:
    @workflow.run
    async def run(self, outcome: str) -> None:
        await workflow.execute_activity(
            pay,
            outcome,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=20)),
        )


@dataclass(frozen=True)
class Running:
    client: Client
    queue: str
    metrics_url: str

    async def pay(self, order_id: OrderId, outcome: str) -> None:
        await self.client.execute_workflow(Paying.run, outcome, id=order_workflow_id(order_id), task_queue=self.queue)


@pytest.fixture
async def running(temporal_server: str) -> AsyncIterator[Running]:
    runtime, sdk_metrics_url = sdk_runtime("worker-test")
    client = await Client.connect(temporal_server, runtime=runtime, data_converter=data_converter(None))
    queue = str(uuid4())
    worker = Worker(client, task_queue=queue, workflows=[Paying], activities=[pay], interceptors=[ActivityReports()])
    with InternalServer(Anywhere(), Health(), sdk_metrics_url) as internal:
        async with worker:
            yield Running(client, queue, f"{internal.url}/metrics")


async def test_activity_lines_name_order_workflow_and_attempt_and_a_bug_is_told_once(running: Running) -> None:
    order_id = OrderId(uuid4())

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        await running.pay(order_id, "bug")

    events = [(line["event"], line["attempt"]) for line in logs]
    assert events == [("paying", 1), ("activity_bug", 1), ("paying", 2)]
    assert {line["order_id"] for line in logs} == {str(order_id)}
    assert {line["workflow_id"] for line in logs} == {order_workflow_id(order_id)}
    assert {line["activity"] for line in logs} == {"pay"}
    assert isinstance(logs[1]["exc_info"], KeyError)


async def test_a_refusal_and_an_outage_are_no_bugs(running: Running) -> None:
    with capture_logs() as logs:
        await running.pay(OrderId(uuid4()), "away")
        with pytest.raises(WorkflowFailureError):
            await running.pay(OrderId(uuid4()), "declined")

    reports = [(line["event"], line["log_level"], line["code"]) for line in logs if "code" in line]
    assert reports == [
        ("activity_will_be_retried", "warning", "provider_unavailable"),
        ("activity_refused", "info", "payment_declined"),
    ]


async def test_one_page_holds_the_metrics_of_process_and_sdk_without_overlap(running: Running) -> None:
    await running.pay(OrderId(uuid4()), "bug")

    page = (await asyncio.to_thread(httpx2.get, running.metrics_url)).text
    families = list(text_string_to_metric_families(page))
    names = Counter(family.name for family in families)

    assert [name for name, count in names.items() if count > 1] == []
    assert names["fulfillment_activity_errors"] == 1
    assert names["temporal_activity_schedule_to_start_latency_seconds"] == 1
    assert "temporal_workflow_completed_total" in page
    (waiting,) = (f for f in families if f.name == "temporal_activity_schedule_to_start_latency_seconds")
    bounds = {float(sample.labels["le"]) for sample in waiting.samples if "le" in sample.labels}
    assert bounds == {*HISTOGRAM_BUCKETS["schedule_to_start_latency"], float("inf")}
