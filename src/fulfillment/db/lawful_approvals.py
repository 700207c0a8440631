"""
I8, as a statement that finds what breaks it: a decision is made once, by somebody allowed.
"""

from datetime import datetime

from fulfillment.db.engine import Reading
from fulfillment.db.invariants import Offenders, find
from fulfillment.domain.orders import OrderStatus

_PAST_APPROVAL = [
    OrderStatus.PROCESSING.value,
    OrderStatus.AWAITING_PAYMENT.value,
    OrderStatus.AWAITING_SHIPMENT.value,
    OrderStatus.SHIPPED.value,
    OrderStatus.DELIVERED.value,
]

_COUNTED = "SELECT * FROM approval_votes WHERE state = 'counted'"

# A level that was merged is decided at another one, so somebody has to have said yes somewhere.
_APPROVED_BY_TOO_FEW = """
    SELECT approval.id
    FROM approvals AS approval
    CROSS JOIN LATERAL jsonb_to_recordset(approval.plan->'levels') AS planned(role text, quorum integer)
    LEFT JOIN LATERAL jsonb_to_recordset(approval.levels) AS level(name text, status text) ON level.name = planned.role
    WHERE approval.status = 'approved' AND level.status IS DISTINCT FROM 'merged'
        AND planned.quorum > (
            SELECT count(DISTINCT vote.actor) FROM counted AS vote
            WHERE vote.approval_id = approval.id AND vote.level = planned.role AND vote.vote = 'approve'
        )
    UNION
    SELECT approval.id FROM approvals AS approval
    WHERE approval.status = 'approved'
        AND NOT EXISTS (SELECT FROM counted AS vote WHERE vote.approval_id = approval.id AND vote.vote = 'approve')
"""
_NOT_WHAT_WAS_SAID = """
    SELECT approval.id FROM approvals AS approval
    WHERE approval.status IN ('approved', 'rejected')
        AND (approval.status = 'rejected') <> EXISTS (
            SELECT FROM counted AS vote WHERE vote.approval_id = approval.id AND vote.vote = 'reject'
        )
"""
_COUNTED_TWICE = """
    SELECT approval_id FROM (
        SELECT approval_id, key, actor AS person FROM counted
        UNION
        SELECT approval_id, key, on_behalf_of FROM counted WHERE on_behalf_of IS NOT NULL
    ) AS person
    GROUP BY approval_id, person HAVING count(*) > 1
"""
# Who is the same person: see `names_of`.
_BY_ITS_REQUESTER = """
    SELECT vote.approval_id
    FROM counted AS vote
    JOIN approvals AS approval ON approval.id = vote.approval_id
    CROSS JOIN LATERAL unnest(approval.requesters) AS requester
    CROSS JOIN LATERAL unnest(ARRAY[lower(vote.actor), lower(vote.on_behalf_of)]) AS person
    WHERE lower(btrim(requester)) IN (
        person, regexp_replace(person, '^(key|jwt):', ''), regexp_replace(person, '^[^#]*#', '')
    )
"""
# A vote goes on counting when its level is given to another role, or asks nobody higher any more.
_WITHOUT_ITS_ROLE = """
    SELECT vote.approval_id
    FROM counted AS vote
    JOIN approvals AS approval ON approval.id = vote.approval_id
    LEFT JOIN LATERAL jsonb_to_recordset(approval.levels) AS level(name text, role text, escalated_to text)
        ON level.name = vote.level
    WHERE (level.name IS NULL OR NOT vote.roles && ARRAY[level.name, level.role, level.escalated_to])
        AND NOT EXISTS (
            SELECT FROM order_events AS event
            WHERE event.order_id = approval.order_id
                AND event.kind IN ('approval_reassigned', 'approval_escalated')
                AND event.data->>'approval' = CAST(approval.id AS text)
                AND event.data->>'level' = vote.level AND event.data->>'to' = ANY(vote.roles)
        )
"""
_ASKED_TWICE = "SELECT order_id FROM approvals WHERE status = 'pending' GROUP BY order_id HAVING count(*) > 1"
_FOR_NOBODY = """
    SELECT approval.id FROM approvals AS approval JOIN orders ON orders.id = approval.order_id
    WHERE approval.status = 'pending' AND orders.status <> 'awaiting_approval'
        AND orders.updated_at <= CAST(:changed_before AS timestamptz)
"""
_ASKING_NOBODY = """
    SELECT orders.id
    FROM orders LEFT JOIN LATERAL (
        SELECT status, closed_at FROM approvals WHERE order_id = orders.id ORDER BY n DESC LIMIT 1
    ) AS newest ON true
    WHERE orders.status = 'awaiting_approval' AND orders.updated_at <= CAST(:changed_before AS timestamptz)
        AND newest.status IS DISTINCT FROM 'pending'
        AND coalesce(newest.closed_at, '-infinity') <= CAST(:changed_before AS timestamptz)
"""
# Orders from before there were approvals were never assessed.
_WORTH_MORE = """
    SELECT id FROM orders
    WHERE status = ANY(CAST(:past_approval AS text[])) AND total > 0 AND NOT test
        AND (
            approved_total IS NULL AND assessment IS NOT NULL
            OR approved_total < total OR approved_currency <> currency
        )
"""
_RULES = (
    _APPROVED_BY_TOO_FEW,
    _NOT_WHAT_WAS_SAID,
    _COUNTED_TWICE,
    _BY_ITS_REQUESTER,
    _WITHOUT_ITS_ROLE,
    _ASKED_TWICE,
    _FOR_NOBODY,
    _ASKING_NOBODY,
    _WORTH_MORE,
)
_UNLAWFUL = f"WITH counted AS ({_COUNTED}) {' UNION '.join(_RULES)}"


async def unlawful_approvals(connection: Reading, *, changed_before: datetime) -> Offenders:
    """
    I8: approvals without enough votes, or with votes of people who may not decide; orders whose approval they do not
    wait for, that wait for none, or that cost more than was approved.

    Args:
        connection: the database.
        changed_before: an order and its request that changed later may not have heard of each other yet.
    """
    return await find(connection, _UNLAWFUL, changed_before=changed_before, past_approval=_PAST_APPROVAL)
