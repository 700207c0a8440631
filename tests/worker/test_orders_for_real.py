"""
Orders on a real Temporal server, with the steps of the service on a real database and the real sandbox.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from temporalio.client import Client

from fulfillment import bootstrap
from fulfillment.contracts.naming import TaskQueue
from fulfillment.contracts.orders import StartOrder
from fulfillment.db.tables import shipments
from fulfillment.settings import Settings
from fulfillment.worker.main import build_worker
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.orders import a_line, an_event, an_order
from tests.fakes.warehouse import Warehouse
from tests.fixtures.logs import LogLines
from tests.fixtures.waiting import until
from tests.sandbox.running import SandboxClient
from tests.workflows.running import start

DONE, DECLINED = "succeeded", "declined"
PAID = [("authorize", DONE), ("capture", DONE)]

# What is special about an order; how it ends, why, and what the payment provider has done for it.
ORDERS: dict[str, tuple[dict[str, Any], str, str | None, list[tuple[str, str]]]] = {
    "plain": ({}, "delivered", None, PAID),
    "free": ({"lines": (a_line(price=0),)}, "delivered", None, []),
    "flaky card": ({"token": "tok_flaky"}, "delivered", None, PAID),
    "lost answer": ({"token": "tok_lost_answer"}, "delivered", None, PAID),
    "flaky carrier": ({"postal_code": "TEST-FLAKY"}, "delivered", None, PAID),
    "carrier's lost answer": ({"postal_code": "TEST-LOST-ANSWER"}, "delivered", None, PAID),
    "declined": ({"token": "tok_declined"}, "rejected", "payment_declined", [("authorize", DECLINED)]),
    "no funds": ({"token": "tok_insufficient_funds"}, "rejected", "insufficient_funds", [("authorize", DECLINED)]),
    "refused address": (
        {"postal_code": "TEST-REFUSED"},
        "rejected",
        "carrier_refused",
        [("authorize", DONE), ("void", DONE)],
    ),
    "unknown article": ({"lines": (a_line("GHOST"),)}, "rejected", "unknown_sku", []),
    "too many": ({"lines": (a_line("LAMP", 5000),)}, "rejected", "stock_short", []),
}


async def test_every_order_ends_as_it_should_and_tells_no_secrets(
    client: Client, settings: Settings, warehouse: Warehouse, sandbox: SandboxClient, log_lines: LogLines
) -> None:
    await warehouse.stocked(LAMP=1000)
    orders = {name: _order(**special) for name, (special, *_) in ORDERS.items()}
    async with AsyncExitStack() as stack:
        wired = await stack.enter_async_context(bootstrap.activities(settings, warehouse.database))
        for role in TaskQueue:
            await stack.enter_async_context(build_worker(client, role, wired, settings.worker))
        await asyncio.gather(*(_run(client, warehouse, order) for order in orders.values()))

    for name, (_, status, code, ledger) in ORDERS.items():
        order_id = orders[name].order_id
        row = await warehouse.order(order_id)
        assert (name, row.status, row.failure_code) == (name, status, code)
        assert (name, sandbox.ledger(str(order_id))) == (name, ledger)
        assert row.payment_token is None
        await warehouse.events(order_id)
    delivered = sum(status == "delivered" for _, status, *_ in ORDERS.values())
    assert await warehouse.figures("LAMP") == (1000 - 2 * delivered, 0)
    told = str(log_lines())
    assert "activity_refused" in told
    assert not [secret for secret in ("tok_", "Lovelace", "Weg 1", "TEST-") if secret in told]


def _order(lines: Any = (), **special: Any) -> StartOrder:
    return an_order(*lines, **special)


async def _run(client: Client, warehouse: Warehouse, order: StartOrder) -> None:
    handle = await start(client, order)
    result = asyncio.create_task(handle.result())

    async def ended_or_booked() -> bool:
        return result.done() or await warehouse.count(shipments, order_id=order.order_id) > 0

    await until(ended_or_booked)
    if not result.done():
        tracking_number = await warehouse.tracking_number(order.order_id)
        event = an_event(order.order_id, "delivered", tracking_number=tracking_number)
        await handle.signal(OrderWorkflow.carrier_event, event)
    await result
