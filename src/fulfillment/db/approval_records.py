"""
Plans, levels and requests for approval as their rows have them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from fulfillment.contracts.approvals import ApprovalAsked, Decided
from fulfillment.domain.approval_requests import Level
from fulfillment.domain.approvals import ApprovalStatus, Missing, Plan

PLAN = TypeAdapter(Plan)
LEVELS: TypeAdapter[tuple[Level, ...]] = TypeAdapter(tuple[Level, ...])
_MISSING: TypeAdapter[tuple[Missing, ...]] = TypeAdapter(tuple[Missing, ...])


def asked_of(row: Row[Any]) -> ApprovalAsked:
    """A request as it was asked (columns `id`, `n`, `plan`, `requesters`)."""
    return ApprovalAsked(
        approval_id=row.id, n=row.n, plan=PLAN.validate_python(row.plan), requesters=tuple(row.requesters)
    )


def result_of(decided: Decided) -> dict[str, Any]:
    """What a voter was told, without whose request it was."""
    return {"status": decided.status.value, "missing": _MISSING.dump_python(decided.missing, mode="json")}


def decided_of(result: Mapping[str, Any]) -> Decided:
    """What a voter was told."""
    return Decided(status=ApprovalStatus(result["status"]), missing=_MISSING.validate_python(result["missing"]))
