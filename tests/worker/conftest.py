from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from fulfillment.contracts.converter import data_converter
from fulfillment.db.engine import Database
from fulfillment.settings import Settings
from tests.fakes.warehouse import Warehouse
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient, running_sandbox, settings_for


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path / "sandbox.db")) as client:
        yield client


@pytest.fixture
def settings(make_settings: MakeSettings, sandbox: SandboxClient) -> Settings:
    url = str(sandbox.base_url)
    return make_settings(payments={"url": url, "timeout": "PT2S"}, carriers={"url": url, "timeout": "PT2S"})


@pytest.fixture
def warehouse(database: Database, settings: Settings) -> Warehouse:
    return Warehouse.on(database, settings)


@pytest.fixture
async def client(own_temporal_server: str, settings: Settings) -> Client:
    """A client of a Temporal server of the test's own."""
    return await Client.connect(own_temporal_server, data_converter=data_converter(settings.encryption.ring()))
