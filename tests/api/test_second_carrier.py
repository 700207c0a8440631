"""
A second carrier from the order's acceptance to the customer's door, with the whole service at work.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fulfillment.settings import Settings
from tests.api.carrier import OTHER_SECRET, news, signed
from tests.api.living import Shopper, open_shop
from tests.fixtures.settings import MakeSettings
from tests.sandbox.running import SandboxClient, running_sandbox, settings_for


@pytest.fixture
def first(tmp_path: Path) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path / "first.db")) as client:
        yield client


@pytest.fixture
def second(tmp_path: Path) -> Iterator[SandboxClient]:
    with running_sandbox(settings_for(tmp_path / "second.db")) as client:
        yield client


@pytest.fixture
def settings(make_settings: MakeSettings, first: SandboxClient, second: SandboxClient) -> Settings:
    url = str(first.base_url)
    fallback = {
        "name": "second",
        "url": str(second.base_url),
        "webhook_secret": OTHER_SECRET,
        "after_failures": 1,
    }
    return make_settings(payments={"url": url}, carriers={"url": url, "fallback": fallback})


async def tell(shopper: Shopper, carrier: str, secret: str, body: dict[str, Any]) -> httpx2.Response:
    raw = json.dumps(body)
    return await shopper.api.post(f"/v1/carriers/{carrier}/events", content=raw, headers=signed(secret, raw))


async def test_a_parcel_of_the_second_carrier_is_followed_by_its_own_events(
    own_temporal_server: str, settings: Settings, first: SandboxClient, second: SandboxClient
) -> None:
    first.put("/control", json={"book": {"down": True}})
    async with open_shop(settings, own_temporal_server) as shopper:
        await shopper.stock(10)
        path = await shopper.place()
        order = await shopper.becomes(path, "awaiting_shipment")
        (parcel,) = order["shipments"]
        assert parcel["carrier"] == "second"
        assert (first.parcels(order["id"]), len(second.parcels(order["id"]))) == ([], 1)

        picked_up = news(order["id"], data={"tracking_number": parcel["tracking_number"]})
        assert (await tell(shopper, "second", shopper.secret, picked_up)).status_code == 401
        assert (await tell(shopper, "third", OTHER_SECRET, picked_up)).status_code == 404
        # Signed well, but a parcel of the other one.
        assert (await tell(shopper, "sandbox", shopper.secret, picked_up)).status_code == 202
        assert (await shopper.read(path))["status"] == "awaiting_shipment"

        assert (await tell(shopper, "second", OTHER_SECRET, picked_up)).status_code == 202
        await shopper.becomes(path, "shipped")
        events = (await shopper.api.get(f"{path}/events", params={"limit": 200})).json()["items"]

    told = {event["kind"]: event for event in events}
    assert told["shipment_booked"]["data"] == {**parcel_of(parcel), "degraded": True}
    assert told["order_shipped"]["actor"] == "carrier:second"


def parcel_of(shipment: dict[str, Any]) -> dict[str, Any]:
    return {name: shipment[name] for name in ("carrier", "tracking_number")}
