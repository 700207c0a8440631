import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from fulfillment.contracts.converter import data_converter
from tests.fakes.activities import Script
from tests.workflows.running import RunningOrders, order_workers


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Steps fail here on purpose; printing each with its traceback takes longer than the steps."""
    with capture_logs():
        yield


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def orders(script: Script) -> AsyncIterator[RunningOrders]:
    """
    Workers with fake steps on a server of their own that skips time: one per test, because awaiting the result of
    one workflow jumps the clock of all others.
    """
    environment = await _started()
    async with environment, order_workers(environment.client, script):
        yield RunningOrders(environment, script)


@pytest.fixture
async def orders_in_real_time(own_temporal_server: str, script: Script) -> AsyncIterator[RunningOrders]:
    """
    The same on a server that skips no time: the other one never ends an activity that fails after its cancellation
    was asked for.
    """
    client = await Client.connect(own_temporal_server, data_converter=data_converter(None))
    async with order_workers(client, script):
        yield RunningOrders(WorkflowEnvironment.from_client(client), script)


async def _started(attempts: int = 3) -> WorkflowEnvironment:
    """The SDK gives a server five seconds to start, which a busy machine may not have for it."""
    executable = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent))
    try:
        return await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=executable, data_converter=data_converter(None)
        )
    except RuntimeError:
        if attempts == 1:
            raise
    return await _started(attempts - 1)
