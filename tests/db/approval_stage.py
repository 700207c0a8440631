"""
Orders that wait for approval, as rows, and the steps of their requests.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.contracts.approvals import (
    ApprovalStanding,
    Decision,
    OpenApproval,
    Reassign,
    RefusedDecision,
    Withdraw,
    WriteApproval,
)
from fulfillment.db.approval_records import LEVELS, PLAN
from fulfillment.db.engine import Database
from fulfillment.db.tables import approval_votes, approvals, order_events, orders
from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import ApprovalStatus, Mode, Plan, PlannedLevel, Vote
from fulfillment.domain.ids import OrderId, approval_id_for
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.approval_steps import Step, told
from tests.fakes.orders import an_order

ASKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEGUN_AT = ASKED_AT + timedelta(minutes=1)
TWO_LEVELS = Plan(
    policy="v1",
    levels=(
        PlannedLevel(role="manager", reasons=("amount",), escalates_to="director"),
        PlannedLevel(role="director", reasons=("amount",)),
    ),
    mode=Mode.SEQUENTIAL,
)
ONE_LEVEL = Plan(policy="v1", levels=(PlannedLevel(role="manager", reasons=("amount",)),))


def a_decision(actor: str = "key:mia", vote: Vote = Vote.APPROVE, **more: Any) -> Decision:
    """What somebody with every role says, unless told otherwise."""
    values: dict[str, Any] = {
        "roles": ("manager",),
        "key": str(uuid4()),
        "fingerprint": "f1",
        "fingerprint_key": "fingerprints",
        "comment": "fine by me",
    }
    return Decision(vote=vote, actor=actor, **{**values, **more})


@dataclass
class Asked:
    """One request, followed as its workflow follows it."""

    stage: "Stage"
    order_id: OrderId
    n: int
    request: ApprovalRequest
    owner: str
    version: int

    @property
    def id(self) -> UUID:
        """Of its row."""
        return approval_id_for(self.order_id, self.n)

    def telling(self, message: Decision | Withdraw | Reassign, at: datetime = BEGUN_AT) -> WriteApproval:
        """The step that writes down what a message comes to."""
        return self.stepping(told(self.request, message, at))

    def stepping(self, step: Step, **more: Any) -> WriteApproval:
        """The next step to write down."""
        self.version += 1
        values: dict[str, Any] = {
            "order_id": self.order_id,
            "approval_id": self.id,
            "n": self.n,
            "owner": self.owner,
            "version": self.version,
            "status": self.request.status,
            "levels": self.request.levels,
            "due_at": self.request.due_at,
            "waiting_for": self.request.waiting_for,
            "facts": step.facts,
            "note": step.note,
        }
        return WriteApproval(**{**values, **more})

    async def tell(self, message: Decision | Withdraw | Reassign) -> ApprovalStatus:
        """Let it hear a message."""
        return await self.stage.steps.write_approval(self.telling(message))

    async def refuse(self, decision: Decision, code: str = "already_voted") -> None:
        """A decision is refused."""
        refused = RefusedDecision(order_id=self.order_id, approval_id=self.id, n=self.n, decision=decision, code=code)
        await self.stage.steps.refuse_decision(refused)


@dataclass(frozen=True)
class Stage:
    """A database with orders and requests."""

    database: Database
    steps: SqlApprovalActivities

    async def order(self, status: OrderStatus = OrderStatus.AWAITING_APPROVAL, **columns: Any) -> OrderId:
        """An order as a row, with one fact."""
        made = an_order()
        values: dict[str, Any] = {
            "id": made.order_id,
            "run_id": "run-1",
            "status": status,
            "customer_id": made.customer_id,
            "caller": made.caller,
            "total": 3000,
            "currency": "EUR",
            "shipping_address": asdict(made.shipping_address),
            "metadata": {},
            "terms": {"payment_window": "P7D"},
            "stock": "held",
            "fingerprint": "f1",
            "fingerprint_key": "fingerprints",
            "accepted_at": made.accepted_at,
            "last_event": 1,
        }
        received = {"order_id": made.order_id, "sequence": 1, "key": "received", "kind": "order_received"}
        async with self.database.transaction() as connection:
            await connection.execute(insert(orders).values({**values, **columns}))
            await connection.execute(insert(order_events).values(**received, actor="shop", data={}))
        return made.order_id

    async def asked(self, order_id: OrderId, plan: Plan = TWO_LEVELS, n: int = 1, **columns: Any) -> UUID:
        """A request of an order as a row, run by nobody yet."""
        request = ApprovalRequest(plan, requesters=("key:shop",), started_at=ASKED_AT)
        values: dict[str, Any] = {
            "id": approval_id_for(order_id, n),
            "order_id": order_id,
            "n": n,
            "status": request.status,
            "plan": PLAN.dump_python(plan, mode="json"),
            "assessment": {"score": 10, "points": {"first_order": 10}},
            "requesters": ["key:shop"],
            "total": 3000,
            "currency": "EUR",
            "levels": LEVELS.dump_python(request.levels, mode="json"),
            "waiting_for": list(request.waiting_for),
            "requested_at": ASKED_AT,
            "started_at": ASKED_AT,
            "due_at": request.due_at,
        }
        async with self.database.transaction() as connection:
            await connection.execute(insert(approvals).values({**values, **columns}))
        return approval_id_for(order_id, n)

    async def open(self, order_id: OrderId, owner: str = "child-1", n: int = 1) -> ApprovalStanding:
        """Its workflow begins."""
        request = OpenApproval(order_id=order_id, approval_id=approval_id_for(order_id, n), owner=owner, now=BEGUN_AT)
        return await self.steps.open_approval(request)

    async def opened(self, order_id: OrderId, plan: Plan = TWO_LEVELS, owner: str = "child-1", n: int = 1) -> Asked:
        """Its workflow has begun, and knows where it stands."""
        standing = await self.open(order_id, owner, n)
        request = ApprovalRequest(
            plan,
            requesters=("key:shop",),
            started_at=standing.started_at,
            status=standing.status,
            levels=standing.levels,
            ballots=standing.ballots,
        )
        return Asked(self, order_id, n, request, owner, standing.version)

    async def waiting(self, plan: Plan = TWO_LEVELS) -> Asked:
        """A request of a new order, with its workflow."""
        order_id = await self.order()
        await self.asked(order_id, plan)
        return await self.opened(order_id, plan)

    async def row(self, approval_id: UUID) -> Any:
        """The row of a request."""
        return await self._one(select(approvals).where(approvals.c.id == approval_id))

    async def order_row(self, order_id: UUID) -> Any:
        """The row of an order."""
        return await self._one(select(orders).where(orders.c.id == order_id))

    async def votes(self, approval_id: UUID) -> list[Any]:
        """The votes of a request, the oldest first."""
        return await self._all(
            select(approval_votes).where(approval_votes.c.approval_id == approval_id).order_by(approval_votes.c.at)
        )

    async def events(self, order_id: UUID) -> list[Any]:
        """The timeline of an order, which must have no gap."""
        found = await self._all(
            select(order_events).where(order_events.c.order_id == order_id).order_by(order_events.c.sequence)
        )
        assert [event.sequence for event in found] == list(range(1, len(found) + 1))
        assert (await self.order_row(order_id)).last_event == len(found)
        return found

    async def kinds(self, order_id: UUID) -> list[str]:
        """What happened to an order since it was received."""
        return [event.kind for event in await self.events(order_id)][1:]

    async def become(self, order_id: UUID, status: OrderStatus, **columns: Any) -> None:
        """What other steps make of an order."""
        async with self.database.transaction() as connection:
            await connection.execute(update(orders).where(orders.c.id == order_id).values(status=status, **columns))

    async def make_void(self, approval_id: UUID) -> None:
        """What other steps make of a request nobody needs."""
        async with self.database.transaction() as connection:
            gone = update(approvals).where(approvals.c.id == approval_id)
            await connection.execute(gone.values(status=ApprovalStatus.VOID, waiting_for=[], due_at=None))

    async def _one(self, statement: Any) -> Any:
        async with self.database.statement() as connection:
            return (await connection.execute(statement)).one()

    async def _all(self, statement: Any) -> list[Any]:
        async with self.database.statement() as connection:
            return list(await connection.execute(statement))
