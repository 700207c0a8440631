"""
Records the histories of each path into `histories/`, named after the release that made it:

    python -m tests.replay.record           # the paths that have no history of this release yet
    python -m tests.replay.record delivered # this path again (only before the release is out)

Histories of releases that are out stay for ever: they are what open orders of that release look like.
"""

import json
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from fulfillment import __version__
from fulfillment.contracts.converter import data_converter
from fulfillment.process import run
from tests.fakes.activities import Script
from tests.fixtures.temporal import running_temporal
from tests.replay.paths import PATHS
from tests.replay.stage import Path as OrderPath
from tests.replay.stage import Stage
from tests.workflows.approving import OPEN
from tests.workflows.running import RunningOrders, order_workers

HISTORIES = Path(__file__).parent / "histories"
APPROVALS = HISTORIES / "approvals"
"""Of the first request of an order that waits for people."""


async def history_of(path: OrderPath, *, cached: int = 1000) -> WorkflowHistory:
    """Play a path on a real server of its own; payloads are plain JSON. Workers keep so many workflows in memory."""
    return (await histories_of(path, cached=cached))[0]


async def histories_of(path: OrderPath, *, cached: int = 1000) -> list[WorkflowHistory]:
    """The same, with the history of the first request for approval, if there is one."""
    async with running_temporal() as address:
        client = await Client.connect(address, data_converter=data_converter(None), identity="recorder")
        script = Script()
        async with order_workers(client, script, cached=cached):
            orders = RunningOrders(WorkflowEnvironment.from_client(client), script)
            story = await path(Stage(orders))
            handles = [story.handle, *(client.get_workflow_handle(asked.owner) for asked in script.requests(OPEN)[:1])]
            for handle in handles:
                with suppress(WorkflowFailureError):
                    await handle.result()
            return [await handle.fetch_history() for handle in handles]


async def record(wanted: Collection[str]) -> None:
    """Write the histories of the wanted paths; without any, of those that have none."""
    for path in PATHS:
        name = f"{__version__}-{path.__name__}.json"
        if path.__name__ in wanted or not (wanted or (HISTORIES / name).exists()):
            with capture_logs():
                histories = await histories_of(path)
            for folder, history in zip((HISTORIES, APPROVALS), histories, strict=False):
                (folder / name).write_text(f"{json.dumps(_without_traces(history.to_json_dict()), indent=1)}\n")
                sys.stdout.write(f"{folder.name}/{name}: {len(history.events)} events\n")


def _without_traces(value: Any) -> Any:
    """Stack traces say where this tree lies on somebody's machine, and replaying does not need them."""
    if isinstance(value, dict):
        return {key: _without_traces(inner) for key, inner in value.items() if key != "stackTrace"}
    return [_without_traces(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    run(record(sys.argv[1:]))
