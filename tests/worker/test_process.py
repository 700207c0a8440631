"""
Worker processes: what they survive, how they stop, and what they say when they cannot start.
"""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from fulfillment.db.tables import operations, orders, stock
from fulfillment.settings import Settings
from tests.fakes.orders import an_order
from tests.fakes.warehouse import Warehouse
from tests.fixtures.waiting import until
from tests.sandbox.running import SandboxClient
from tests.worker.processes import environment_of, running, running_worker
from tests.workflows.running import start

# Connects, asks something and ends, as a command of an operator does.
SHORT_LIVED = """
from fulfillment import process
from fulfillment.bootstrap import temporal_client
from fulfillment.settings import Settings

async def main():
    async with temporal_client(Settings()) as client:
        assert await client.service_client.check_health()

process.run(main())
"""


@pytest.mark.e2e
async def test_workflows_and_the_database_share_a_process_and_what_runs_is_finished_on_sigterm(
    client: Client, settings: Settings, warehouse: Warehouse, sandbox: SandboxClient, tmp_path: Path
) -> None:
    environment = environment_of(settings, client.service_client.config.target_host)
    await warehouse.stocked(LAMP=1000)
    async with running_worker(tmp_path / "log", environment, "orders", "payments", "shipping") as worker:
        await asyncio.gather(*(start(client, an_order()) for _ in range(20)))

        async def all_are_booked() -> bool:
            return await warehouse.count(orders, status="awaiting_shipment") == 20

        await until(all_are_booked)
        assert worker.process.returncode is None

        sandbox.put("/control", json={"authorize": {"latency_ms": [1000, 1000]}})
        order = an_order()
        handle = await start(client, order)
        await until(lambda: warehouse.count(operations, order_id=order.order_id))
        assert await worker.stop() == 0, worker.said()

    assert await warehouse.count(operations, order_id=order.order_id, kind="authorize", state="done") == 1
    events = (await handle.fetch_history()).events
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in [event.event_type for event in events]
    assert "Traceback" not in worker.said()


@pytest.mark.e2e
async def test_a_database_step_that_waits_for_a_lock_is_finished_on_sigterm(
    client: Client, settings: Settings, warehouse: Warehouse, tmp_path: Path
) -> None:
    environment = environment_of(settings, client.service_client.config.target_host)
    await warehouse.stocked(LAMP=10)
    order = an_order(token=None)
    async with running_worker(tmp_path / "log", environment, "orders") as worker:
        async with warehouse.database.transaction() as connection:
            await connection.execute(select(stock).with_for_update())
            await start(client, order)
            await until(warehouse.somebody_waits)
            stopping = asyncio.create_task(worker.stop())
            await worker.until_said("worker_draining")
        assert await stopping == 0, worker.said()

    assert (await warehouse.order(order.order_id)).status == "awaiting_payment"


@pytest.mark.e2e
async def test_processes_that_talk_to_temporal_end_well(client: Client, settings: Settings, tmp_path: Path) -> None:
    environment = environment_of(settings, client.service_client.config.target_host)
    at_once = asyncio.Semaphore(3)

    async def run(n: int) -> int:
        async with at_once, running(tmp_path / f"log-{n}", environment, "-c", SHORT_LIVED) as process:
            return await process.exit_code()

    assert await asyncio.gather(*(run(n) for n in range(10))) == [0] * 10


WRONG: dict[str, dict[str, str]] = {
    "missing.toml does not exist": {"TEMPORAL_CONFIG_FILE": "missing.toml"},
    "TEMPORAL_PROFILE is moon": {"TEMPORAL_PROFILE": "moon"},
    "TEMPORAL_PROFILE is not set": {"TEMPORAL_PROFILE": ""},
    "FULFILLMENT_DATABASE__URL": {"FULFILLMENT_DATABASE__URL": "db.example.com:secret"},
    "FULFILLMENT_ENCRYPTION__KEYS": {"FULFILLMENT_ENCRYPTION__KEYS": "k:secret"},
}


@pytest.mark.e2e
async def test_a_worker_that_is_not_configured_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    right = environment_of(settings, "127.0.0.1:9")
    at_once = asyncio.Semaphore(3)

    async def say(n: int, changed: dict[str, str]) -> tuple[int, str]:
        command = ("-m", "fulfillment", "worker", "orders")
        async with at_once, running(tmp_path / f"log-{n}", {**right, **changed}, *command) as worker:
            return await worker.exit_code(), worker.said()

    said = await asyncio.gather(*(say(n, changed) for n, changed in enumerate(WRONG.values())))

    for expected, (code, text) in zip(WRONG, said, strict=True):
        assert (code, expected in text) == (2, True), text
        assert "Traceback" not in text
        assert "secret" not in text
