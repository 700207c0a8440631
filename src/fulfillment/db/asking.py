"""
Asking for an approval: the request's row and its first facts, written with the order's own change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    DateTime,
    Integer,
    Select,
    String,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from fulfillment.contracts.approvals import ApprovalAsked
from fulfillment.db.approval_records import LEVELS, PLAN, asked_of
from fulfillment.db.changes import Effect, Fact
from fulfillment.db.customers import KnownCustomer
from fulfillment.db.engine import Writing
from fulfillment.db.tables import approvals
from fulfillment.domain.approval_policy import Assessment, Policy, RiskFacts
from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import ApprovalStatus, LevelStatus
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId, Sku, approval_id_for
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request for the approval of an order of this `total`; `assessment` is what the rules say, as it is kept."""

    asked: ApprovalAsked
    total: Money
    assessment: dict[str, Any]

    def facts(self) -> tuple[Fact, ...]:
        """The people of the first levels are asked."""
        begun = self._begun(datetime.now(UTC))
        asked = (level for level in begun.levels if level.status is LevelStatus.OPEN)
        about = {"approval": str(self.asked.approval_id), "n": self.asked.n}
        return tuple(
            Fact(
                kind=EventKind.APPROVAL_REQUESTED,
                key=f"approval:{self.asked.n}:1:{i}",
                data={"level": level.name, "role": level.role, **about},
            )
            for i, level in enumerate(asked)
        )

    def parameters(self) -> dict[str, Any]:
        """The parameters of `write`."""
        now = datetime.now(UTC)
        begun = self._begun(now)
        return {
            "asked_id": self.asked.approval_id,
            "asked_n": self.asked.n,
            "asked_plan": PLAN.dump_python(self.asked.plan, mode="json"),
            "asked_assessment": self.assessment,
            "asked_requesters": list(self.asked.requesters),
            "asked_total": self.total.amount,
            "asked_currency": self.total.currency,
            "asked_levels": LEVELS.dump_python(begun.levels, mode="json"),
            "asked_waiting_for": list(begun.waiting_for),
            "asked_started_at": now,
            "asked_due_at": begun.due_at,
        }

    def effect(self) -> Effect:
        """Write it with the change of its order."""
        return Effect(write, self.parameters())

    def _begun(self, now: datetime) -> ApprovalRequest:
        return ApprovalRequest(self.asked.plan, requesters=self.asked.requesters, started_at=now)


def new_request(
    order_id: OrderId, n: int, assessment: Assessment, total: Money, requesters: tuple[str, ...], kept: dict[str, Any]
) -> NewRequest:
    """The `n`th request of an order."""
    asked = ApprovalAsked(
        approval_id=approval_id_for(order_id, n), n=n, plan=assessment.plan, requesters=tuple(dict.fromkeys(requesters))
    )
    return NewRequest(asked=asked, total=total, assessment=kept)


def assess(
    policy: Policy, total: Money, demand: Mapping[Sku, int], country: str, customer: KnownCustomer
) -> Assessment:
    """What the rules say of an order of these articles."""
    facts = RiskFacts(
        country=country,
        most_units=max(demand.values()),
        first_order=customer.first_order,
        orders_within_hour=customer.orders_within_hour,
        unusual_address=customer.unusual_address,
    )
    return policy.assess(total, facts)


def as_kept(assessment: Assessment, customer: KnownCustomer) -> dict[str, Any]:
    """
    An assessment as it is kept for whoever asks later. What was known of the customer stays with it: a change of the
    order is judged by the same.
    """
    return {
        "policy": assessment.plan.policy,
        "score": assessment.score,
        "points": dict(assessment.points),
        "customer": {
            "first_order": customer.first_order,
            "orders_within_hour": customer.orders_within_hour,
            "unusual_address": customer.unusual_address,
        },
    }


def write(row: CTE) -> CTE:
    """Insert a request (see `NewRequest.parameters`) for the order in `row`."""
    return (
        insert(approvals)
        .from_select(
            ["order_id", "status", *_WRITTEN],
            select(
                row.c.id,
                literal(ApprovalStatus.PENDING.value),
                *(bindparam(f"asked_{name}", type_=kind) for name, kind in _WRITTEN.items()),
            ),
        )
        .cte("asked")
    )


_WRITTEN: dict[str, Any] = {
    "id": Uuid,
    "n": Integer,
    "plan": JSONB,
    "assessment": JSONB,
    "requesters": ARRAY(Text),
    "total": BigInteger,
    "currency": String(3),
    "levels": JSONB,
    "waiting_for": ARRAY(Text),
    "started_at": DateTime(timezone=True),
    "due_at": DateTime(timezone=True),
}

_OF_ORDER = approvals.c.order_id == bindparam("asked_order", type_=Uuid)
_NEWEST: Select[Any] = (
    select(approvals.c.id, approvals.c.n, approvals.c.plan, approvals.c.requesters, approvals.c.status)
    .where(_OF_ORDER)
    .order_by(approvals.c.n.desc())
    .limit(1)
)
_LAST: Select[Any] = select(func.coalesce(func.max(approvals.c.n), 0)).where(_OF_ORDER)
_REQUESTERS: Select[Any] = select(approvals.c.requesters).where(_OF_ORDER).order_by(approvals.c.n)
_APPROVED: Select[Any] = select(approvals.c.n).where(
    _OF_ORDER, approvals.c.status == literal(ApprovalStatus.APPROVED.value)
)
_IS_PENDING = approvals.c.status == literal(ApprovalStatus.PENDING.value, literal_execute=True)
_NO_MORE: dict[str, Any] = {
    "status": ApprovalStatus.VOID.value,
    "version": approvals.c.version + 1,
    "waiting_for": [],
    "due_at": None,
    "closed_at": func.now(),
}
_VOID = update(approvals).where(_OF_ORDER, _IS_PENDING).values(_NO_MORE)


async def awaited(connection: Writing, order_id: OrderId, status: OrderStatus) -> ApprovalAsked | None:
    """The request an order waits for; None in any other status."""
    if status is not OrderStatus.AWAITING_APPROVAL:
        return None
    return asked_of((await connection.execute(_NEWEST, {"asked_order": order_id})).one())


async def newest_status(connection: Writing, order_id: OrderId) -> ApprovalStatus:
    """Where the newest request of an order stands, which has one."""
    return ApprovalStatus((await connection.execute(_NEWEST, {"asked_order": order_id})).one().status)


async def levels_asked(connection: Writing, order_id: OrderId) -> frozenset[str]:
    """The levels that have approved an order as it is, or are to."""
    row = (await connection.execute(_NEWEST, {"asked_order": order_id})).first()
    if row is None or row.status not in (ApprovalStatus.PENDING, ApprovalStatus.APPROVED):
        return frozenset()
    return frozenset(level.role for level in PLAN.validate_python(row.plan).levels)


async def next_number(connection: Writing, order_id: OrderId) -> int:
    """The number of an order's next request."""
    return int(await connection.scalar(_LAST, {"asked_order": order_id}) or 0) + 1


async def earlier_requesters(connection: Writing, order_id: OrderId) -> tuple[str, ...]:
    """Who may not decide on earlier requests of an order: what they did to it is part of whatever is asked next."""
    rows = await connection.scalars(_REQUESTERS, {"asked_order": order_id})
    return tuple(person for requesters in rows for person in requesters)


async def is_approved(connection: Writing, order_id: OrderId) -> bool:
    """Whether people have approved an order, as it is or as it was."""
    return (await connection.execute(_APPROVED, {"asked_order": order_id})).first() is not None


async def make_void(connection: Writing, order_id: OrderId) -> None:
    """
    Nobody needs the open request of a locked order any more. A statement of its own: another request may take its
    place.
    """
    await connection.execute(_VOID, {"asked_order": order_id})


def _no_more(changed: CTE) -> CTE:
    open_request = approvals.c.order_id == changed.c.id
    return update(approvals).where(open_request, _IS_PENDING).values(_NO_MORE).cte("void")


NOBODY_DECIDES = Effect(_no_more, {})
"""The open request of the changed order becomes void."""
