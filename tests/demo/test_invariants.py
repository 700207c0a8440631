"""
Each invariant planted violated must be found, on a real PostgreSQL and a real Temporal of our own.
"""

import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import insert, text, update
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from fulfillment.contracts.naming import ORDER_WORKFLOW, TaskQueue, order_workflow_id
from fulfillment.db.engine import Database
from fulfillment.db.tables import order_events, orders, stock, stock_movements
from fulfillment.domain.ids import OrderId
from fulfillment.invariants import Account, Check, Leniency, check

DELIVERED = OrderId(UUID(int=1))
REJECTED = OrderId(UUID(int=2))
OPEN = OrderId(UUID(int=3))
TOTAL = 500

TERMS = {"payment_window": "P7D", "hand_over_window": "P30D", "delivery_window": "P30D", "retry_payment": False}


@dataclass
class Ledger:
    """The provider's books as a test wants them."""

    books: list[Account] = field(default_factory=list)

    async def accounts(self) -> Sequence[Account]:
        return self.books


def account(order_id: OrderId = DELIVERED, **changes: Any) -> Account:
    values = {"currency": "EUR", "live": 0, "captures": 1, "captured": TOTAL, "refunded": 0, **changes}
    return Account(order_id=order_id, **values)


@asynccontextmanager
async def dev_server() -> AsyncIterator[str]:
    """A Temporal server that no other test uses: what runs in it is what these tests start."""
    program = shutil.which("temporal", path=str(Path(sys.executable).parent))
    environment = await WorkflowEnvironment.start_local(dev_server_existing_path=program)
    yield environment.client.service_client.config.target_host
    await environment.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quiet_server() -> AsyncIterator[str]:
    """A Temporal server in which nothing ever runs."""
    async with dev_server() as address:
        yield address


@pytest.fixture
async def quiet(quiet_server: str) -> Client:
    return await Client.connect(quiet_server)


@pytest.fixture
async def clean(database: Database) -> Database:
    """A delivered and a rejected order long ago, one that has just come, and ten lamps of which one has left."""
    async with database.transaction() as connection:
        await connection.execute(insert(stock).values(sku="LAMP", name="Lamp", on_hand=9, reserved=1))
        for status, order_id, events in (
            ("delivered", DELIVERED, 3),
            ("rejected", REJECTED, 2),
            ("processing", OPEN, 1),
        ):
            await connection.execute(insert(orders).values(an_order(order_id, status, events)))
            await connection.execute(insert(order_events), [an_event(order_id, n) for n in range(1, events + 1)])
        await connection.execute(
            insert(stock_movements),
            [a_movement("put:1", 10, 0), a_movement("a", 0, 1), a_movement("b", -1, -1), a_movement("c", 0, 1)],
        )
    return database


def an_order(order_id: OrderId, status: str, events: int) -> dict[str, Any]:
    at = datetime.now(UTC) - (timedelta(0) if status == "processing" else timedelta(days=50))
    return {
        "id": order_id,
        "run_id": "run",
        "caller": "key:shop",
        "customer_id": "C-1",
        "status": status,
        "currency": "EUR",
        "total": TOTAL,
        "shipping_address": {},
        "metadata": {},
        "terms": TERMS,
        "stock": "left" if status == "delivered" else "held",
        "fingerprint": "f",
        "fingerprint_key": "k",
        "last_event": events,
        "accepted_at": at,
        "updated_at": at,
    }


def an_event(order_id: OrderId, n: int) -> dict[str, Any]:
    key = "only" if order_id == OPEN else f"fact:{n}"
    return {"order_id": order_id, "sequence": n, "key": key, "kind": "order_received", "actor": "a", "data": {}}


def a_movement(key: str, on_hand: int, reserved: int) -> dict[str, Any]:
    values = {"sku": "LAMP", "key": key, "kind": "held", "actor": "a"}
    return {**values, "on_hand_delta": on_hand, "reserved_delta": reserved}


async def plant(database: Database, *statements: str) -> None:
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement))


def broken(checks: Sequence[Check]) -> dict[str, int]:
    assert [verdict.name for verdict in checks] == ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"]
    return {verdict.name: verdict.violations for verdict in checks if verdict.violations}


def examples(checks: Sequence[Check], name: str) -> Sequence[str]:
    return next(verdict.examples for verdict in checks if verdict.name == name)


async def test_clean_books_have_no_violations(clean: Database, quiet: Client) -> None:
    assert broken(await check(clean, quiet, Ledger([account()]))) == {}


async def test_an_empty_database_has_no_violations(database: Database, quiet: Client) -> None:
    assert broken(await check(database, quiet, Ledger())) == {}


NO_CHECK = "ALTER TABLE stock DROP CONSTRAINT ck_stock_never_oversold"
SAME_MOVEMENT = "INSERT INTO stock_movements (sku, key, kind, on_hand_delta, reserved_delta, actor)"


@pytest.mark.parametrize(
    "statements",
    [
        (NO_CHECK, "UPDATE stock SET reserved = 10", f"{SAME_MOVEMENT} VALUES ('LAMP', 'x', 'held', 0, 9, 'a')"),
        (NO_CHECK, "UPDATE stock SET reserved = -1", f"{SAME_MOVEMENT} VALUES ('LAMP', 'x', 'held', 0, -2, 'a')"),
    ],
    ids=["more held than there is", "less than nothing held"],
)
async def test_oversold_stock_is_found(clean: Database, quiet: Client, statements: tuple[str, ...]) -> None:
    await plant(clean, *statements)

    checks = await check(clean, quiet, Ledger([account()]))

    assert broken(checks) == {"I1": 1}
    assert examples(checks, "I1") == ("LAMP",)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM stock_movements WHERE key = 'c'",
        "UPDATE stock SET on_hand = on_hand + 1",
        "INSERT INTO stock (sku, name, on_hand) VALUES ('VASE', 'Vase', 3)",
    ],
)
async def test_stock_that_movements_do_not_explain_is_found(clean: Database, quiet: Client, statement: str) -> None:
    await plant(clean, statement)

    assert broken(await check(clean, quiet, Ledger([account()]))) == {"I2": 1}


HELD = {"captures": 0, "captured": 0}
BOOKS: list[tuple[list[Account], dict[str, int]]] = [
    ([account(captures=2)], {"I3": 1}),
    ([account(), account(OPEN, live=2, **HELD)], {"I3": 1}),
    ([account(), account(OPEN, live=1, **HELD)], {}),
    ([account(), account(OPEN), account(OPEN, currency="USD")], {"I3": 1}),
    ([], {"I4": 1}),
    ([account(captured=TOTAL - 1)], {"I4": 1}),
    ([account(refunded=TOTAL)], {"I4": 1}),
    ([account(currency="USD")], {"I4": 1}),
    ([account(live=1)], {"I4": 1}),
    ([account(), account(REJECTED)], {"I4": 1}),
    ([account(), account(REJECTED, refunded=TOTAL)], {}),
    ([account(), account(REJECTED, live=1, **HELD)], {"I4": 1}),
    ([account(), account(REJECTED, currency="USD")], {"I4": 1}),
    ([account(captures=2), account(OPEN, live=2, **HELD), account(REJECTED)], {"I3": 2, "I4": 1}),
]


async def test_money_where_it_should_not_be_is_found(clean: Database, quiet: Client) -> None:
    found = [(books, broken(await check(clean, quiet, Ledger(books)))) for books, _ in BOOKS]

    assert found == BOOKS


async def test_money_of_an_order_that_ended_while_the_books_were_read_is_judged_the_next_time(
    clean: Database, quiet: Client
) -> None:
    class Meanwhile(Ledger):
        async def accounts(self) -> Sequence[Account]:
            await plant(clean, "UPDATE orders SET status = 'delivered', updated_at = now() WHERE status = 'processing'")
            return self.books

    ledger = Meanwhile([account()])

    assert "I4" not in broken(await check(clean, quiet, ledger))
    assert broken(await check(clean, quiet, Ledger([account()])))["I4"] == 1


VOID, GATE = f"{DELIVERED}:void:1", f"{DELIVERED}:cancel:1"
ANSWERS = [
    ("skip", "undo_failed", VOID, True),
    ("resolved_by_hand", "undo_failed", f"{DELIVERED}:refund:2", True),
    ("resolved_by_hand", "outcome_unknown", f"{DELIVERED}:capture:1", True),
    ("resolved_by_hand", "shipped_unpaid", f"{DELIVERED}:capture:1", True),
    ("retry", "undo_failed", VOID, False),
    ("skip", "undo_failed", GATE, False),
    ("resolved_by_hand", "undo_failed", GATE, False),
    ("resolved_by_hand", "late_event", None, False),
    ("resolved_by_hand", None, None, False),
]


@pytest.mark.parametrize(("action", "question", "operation", "settled"), ANSWERS)
async def test_money_an_operator_settles_outside_is_not_looked_for(
    clean: Database, quiet: Client, action: str, question: str | None, operation: str | None, settled: bool
) -> None:
    books = Ledger([account(captured=0, captures=0), account(REJECTED)])
    assert broken(await check(clean, quiet, books)) == {"I4": 2}

    for order_id in (DELIVERED, OPEN):
        await answered(clean, order_id, {"action": action, "question": question, "operation": operation})

    checks = await check(clean, quiet, books)
    assert (str(DELIVERED) not in examples(checks, "I4")) is settled
    assert str(REJECTED) in examples(checks, "I4"), "nobody has answered for that one"


async def answered(database: Database, order_id: OrderId, data: dict[str, str | None]) -> None:
    """An operator has closed a question."""
    fact = {**an_event(order_id, 9), "key": "answer:1", "kind": "attention_resolved"}
    told = {name: value for name, value in data.items() if value is not None}
    counted = update(orders).where(orders.c.id == order_id).values(last_event=orders.c.last_event + 1)
    async with database.transaction() as connection:
        sequence = (await connection.execute(counted.returning(orders.c.last_event))).scalar_one()
        await connection.execute(insert(order_events).values({**fact, "sequence": sequence, "data": told}))


WAITING = {
    ("received", 2): True,
    ("processing", 0): False,
    ("processing", 2): True,
    ("cancelling", 2): True,
    ("awaiting_payment", 0): True,
    ("awaiting_shipment", 29): False,
    ("awaiting_shipment", 31): True,
    ("shipped", 29): False,
    ("shipped", 31): True,
    ("needs_attention", 0): True,
    ("awaiting_approval", 0): True,
}


async def test_an_order_that_waits_for_nobody_or_too_long_is_found(clean: Database, quiet: Client) -> None:
    forgotten = {}
    for status, days in WAITING:
        since = datetime.now(UTC) - timedelta(days=days)
        change = update(orders).where(orders.c.id == OPEN)
        async with clean.transaction() as connection:
            await connection.execute(change.values(status=status, accepted_at=since, updated_at=since))
        checks = await check(clean, quiet, Ledger([account()]))
        forgotten[status, days] = examples(checks, "I5") == (str(OPEN),)

    assert forgotten == WAITING


@pytest.mark.parametrize(
    "change",
    [
        """
        UPDATE orders SET status = 'needs_attention', attention_reason = 'lost', attention_due_at = {} WHERE id = '{}'
        """,
        "UPDATE orders SET status = 'awaiting_payment', payment_due_at = {} WHERE id = '{}'",
        """
        INSERT INTO inbox (source, event_id, type, order_id, tracking_number, occurred_at, signalled_at, outcome,
                           attention_due_at)
        SELECT 'c', 'e', 'parcel.lost', id, 't', now(), now(), 'late_event', {} FROM orders WHERE id = '{}'
        """,
    ],
    ids=["a question", "a payment", "a late event"],
)
@pytest.mark.parametrize(
    ("due", "fine"),
    [("now() - interval '1 minute'", True), ("now() - interval '1 hour'", False), ("NULL", False)],
    ids=["due", "overdue", "never due"],
)
async def test_what_people_are_to_do_is_fine_until_it_is_overdue(
    clean: Database, quiet: Client, change: str, due: str, fine: bool
) -> None:
    await plant(clean, change.format(due, OPEN))

    checks = await check(clean, quiet, Ledger([account()]))

    assert broken(checks) == ({} if fine else {"I5": 1})
    assert examples(checks, "I5") == (() if fine else (str(OPEN),))


async def test_a_late_event_somebody_has_looked_at_is_nobodys_duty(clean: Database, quiet: Client) -> None:
    await plant(
        clean,
        f"""
        INSERT INTO inbox (source, event_id, type, order_id, tracking_number, occurred_at, outcome, resolved_at)
        VALUES ('c', 'e', 'parcel.lost', '{DELIVERED}', 't', now(), 'late_event', now())
        """,  # noqa: S608
    )

    assert broken(await check(clean, quiet, Ledger([account()]))) == {}


NO_UNIQUE_KEY = "ALTER TABLE order_events DROP CONSTRAINT uq_order_events_order_id_key"
NO_EVENTS = "DELETE FROM order_events USING orders WHERE orders.id = order_id AND status = 'delivered'"


@pytest.mark.parametrize(
    "statements",
    [
        (f"{NO_EVENTS} AND sequence = 2",),
        (NO_EVENTS,),
        ("UPDATE order_events SET sequence = 4 WHERE sequence = 3",),
        ("UPDATE orders SET last_event = 4 WHERE status = 'delivered'",),
        ("UPDATE orders SET last_event = 0 WHERE last_event = 1", "DELETE FROM order_events WHERE key = 'only'"),
        (NO_UNIQUE_KEY, "UPDATE order_events SET key = 'fact:1' WHERE sequence = 3"),
    ],
    ids=["a gap", "no events", "a gap at the end", "one too few", "an order without any", "a fact told twice"],
)
async def test_a_timeline_with_gaps_or_repetitions_is_found(
    clean: Database, quiet: Client, statements: tuple[str, ...]
) -> None:
    await plant(clean, *statements)

    assert broken(await check(clean, quiet, Ledger([account()]))) == {"I7": 1}


async def test_rows_and_workflows_that_disagree_are_found_once_they_had_time_to_agree(clean: Database) -> None:
    strict = Leniency(grace=timedelta(0))
    async with dev_server() as address:
        temporal = await Client.connect(address)
        assert broken(await check(clean, temporal, Ledger([account()]), strict)) == {"I6": 1}, (
            "nobody runs the open order"
        )

        await start(temporal, OPEN)
        assert await eventually(clean, temporal, strict, set())

        unwritten = OrderId(uuid4())
        await start(temporal, unwritten)
        await start(temporal, DELIVERED)
        assert await eventually(clean, temporal, strict, {str(unwritten), str(DELIVERED)})

        for order_id in (OPEN, DELIVERED, unwritten):
            await temporal.get_workflow_handle(order_workflow_id(order_id)).terminate()
        assert await eventually(clean, temporal, strict, {str(unwritten), str(OPEN)})

        lenient = await check(clean, temporal, Ledger([account()]))
        assert broken(lenient) == {}, "all of it has changed within the last ten minutes"


async def start(temporal: Client, order_id: OrderId) -> None:
    await temporal.start_workflow(ORDER_WORKFLOW, id=order_workflow_id(order_id), task_queue=TaskQueue.ORDERS)


async def eventually(database: Database, temporal: Client, leniency: Leniency, offenders: set[str]) -> bool:
    """Temporal lists workflows a moment after they have started and closed."""
    for _ in range(50):
        checks = await check(database, temporal, Ledger([account()]), leniency)
        if set(examples(checks, "I6")) == offenders:
            return broken(checks) == ({"I6": len(offenders)} if offenders else {})
    return False
