"""
Plans, levels and requests for approval as their rows have them.
"""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from fulfillment.contracts.approvals import ApprovalAsked, Decided
from fulfillment.domain.approval_requests import Level
from fulfillment.domain.approvals import Plan

PLAN = TypeAdapter(Plan)
LEVELS: TypeAdapter[tuple[Level, ...]] = TypeAdapter(tuple[Level, ...])
DECIDED = TypeAdapter(Decided)


def asked_of(row: Row[Any]) -> ApprovalAsked:
    """A request as it was asked (columns `id`, `n`, `plan`, `requesters`)."""
    return ApprovalAsked(
        approval_id=row.id, n=row.n, plan=PLAN.validate_python(row.plan), requesters=tuple(row.requesters)
    )
