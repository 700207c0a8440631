"""
A customer whom their bank asks, end to end: every process real, talked to as a shop and a browser would.
"""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from fulfillment.local.demo.play import ENVIRONMENT
from fulfillment.local.stack import LocalStack, StackOptions
from tests.demo.files import a_line
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


class Customer:
    """One order, its shop and its customer."""

    def __init__(self, stack: LocalStack, http: httpx2.AsyncClient) -> None:
        self.stack = stack
        self.http = http
        self.order: dict[str, Any] = {}

    async def send(self, method: str, path: str, role: str = "shop", **content: Any) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.stack.endpoints.api_keys[role]}",
            "Idempotency-Key": str(uuid4()),
        }
        answer = await self.http.request(method, f"{self.stack.endpoints.api}{path}", headers=headers, **content)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def has_become(self, status: str) -> bool:
        self.order = await self.send("GET", f"/v1/orders/{self.order['id']}")
        return bool(self.order["status"] == status)

    async def ledger(self) -> list[tuple[str, str]]:
        answer = await self.http.get(f"{self.stack.endpoints.sandbox}/ledger", params={"order_id": self.order["id"]})
        return [(row["operation"], row["status"]) for row in answer.json()["items"]]


@pytest.fixture
async def customer() -> AsyncIterator[Customer]:
    with tempfile.TemporaryDirectory(prefix="fulfillment-test-", ignore_cleanup_errors=True) as state:
        options = StackOptions(state=Path(state), free_ports=True, environment=ENVIRONMENT)
        async with LocalStack(options) as stack, httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            yield Customer(stack, http)


async def test_a_worker_killed_while_the_customer_is_asked_goes_on_when_they_agree(customer: Customer) -> None:
    await customer.send("PUT", "/v1/inventory/SKU-1", role="operator", json={"on_hand": 5})
    body = a_line(payment={"method": "card", "token": "tok_action_required"})
    customer.order = await customer.send("POST", "/v1/orders", json=body)
    await until(lambda: customer.has_become("awaiting_payment"))
    page = customer.order["payment"]["next_action"]["url"]

    killed = customer.stack.pids["worker-orders"]
    customer.stack.kill("worker-orders")
    agreed = await customer.http.post(f"{page}/agree", follow_redirects=True)
    assert (agreed.status_code, str(agreed.url)) == (200, page)
    await until(lambda: customer.has_become("awaiting_shipment"), seconds=60)

    assert customer.stack.pids["worker-orders"] != killed
    assert customer.order["payment"]["next_action"] is None
    assert await customer.ledger() == [("authorize", "succeeded"), ("capture", "succeeded")]
