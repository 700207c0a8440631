import pytest

from fulfillment.db.engine import Database
from fulfillment.settings import Settings
from tests.fakes.warehouse import Warehouse


@pytest.fixture
def warehouse(database: Database, settings: Settings) -> Warehouse:
    return Warehouse.on(database, settings)
