"""
Fixtures of the API tests.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle

from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.settings import Settings
from tests.api.access import Staffed, shop_settings, staffed_shop
from tests.api.carrier import Carrier, start
from tests.api.key_stand import Stand, a_stand
from tests.api.payment_provider import PaymentProvider
from tests.fixtures.settings import MakeSettings


@pytest.fixture
def secret(settings: Settings) -> str:
    return settings.carriers.webhook_secret.get_secret_value()


@pytest.fixture
def carrier(api: httpx2.AsyncClient, secret: str) -> Carrier:
    return Carrier(api, secret)


@pytest.fixture
def provider(api: httpx2.AsyncClient, settings: Settings) -> PaymentProvider:
    assert settings.payments.webhook_secret is not None
    return PaymentProvider(api, settings.payments.webhook_secret.get_secret_value())


@pytest.fixture
async def waiting(temporal: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """The workflow of an order, on a queue nobody serves: signals pile up in its history."""
    handle = await start(temporal, OrderId(uuid4()))
    yield handle
    if (await handle.describe()).close_time is None:
        await handle.terminate()


@pytest.fixture
async def stand(make_settings: MakeSettings, database_url: str, database: Database) -> AsyncIterator[Stand]:
    """A register of keys whose way to the database can be cut."""
    async with a_stand(make_settings, database_url, database) as stand:
        yield stand


@pytest.fixture(scope="module")
def open_settings(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a service with a database and a sandbox of its own."""
    with shop_settings(postgres_server, tmp_path_factory.mktemp("sandbox")) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staffed(open_settings: Settings) -> AsyncIterator[Staffed]:
    """One for all tests of a module."""
    async with staffed_shop(open_settings) as shop:
        yield shop
