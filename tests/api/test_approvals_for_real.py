"""
One level after the other: decisions over HTTP, run by real workers.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fulfillment.settings import Settings
from tests.api.approving import SEQUENTIAL, TWO_LEVELS, Office, an_office, office_settings
from tests.api.bodies import a_key
from tests.api.carrier import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings_of_office(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with office_settings(postgres_server, tmp_path_factory.mktemp("sandbox"), SEQUENTIAL) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(settings_of_office: Settings) -> AsyncIterator[Office]:
    async with an_office(settings_of_office) as office:
        yield office


async def test_one_yes_lets_an_order_of_one_level_go_on(office: Office) -> None:
    path, approval = await office.ask()
    waiting = await office.shopper.read(path)
    asked = await office.read(approval)

    decided = await office.decide("mia", approval, comment="within the budget")
    order = await office.shopper.becomes(path, "awaiting_shipment")
    told = await office.read(approval)

    assert (waiting["approval"]["status"], waiting["approval"]["waiting_for"]) == ("pending", ["manager"])
    assert waiting["approval"]["due_at"] == asked["due_at"]
    assert (decided.status_code, decided.json()) == (200, {"status": "approved", "missing": []})
    assert (order["approval"]["status"], order["approval"]["waiting_for"]) == ("approved", [])
    assert [(vote["actor"], vote["decision"], vote["comment"]) for vote in told["votes"]] == [
        ("key:mia", "approve", "within the budget")
    ]
    assert [event["kind"] for event in told["events"]] == ["approval_requested", "approval_decided"]
    assert "within the budget" not in str((await office.api.get(f"{path}/events")).json())
