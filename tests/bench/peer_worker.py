"""
The one worker process of a peer saga, with the SDK's default options: `python -m tests.bench.peer_worker textbook`.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
from temporalio.worker import Worker

from fulfillment.bootstrap import open_database, temporal_client
from fulfillment.db.engine import Database
from fulfillment.process import run, stop_signal
from fulfillment.settings import Settings
from fulfillment.telemetry import logging
from fulfillment.worker.sandbox import workflow_runner
from tests.bench.lean import LEAN, LeanWorkflow
from tests.bench.lean_activities import LeanActivities
from tests.bench.peer_providers import Providers
from tests.bench.textbook import TEXTBOOK, TextbookWorkflow
from tests.bench.textbook_activities import TextbookActivities


async def serve(settings: Settings, saga: str) -> None:
    """Until SIGTERM."""
    async with (
        stop_signal() as stop,
        open_database(settings, application=f"peer-{saga}") as database,
        httpx2.AsyncClient(follow_redirects=False) as http,
        temporal_client(settings) as client,
    ):
        providers = Providers(http, settings.payments.url, settings.carriers.url)
        worker = Worker(
            client,
            task_queue=saga,
            workflows=[TextbookWorkflow, LeanWorkflow],
            activities=_activities(saga, database, providers),
            workflow_runner=workflow_runner(strict=settings.worker.strict_sandbox),
        )
        async with worker:
            await stop.wait()


def _activities(saga: str, database: Database, providers: Providers) -> Sequence[Callable[..., Any]]:
    if saga == LEAN:
        lean = LeanActivities(database, providers)
        return [lean.place_and_reserve, lean.authorize, lean.book, lean.capture, lean.complete]
    assert saga == TEXTBOOK
    textbook = TextbookActivities(database, providers)
    return [
        textbook.validate_order,
        textbook.record_order,
        textbook.check_fraud,
        textbook.set_status,
        textbook.reserve_inventory,
        textbook.charge_payment,
        textbook.create_shipment,
        textbook.send_confirmation_email,
    ]


def main() -> None:
    settings = Settings()
    saga = sys.argv[1]
    logging.configure(settings.log, f"peer-{saga}")
    run(serve(settings, saga))


if __name__ == "__main__":
    main()
