"""
What the payment provider says, heard by real workers.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from fulfillment.settings import Settings
from tests.api.living import Shopper, open_shop
from tests.api.payment_provider import PaymentProvider, payment_news
from tests.fixtures.database import a_database
from tests.fixtures.settings import a_webhook_secret
from tests.fixtures.settings import settings_for as service_settings
from tests.fixtures.temporal import running_temporal
from tests.fixtures.waiting import until
from tests.sandbox.running import running_sandbox, settings_for

BY_HAND = {"reason": "settled with the bank"}
DISPUTES = {"reason": "provider_dispute"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def shop_settings(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running_sandbox(settings_for(tmp_path_factory.mktemp("sandbox") / "state.db")) as sandbox:
        provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
        with a_database(postgres_server) as url:
            yield service_settings(url, payments=provider, carriers=provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shopper(shop_settings: Settings) -> AsyncIterator[Shopper]:
    async with running_temporal() as server, open_shop(shop_settings, server) as shopper:
        await shopper.stock(100)
        yield shopper


async def tell(shopper: Shopper, path: str, event: str, **data: Any) -> None:
    """The provider says something about the payment of an order; by its own name alone."""
    (made, *_) = (await shopper.api.get(f"{path}/operations")).json()["items"]
    news = payment_news(type=f"payment.{event}", data={"payment": made["provider_reference"], **data})
    answer = await PaymentProvider(shopper.api, a_webhook_secret("payments")).tell(news)
    assert answer.status_code == 202


async def listed(shopper: Shopper, path: str) -> list[Any]:
    """The questions about disputes of an order."""
    page = (await shopper.api.get("/v1/attention", params=DISPUTES)).json()
    return [entry for entry in page["items"] if path.endswith(entry["order_id"])]


async def test_a_disputed_order_is_cancelled_before_its_parcel_leaves(shopper: Shopper) -> None:
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await tell(shopper, path, "disputed")
    order = await shopper.becomes(path, "needs_attention")
    (entry,) = await listed(shopper, path)
    await shopper.api.post(f"{path}/actions/cancel", json=BY_HAND)
    ended = await shopper.becomes(path, "cancelled")

    assert order["attention"]["reason"] == entry["reason"] == "provider_dispute"
    assert [action["name"] for action in order["actions"]] == ["resolved_by_hand", "cancel"]
    assert ended["payment"]["status"] == "refunded"
    assert await listed(shopper, path) == []


async def test_a_disputed_order_that_was_settled_by_hand_is_delivered_and_asks_anew_after_the_end(
    shopper: Shopper,
) -> None:
    path = await shopper.place()
    await shopper.becomes(path, "awaiting_shipment")
    await shopper.hear(path, "picked_up")
    await shopper.becomes(path, "shipped")
    await tell(shopper, path, "capture_failed", reference="00000000-0000-4000-8000-000000000000")
    asked = await shopper.becomes(path, "needs_attention")
    await shopper.api.post(f"{path}/actions/resolved_by_hand", json=BY_HAND)
    await shopper.becomes(path, "shipped")
    await shopper.hear(path, "delivered")
    await shopper.becomes(path, "delivered")
    await tell(shopper, path, "authorized")
    await tell(shopper, path, "disputed")

    async def is_listed() -> bool:
        return bool(await listed(shopper, path))

    await until(is_listed)
    late = await shopper.read(path)
    closed = await shopper.api.post(f"{path}/actions/resolved_by_hand", json=BY_HAND)
    facts = (await shopper.api.get(f"{path}/events")).json()["items"][-4:]

    assert [action["name"] for action in asked["actions"]] == ["resolved_by_hand"]
    assert (late["status"], late["attention"]) == ("delivered", None)
    assert [action["name"] for action in late["actions"]] == ["resolved_by_hand"]
    assert (closed.status_code, closed.json()["status"]) == (202, "delivered")
    assert await listed(shopper, path) == []
    assert [fact["kind"] for fact in facts] == [
        "attention_resolved",
        "order_delivered",
        "attention_needed",
        "attention_resolved",
    ]
    assert facts[2]["data"]["type"] == "payment.disputed"
