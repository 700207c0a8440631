"""
What must always be true of orders, stock, money and approvals (I1 to I8), checked against the database, Temporal and
the payment provider's own records.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from temporalio.client import Client, WorkflowExecutionStatus

from fulfillment.contracts.naming import ORDER_WORKFLOW, order_id_of
from fulfillment.db import invariants as found
from fulfillment.db.engine import Database
from fulfillment.db.invariants import MOST_EXAMPLES, Offenders, Workflows
from fulfillment.db.lawful_approvals import unlawful_approvals
from fulfillment.domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    What the payment provider says about one order in one currency.

    Attributes:
        order_id: the order.
        currency: of `captured` and `refunded`, which are in minor units.
        live: authorisations that hold money.
        captures: how often money was taken.
        captured: money taken.
        refunded: money given back.
    """

    order_id: OrderId
    currency: str
    live: int
    captures: int
    captured: int
    refunded: int


class ProviderLedger(Protocol):
    """The payment provider's own records."""

    async def accounts(self) -> Sequence[Account]:
        """Of every order the provider has ever heard of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leniency:
    """
    How far behind the service may be before that counts.

    Attributes:
        step: time for one step of its own, repetitions while a provider is away included.
        grace: time for a row and its workflow to agree, and for a deadline to be acted on.
        memory: how far back closed workflows are looked at.
    """

    step: timedelta = timedelta(days=1)
    grace: timedelta = timedelta(minutes=10)
    memory: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The verdict on one invariant; examples name a few of those that break it, by id or SKU."""

    name: str
    claim: str
    violations: int
    examples: Sequence[str]


async def check(
    database: Database, temporal: Client, ledger: ProviderLedger, leniency: Leniency | None = None
) -> list[Check]:
    """
    Check every invariant.

    Violations seen while the service is at work may be gone a moment later, when both sides have been heard: without
    leniency, ask again before believing one.
    """
    lenient = leniency or Leniency()
    # Asked first: whatever changes from now on is not judged by records that are older than the change.
    async with database.statement() as connection:
        asked_at = await found.now(connection)
    workflows = await _workflows(temporal, lenient)
    accounts = await ledger.accounts()
    async with database.statement() as connection:
        forgotten = await found.forgotten_orders(connection, step=lenient.step, grace=lenient.grace)
        apart = await found.orders_without_their_workflow(
            connection, workflows, changed_before=asked_at - lenient.grace
        )
        unlawful = await unlawful_approvals(connection, changed_before=asked_at - lenient.grace)
        return [
            _verdict("I1", "stock is never oversold", await found.oversold_articles(connection)),
            _verdict("I2", "movements add up to the stock", await found.unexplained_articles(connection)),
            _verdict("I3", "at most one live authorisation and one capture per order", _charged_twice(accounts)),
            _verdict(
                "I4",
                "the money of every final order is settled",
                await found.unsettled_orders(connection, _rows(accounts), asked_at),
            ),
            _verdict("I5", "every open order waits for somebody, with a deadline", forgotten),
            _verdict("I6", "open orders have an open workflow, final ones have none", apart),
            _verdict("I7", "one event per fact, without gaps", await found.broken_timelines(connection)),
            _verdict("I8", "decisions are made once, by somebody allowed", unlawful),
        ]


def _verdict(name: str, claim: str, offenders: Offenders) -> Check:
    return Check(name=name, claim=claim, violations=offenders.count, examples=offenders.examples)


def _charged_twice(accounts: Sequence[Account]) -> Offenders:
    live: Counter[OrderId] = Counter()
    captures: Counter[OrderId] = Counter()
    for account in accounts:
        live[account.order_id] += account.live
        captures[account.order_id] += account.captures
    twice = sorted(str(order) for order in live if live[order] > 1 or captures[order] > 1)
    return Offenders(count=len(twice), examples=tuple(twice[:MOST_EXAMPLES]))


def _rows(accounts: Sequence[Account]) -> list[dict[str, str | int]]:
    return [
        {
            "order_id": str(account.order_id),
            "currency": account.currency,
            "live": account.live,
            "captured": account.captured,
            "refunded": account.refunded,
        }
        for account in accounts
    ]


async def _workflows(temporal: Client, lenient: Leniency) -> Workflows:
    """What is running, and what has closed lately; a workflow that was started again counts as running."""
    now = datetime.now(UTC)
    since = (now - lenient.memory).isoformat()
    running, begun, closed = set[OrderId](), set[OrderId](), set[OrderId]()
    query = f'WorkflowType = "{ORDER_WORKFLOW}" AND (ExecutionStatus = "Running" OR CloseTime > "{since}")'
    async for workflow in temporal.list_workflows(query):
        order_id = order_id_of(workflow.id)
        if order_id is None:
            continue
        if workflow.status is WorkflowExecutionStatus.RUNNING:
            running.add(order_id)
            if workflow.start_time <= now - lenient.grace:
                begun.add(order_id)
        elif workflow.close_time and workflow.close_time <= now - lenient.grace:
            closed.add(order_id)
    return Workflows(running=sorted(running), begun=sorted(begun), closed=sorted(closed - running))
