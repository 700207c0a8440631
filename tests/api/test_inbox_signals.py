import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, text, update
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowHandle

from fulfillment.api.resignal import InboxSignals, Pace
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from fulfillment.db.tables import inbox
from fulfillment.domain.ids import OrderId
from fulfillment.settings import Settings
from tests.api.carrier import (
    AT_ONCE,
    Carrier,
    book,
    news,
    order_of,
    rows,
    settled,
    signals,
    store,
)
from tests.fixtures.api import serving
from tests.fixtures.proxy import proxy_to

DAY = timedelta(days=1)


async def test_an_event_without_an_order_is_accepted_and_waits(carrier: Carrier, database: Database) -> None:
    with capture_logs() as logs:
        answers = [await carrier.tell(news(reference)) for reference in (None, uuid4(), "what?")]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [row.signalled_at for row in await rows(database)] == [None, None, None]
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_an_event_whose_signal_was_lost_is_signalled_again_by_the_next_process(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    old = datetime.now(UTC) - timedelta(seconds=11)

    await store(database, order_id=order_of(waiting), event_id="evt_1", received_at=old)
    async with serving(resources):
        row = await settled(database)

    assert row.outcome == "delivered"
    assert [event.id for event in await signals(temporal, waiting)] == ["evt_1"]


@pytest.mark.parametrize("reference", [None, uuid4()])
async def test_a_parcel_is_found_by_its_number_when_the_reference_is_missing_or_wrong(
    reference: OrderId | None,
    resources: ApiResources,
    waiting: WorkflowHandle[Any, Any],
    temporal: Client,
    database: Database,
) -> None:
    again = InboxSignals(database, resources.orders, DAY, AT_ONCE)
    await store(database, order_id=reference)

    early = await again.signal_stuck()
    unsettled = (await rows(database))[0].signalled_at
    await book(database, order_of(waiting), "T-1")
    async with database.statement() as connection:
        await connection.execute(update(inbox).values(leased_until=None))
    await again.signal_stuck()
    row = await settled(database)

    assert (early, unsettled) == (1, None)
    assert (row.outcome, row.order_id) == ("delivered", order_of(waiting))
    assert len(await signals(temporal, waiting)) == 1


async def test_events_of_closed_orders_and_of_none_at_all_are_not_kept_for_ever(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], database: Database
) -> None:
    await waiting.terminate()
    await store(database, order_id=order_of(waiting))
    await store(database, order_id=uuid4(), received_at=datetime.now(UTC) - timedelta(hours=23))
    await store(database, order_id=uuid4(), received_at=datetime.now(UTC) - timedelta(hours=25))

    await InboxSignals(database, resources.orders, DAY, AT_ONCE).signal_stuck()

    outcomes = {row.id: row.outcome for row in await rows(database)}
    assert list(outcomes.values()) == ["closed", None, "unknown_order"]


async def test_two_processes_never_take_the_same_event(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    for n in range(20):
        await store(database, order_id=order_of(waiting), event_id=f"evt_{n}")
    pace = Pace(age=timedelta(0), batch=5)
    processes = [InboxSignals(database, resources.orders, DAY, pace) for _ in range(4)]

    taken = await asyncio.gather(*(process.signal_stuck() for process in processes))

    told = [event.id for event in await signals(temporal, waiting)]
    assert taken == [5, 5, 5, 5]
    assert sorted(told) == sorted(f"evt_{n}" for n in range(20))


async def test_what_one_process_has_taken_is_left_alone_until_its_lease_ends(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], database: Database
) -> None:
    soon = func.now() + timedelta(milliseconds=300)
    await store(database, order_id=order_of(waiting), leased_until=soon)
    other = InboxSignals(database, resources.orders, DAY, AT_ONCE)

    assert await other.signal_stuck() == 0
    await asyncio.sleep(0.4)
    assert await other.signal_stuck() == 1


async def test_an_event_that_cannot_be_passed_on_does_not_hold_up_the_others(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], temporal: Client, database: Database
) -> None:
    await store(database, order_id=order_of(waiting), type="parcel.teleported")
    await store(database, order_id=order_of(waiting), event_id="evt_2")

    with capture_logs() as logs:
        await InboxSignals(database, resources.orders, DAY, AT_ONCE).signal_stuck()

    assert [event.id for event in await signals(temporal, waiting)] == ["evt_2"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["inbox_signal_failed"]


async def test_the_loop_outlives_a_database_that_fails(
    resources: ApiResources, waiting: WorkflowHandle[Any, Any], database: Database
) -> None:
    async def execute(statement: str) -> None:
        async with database.statement() as connection:
            await connection.execute(text(statement))

    await store(database, order_id=order_of(waiting))
    await execute("ALTER TABLE inbox RENAME TO away")

    with capture_logs() as logs:
        async with InboxSignals(database, resources.orders, DAY, AT_ONCE).running():
            await asyncio.sleep(0.2)
            await execute("ALTER TABLE away RENAME TO inbox")
            row = await settled(database)

    assert row.outcome == "delivered"
    assert logs[0]["event"] == "inbox_signal_failed"


@pytest.mark.slow
async def test_an_unreachable_engine_is_a_warning_and_the_event_is_kept(
    settings: Settings, database: Database, temporal_server: str
) -> None:
    async with proxy_to(temporal_server) as proxy:
        client = await Client.connect(proxy.address)
        await proxy.stop()
        away = ApiResources.of(settings, database, client)
        await store(database, order_id=uuid4())

        with capture_logs() as logs:
            handled = await InboxSignals(database, away.orders, DAY, AT_ONCE).signal_stuck()

    assert handled == 0
    assert [(line["event"], line["log_level"]) for line in logs] == [("inbox_waits", "warning")]
    assert [row.signalled_at for row in await rows(database)] == [None]
