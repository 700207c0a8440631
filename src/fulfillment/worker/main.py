"""
A worker process: one or more roles, each with a queue of its own, until it is told to stop.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from fulfillment.activities.interceptors import ActivityReports
from fulfillment.bootstrap import Activities, activities, internal_server, open_database, temporal_client
from fulfillment.contracts.naming import TaskQueue
from fulfillment.process import stop_signal
from fulfillment.settings import Settings
from fulfillment.settings import Worker as WorkerSettings
from fulfillment.telemetry.health import Health
from fulfillment.telemetry.metrics import sdk_runtime
from fulfillment.worker.registry import WORKFLOWS, activities_on
from fulfillment.worker.sandbox import workflow_runner
from fulfillment.worker.signals import OneArgument

_log = structlog.stdlib.get_logger(__name__)


async def serve(settings: Settings, roles: Sequence[TaskQueue]) -> None:
    """
    Run the roles until SIGTERM or SIGINT; then stop polling, finish what runs within the drain time, and return.
    """
    name = f"worker-{'-'.join(roles)}"
    runtime, sdk_metrics = sdk_runtime(name)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signal())
        database = await stack.enter_async_context(open_database(settings, application=name))
        wired = await stack.enter_async_context(activities(settings, database))
        client = await stack.enter_async_context(temporal_client(settings, runtime))
        health = Health({"database": database.ping, "temporal": lambda: _reachable(client)})
        stack.enter_context(internal_server(settings.internal, health, sdk_metrics))
        await stack.enter_async_context(health.watching())
        workers = [build_worker(client, role, wired, settings.worker) for role in roles]
        await _run(workers, health, stop)


async def _run(workers: Sequence[Worker], health: Health, stop: asyncio.Event) -> None:
    """Until told to stop, or until a worker gives up (then its error is raised and the process fails)."""
    stopping = asyncio.create_task(stop.wait())
    running = [asyncio.create_task(worker.run()) for worker in workers]
    health.mark_ready()
    _log.info("worker_started", queues=[worker.task_queue for worker in workers])
    await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    health.mark_draining()
    _log.info("worker_draining")
    await asyncio.gather(*(worker.shutdown() for worker in workers), return_exceptions=True)
    stopping.cancel()
    await asyncio.gather(*running)
    _log.info("worker_stopped")


async def _reachable(client: Client) -> None:
    if not await client.service_client.check_health(timeout=timedelta(seconds=2)):
        raise ConnectionError


def build_worker(client: Client, role: TaskQueue, wired: Activities, settings: WorkerSettings) -> Worker:
    """One role of this process; sizes are fixed, so that slots in use are a signal to scale on."""
    pollers = PollerBehaviorSimpleMaximum(settings.pollers)
    return Worker(
        client,
        task_queue=role,
        workflows=WORKFLOWS[role],
        activities=activities_on(role, wired),
        workflow_runner=workflow_runner(strict=settings.strict_sandbox),
        interceptors=[ActivityReports(), OneArgument()],
        max_cached_workflows=settings.cached_workflows,
        max_concurrent_workflow_tasks=settings.workflow_slots,
        max_concurrent_local_activities=settings.workflow_slots,
        max_concurrent_activities=settings.activity_slots,
        max_task_queue_activities_per_second=settings.payments_per_second if role is TaskQueue.PAYMENTS else None,
        workflow_task_poller_behavior=pollers,
        activity_task_poller_behavior=pollers,
        sticky_queue_schedule_to_start_timeout=settings.sticky_timeout,
        graceful_shutdown_timeout=settings.drain,
    )
