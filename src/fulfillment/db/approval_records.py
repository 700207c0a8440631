"""
Plans, levels and requests for approval as their rows have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import JSON, Row, ScalarSelect, func, select

from fulfillment.contracts.approvals import ApprovalAsked, Decided
from fulfillment.db.tables import approvals, orders
from fulfillment.domain.approval_requests import Level
from fulfillment.domain.approvals import ApprovalStatus, Missing, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSummary:
    """
    The newest request of an order: which roles may decide now, since when it waits, and when somebody higher is asked.
    """

    id: UUID
    status: ApprovalStatus
    waiting_for: tuple[str, ...]
    since: datetime
    due_at: datetime | None


PLAN = TypeAdapter(Plan)
_SUMMARY = TypeAdapter(ApprovalSummary)
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


def decided_of(result: Mapping[str, Any], fingerprint: str, fingerprint_key: str) -> Decided:
    """What a voter was told, and what recognises their request."""
    return Decided(
        status=ApprovalStatus(result["status"]),
        missing=_MISSING.validate_python(result["missing"]),
        fingerprint=fingerprint,
        fingerprint_key=fingerprint_key,
    )


def newest_request() -> ScalarSelect[Any]:
    """The newest request of the order of a row, as `summary_of` reads it."""
    columns = approvals.c
    summary = func.json_build_object(
        "id", columns.id, "status", columns.status, "waiting_for", columns.waiting_for,
        "since", columns.requested_at, "due_at", columns.due_at,
        type_=JSON,
    )  # fmt: skip
    newest = select(summary).where(columns.order_id == orders.c.id).order_by(columns.n.desc()).limit(1)
    return newest.correlate(orders).scalar_subquery()


def summary_of(value: Mapping[str, Any] | None) -> ApprovalSummary | None:
    """What `newest_request` has found; None: nobody was ever asked."""
    return _SUMMARY.validate_python(value) if value else None
