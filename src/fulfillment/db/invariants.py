"""
What must always be true, as statements that find what is not: each tells how many offenders there are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from fulfillment.db.engine import Reading
from fulfillment.domain.attention import SETTLES
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import AttentionReason, OrderStatus

MOST_EXAMPLES = 5
FINAL = [status.value for status in OrderStatus if status.is_final]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offenders:
    """Those that break a rule: how many, and the names of the first few."""

    count: int
    examples: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """
    Orders by what Temporal says of their workflow.

    Attributes:
        running: it is open.
        begun: those of them that are open for so long that there must be a row.
        closed: it is closed, and none is open; not necessarily all of them.
    """

    running: Sequence[UUID]
    begun: Sequence[UUID]
    closed: Sequence[UUID]


async def now(connection: Reading) -> datetime:
    """The database's clock, which stamps every row."""
    found: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
    return found


async def oversold_articles(connection: Reading) -> Offenders:
    """I1: articles with more pieces held than there are, or with fewer than none."""
    return await find(connection, "SELECT sku FROM stock WHERE NOT (0 <= reserved AND reserved <= on_hand)")


async def unexplained_articles(connection: Reading) -> Offenders:
    """I2: articles whose movements do not add up to their figures."""
    return await find(
        connection,
        """
        SELECT sku FROM stock LEFT JOIN (
            SELECT sku, sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved
            FROM stock_movements GROUP BY sku
        ) AS moved USING (sku)
        WHERE (stock.on_hand, stock.reserved) <> (coalesce(moved.on_hand, 0), coalesce(moved.reserved, 0))
        """,
    )


async def unsettled_orders(connection: Reading, accounts: Sequence[Mapping[str, Any]], read_at: datetime) -> Offenders:
    """
    I4: final orders whose money at the provider is not what their end means, unless an operator took it upon them:
    answers to questions about money say so, neither those about goods nor those about parcels.

    Args:
        connection: the database.
        accounts: `order_id`, `currency`, `live`, `captured` and `refunded` (minor units) of every order and currency.
        read_at: when reading the accounts began; orders that changed later are left for the next time.
    """
    return await find(
        connection,
        """
        SELECT orders.id
        FROM orders
        LEFT JOIN jsonb_to_recordset(CAST(:accounts AS jsonb))
            AS account(order_id uuid, currency text, live integer, captured bigint, refunded bigint)
            ON account.order_id = orders.id
        WHERE orders.status = ANY(CAST(:final AS text[])) AND orders.updated_at <= :read_at
            AND NOT EXISTS (
                SELECT FROM order_events AS event
                WHERE event.order_id = orders.id AND event.kind = 'attention_resolved'
                    AND event.data->>'action' = ANY(CAST(:settles AS text[]))
                    AND (
                        event.data->>'question' = :unpaid
                        OR event.data->>'question' = ANY(CAST(:undo AS text[]))
                            AND split_part(event.data->>'operation', ':', 2) = ANY(CAST(:money AS text[]))
                    )
            )
        GROUP BY orders.id
        HAVING coalesce(sum(account.live), 0) > 0
            OR coalesce(sum(account.captured - account.refunded) FILTER (WHERE account.currency = orders.currency), 0)
                <> CASE WHEN orders.status = 'delivered' THEN orders.total ELSE 0 END
            OR coalesce(bool_or(account.captured <> account.refunded) FILTER (
                WHERE account.currency <> orders.currency), false)
        """,
        accounts=json.dumps(list(accounts)),
        final=FINAL,
        settles=[action.value for action in SETTLES],
        unpaid=AttentionReason.SHIPPED_UNPAID.value,
        undo=[AttentionReason.UNDO_FAILED.value, AttentionReason.OUTCOME_UNKNOWN.value],
        money=[OperationKind.VOID.value, OperationKind.REFUND.value, OperationKind.CAPTURE.value],
        read_at=read_at,
    )


async def forgotten_orders(connection: Reading, *, step: timedelta, grace: timedelta) -> Offenders:
    """
    I5: orders that are not final and wait for nobody, or for longer than was agreed; late events nobody looks at.

    Args:
        connection: the database.
        step: how long the service itself may take over one step.
        grace: how late whoever acts on a deadline may be.
    """
    return await find(
        connection,
        """
        SELECT id FROM orders
        WHERE status <> ALL(CAST(:final AS text[]))
            AND coalesce(CASE
                WHEN status IN ('received', 'processing', 'cancelling') THEN updated_at + :step
                WHEN status = 'awaiting_payment' THEN payment_due_at
                WHEN status = 'awaiting_shipment' THEN updated_at + CAST(terms->>'hand_over_window' AS interval)
                WHEN status = 'shipped' THEN updated_at + CAST(terms->>'delivery_window' AS interval)
                WHEN status = 'needs_attention' AND attention_reason IS NOT NULL THEN attention_due_at
            END, '-infinity') + :grace < clock_timestamp()
        UNION
        SELECT order_id FROM inbox
        WHERE outcome = 'late_event' AND resolved_at IS NULL
            AND coalesce(attention_due_at, '-infinity') + :grace < clock_timestamp()
        """,
        final=FINAL,
        step=step,
        grace=grace,
    )


async def orders_without_their_workflow(
    connection: Reading, workflows: Workflows, *, changed_before: datetime
) -> Offenders:
    """
    I6: open orders nobody runs, running workflows without an open order, closed ones without a final order.

    Args:
        connection: the database.
        workflows: what Temporal says.
        changed_before: rows that changed later are left for the next time.
    """
    return await find(
        connection,
        """
        WITH workflow(id, open) AS (
            SELECT unnest(CAST(:begun AS uuid[])), true UNION ALL SELECT unnest(CAST(:closed AS uuid[])), false
        )
        SELECT workflow.id
        FROM workflow LEFT JOIN orders USING (id)
        WHERE coalesce(orders.updated_at <= :changed_before, true)
            AND (orders.id IS NULL OR (orders.status = ANY(CAST(:final AS text[]))) = workflow.open)
        UNION
        SELECT id FROM orders
        WHERE status <> ALL(CAST(:final AS text[])) AND updated_at <= :changed_before
            AND id <> ALL(CAST(:running AS uuid[]))
        """,
        running=list(workflows.running),
        begun=list(workflows.begun),
        closed=list(workflows.closed),
        final=FINAL,
        changed_before=changed_before,
    )


async def broken_timelines(connection: Reading) -> Offenders:
    """I7: orders with a gap among their events, or with a fact told twice."""
    return await find(
        connection,
        """
        SELECT orders.id
        FROM orders LEFT JOIN order_events AS event ON event.order_id = orders.id
        GROUP BY orders.id
        HAVING orders.last_event < 1
            OR count(event.key) <> orders.last_event
            OR count(DISTINCT event.key) <> orders.last_event
            OR count(DISTINCT event.sequence) <> orders.last_event
            OR min(event.sequence) <> 1
            OR max(event.sequence) <> orders.last_event
        """,
    )


async def find(connection: Reading, statement: str, **parameters: object) -> Offenders:
    """What a statement of one column finds."""
    counted = text(
        f"SELECT offender::text, count(*) OVER () FROM ({statement}) AS found(offender)"  # noqa: S608 - ours, see above
        f" ORDER BY offender LIMIT {MOST_EXAMPLES}"
    )
    rows = (await connection.execute(counted, parameters)).all()
    return Offenders(count=rows[0][1] if rows else 0, examples=tuple(row[0] for row in rows))
