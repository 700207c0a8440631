"""
Fixtures of the API tests.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from temporalio.client import Client, WorkflowHandle

from fulfillment.db.engine import Database
from fulfillment.domain.ids import OrderId
from fulfillment.settings import Settings
from tests.api.carrier import Carrier, start
from tests.api.key_stand import Stand, a_stand
from tests.fixtures.settings import MakeSettings


@pytest.fixture
def secret(settings: Settings) -> str:
    return settings.carriers.webhook_secret.get_secret_value()


@pytest.fixture
def carrier(api: httpx2.AsyncClient, secret: str) -> Carrier:
    return Carrier(api, secret)


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
