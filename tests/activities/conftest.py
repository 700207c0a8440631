from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fulfillment import bootstrap
from fulfillment.db.engine import Database
from fulfillment.settings import Settings
from tests.activities.shop import Shop
from tests.activities.two_carriers import FAILURES
from tests.fakes.warehouse import Warehouse
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SECRET, SandboxClient, running_sandbox, settings_for

TIMEOUT = "PT1S"
LATE = 1


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("sandbox") / "state.db", late_after=LATE)) as client:
        yield client


@pytest.fixture
def sandbox(running: SandboxClient) -> Iterator[SandboxClient]:
    """Without faults but those of tokens and addresses, unless the test orders some."""
    yield running
    running.delete("/control")


@pytest.fixture
def settings(make_settings: MakeSettings, sandbox: SandboxClient) -> Settings:
    provider = {"url": str(sandbox.base_url), "timeout": TIMEOUT}
    return make_settings(payments=provider, carriers=provider)


@pytest.fixture
async def shop(settings: Settings, database: Database, sandbox: SandboxClient) -> AsyncIterator[Shop]:
    async with bootstrap.activities(settings, database) as wired:
        yield Shop(Warehouse.on(database, settings), wired, sandbox)


@pytest.fixture(scope="session")
def other_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("second") / "state.db")) as client:
        yield client


@pytest.fixture
def second(other_sandbox: SandboxClient) -> Iterator[SandboxClient]:
    """The second carrier, without faults unless the test orders some."""
    yield other_sandbox
    other_sandbox.delete("/control")


@pytest.fixture
def two_carriers(sandbox: SandboxClient, second: SandboxClient) -> dict[str, Any]:
    """Settings with two carriers and without circuits."""
    first = {"url": str(sandbox.base_url), "timeout": "PT2S"}
    fallback = {
        "name": "second",
        "url": str(second.base_url),
        "timeout": "PT2S",
        "webhook_secret": SECRET,
        "after_failures": FAILURES,
    }
    return {"payments": first, "carriers": {**first, "fallback": fallback}, "worker": {"circuit_pause": 0}}
