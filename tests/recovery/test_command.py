"""
`fulfillment orders recover`, as operators type it.
"""

import json

import pytest

from tests.cli.running import Run, command
from tests.fixtures.identity import TESTER_KEY
from tests.recovery.stage import Stage
from tests.recovery.test_terminated import awaiting_shipment, booked

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.fixture
def run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FULFILLMENT_API_KEY", TESTER_KEY.text)
    monkeypatch.setenv("FULFILLMENT_API_URL", str(stage.api.base_url))
    return command


async def test_it_says_what_was_found_and_what_to_look_at_next(stage: Stage, run: Run) -> None:
    order = await booked(stage)
    await order.shot()
    stage.troubled()

    done = await run("orders", "recover", str(order.id))
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")
    again = await run("orders", "recover", str(order.id))

    assert (done.exit_code, again.exit_code) == (0, 0)
    assert f"order {order.id} is processing, and no workflow runs it" in done.stdout
    assert "authorize:1" in done.stdout
    assert f"fulfillment orders watch {order.id}" in done.stdout
    assert "it goes on from there" in done.stdout
    assert again.stdout == f"Order {order.id} is delivered: it has ended, and nothing was done.\n"


async def test_an_order_is_undone_for_a_reason(stage: Stage, run: Run) -> None:
    order = await awaiting_shipment(stage)
    await order.shot()

    done = await run("orders", "recover", str(order.id), "--undo", "--reason", "nobody needs it", "--json")
    await order.becomes("cancelled")

    assert (done.exit_code, json.loads(done.stdout)["id"]) == (0, str(order.id))
    events = (await stage.api.get(f"{order.path}/events")).json()["items"]
    (asked,) = [event["data"] for event in events if event["kind"] == "cancellation_requested"]
    assert asked == {"code": "cancelled", "reason": "nobody needs it"}


async def test_a_row_that_is_missing_is_told_of(stage: Stage, run: Run) -> None:
    order = await awaiting_shipment(stage)
    await order.shot()
    await order.put_back({})

    done = await run("orders", "recover", str(order.id), "--undo")
    await order.becomes("cancelled")

    assert "was accepted, but has no row; it is written again" in done.stdout


async def test_a_running_order_is_refused_with_a_hint(stage: Stage, run: Run) -> None:
    order = await awaiting_shipment(stage)

    refused = await run("orders", "recover", str(order.id))
    await order.ask("cancel", reason="changed my mind")
    await order.becomes("cancelled")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("409 order_is_running")
    assert f"fulfillment orders show {order.id}" in refused.stderr
