"""
One order, asked for fifty times at once, through every process and to the door; payloads encrypted.
"""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from temporalio.client import Client

from fulfillment.contracts.naming import order_workflow_id
from fulfillment.local.callers import OPERATOR, SHOP
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.stack import LocalStack, StackOptions
from tests.fixtures.identity import order_of
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

ENCRYPTED = {"FULFILLMENT_ENCRYPTION__PAYLOADS": "true", "FULFILLMENT_SANDBOX__TRANSIT": "0"}
KEY = {"Idempotency-Key": "the-one"}
ORDER: dict[str, Any] = {
    "customer_id": "C-1",
    "reference": "PO-1",
    "lines": [{"sku": "TEA", "name": "Tea", "quantity": 3, "unit_price": {"amount": 1250, "currency": "EUR"}}],
    "shipping_address": {"name": "Ágnes Planted-Name", "line1": "Fő utca 1", "city": "Győr", "country": "HU"},
    "payment": {"method": "card", "token": "tok_visa"},
}


async def test_fifty_identical_requests_are_one_order_one_charge_and_one_receipt(tmp_path: Path) -> None:
    async with (
        LocalStack(StackOptions(state=tmp_path / "state", free_ports=True, environment=ENCRYPTED)) as stack,
        calling(stack.endpoints, SHOP) as shop,
        calling(stack.endpoints, OPERATOR) as operator,
        httpx2.AsyncClient(base_url=stack.endpoints.sandbox, timeout=30) as sandbox,
    ):
        await operator.put("/v1/inventory/TEA", json={"on_hand": 10, "name": "Tea"})
        answers = await asyncio.gather(*(shop.post("/v1/orders", json=ORDER, headers=KEY) for _ in range(50)))
        order_id = answers[0].json()["id"]

        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1

        await _deliver(shop, sandbox, order_id)
        again = await shop.post("/v1/orders", json=ORDER, headers=KEY)
        other = await shop.post("/v1/orders", json={**ORDER, "customer_id": "C-2"}, headers=KEY)
        ledger = (await sandbox.get("/ledger", params={"order_id": order_id})).json()["items"]
        tea = (await shop.get("/v1/inventory/TEA")).json()

        assert (again.content, again.headers["Idempotency-Replayed"]) == (answers[0].content, "true")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert [(entry["operation"], entry["amount"]) for entry in ledger] == [("authorize", 3750), ("capture", 3750)]
        assert (tea["on_hand"], tea["reserved"]) == (7, 0)
        assert not await _readable(stack.endpoints, "Planted-Name", "tok_visa")


def calling(endpoints: Endpoints, caller: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {endpoints.api_keys[caller]}"}
    return httpx2.AsyncClient(base_url=endpoints.api, timeout=30, headers=headers)


async def _deliver(shop: httpx2.AsyncClient, sandbox: httpx2.AsyncClient, order_id: str) -> None:
    async def is_now(status: str) -> bool:
        return bool((await shop.get(f"/v1/orders/{order_id}")).json()["status"] == status)

    await until(lambda: is_now("awaiting_shipment"), seconds=30)
    (parcel,) = (await shop.get(f"/v1/orders/{order_id}")).json()["shipments"]
    for event in ("parcel.picked_up", "parcel.delivered"):
        await sandbox.post(f"/parcels/{parcel['tracking_number']}/events", json={"type": event})
    await until(lambda: is_now("delivered"), seconds=30)


async def _readable(endpoints: Endpoints, *words: str) -> list[str]:
    """Which of the words stand in the history of the order as Temporal stores it."""
    client = await Client.connect(endpoints.temporal)
    handle = client.get_workflow_handle(order_workflow_id(order_of(SHOP, KEY["Idempotency-Key"])))
    stored = b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
    return [word for word in words if word.encode() in stored]
