from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fulfillment.settings import Settings
from tests.fixtures.database import a_database
from tests.fixtures.settings import settings_for as service_settings
from tests.fixtures.temporal import running_temporal
from tests.recovery.stage import Stage, open_stage
from tests.sandbox.running import SandboxClient, running_sandbox, settings_for


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("sandbox") / "state.db")) as client:
        yield client


@pytest.fixture(scope="package")
def stage_settings(postgres_server: str, sandbox: SandboxClient) -> Iterator[Settings]:
    """The money is given up after a few seconds, everything else is waited for."""
    provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
    with a_database(postgres_server) as url:
        yield service_settings(url, payments=provider, carriers=provider, orders={"capture_patience": "PT3S"})


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def running_stage(stage_settings: Settings, sandbox: SandboxClient) -> AsyncIterator[Stage]:
    async with running_temporal() as server, open_stage(stage_settings, server, sandbox) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="package")
async def stage(running_stage: Stage) -> AsyncIterator[Stage]:
    """Nothing is wrong and there is stock; in the end all is even."""
    running_stage.troubled()
    await running_stage.stocked(100)
    yield running_stage
    await running_stage.is_even()
