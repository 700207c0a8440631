"""
Requests for approval as people see them: an inbox each, and what they say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from fulfillment.db.principals import principal_id
from fulfillment.domain.approvals import ApprovalStatus, LevelStatus
from fulfillment.domain.ids import OrderId
from fulfillment.local.callers import DEPUTY, OPERATOR
from fulfillment.local.demo.decisions import Decision
from fulfillment.local.demo.service import Service

LENDER = "approver_manager"
"""Who lets the deputy decide for them."""
_LENT = timedelta(hours=12)
_LIST = "/v1/approvals"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenApproval:
    """
    A request as the service told it.

    Attributes:
        asked: the levels, from low to high.
        escalated: those nobody decided in time, so that the next higher role could as well, or did with its own.
    """

    id: str
    order_id: OrderId
    status: ApprovalStatus
    asked: tuple[str, ...]
    escalated: tuple[str, ...]

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """From the service's JSON."""
        levels = request["levels"]
        return cls(
            id=request["id"],
            order_id=OrderId(UUID(request["order_id"])),
            status=ApprovalStatus(request["status"]),
            asked=tuple(level["level"] for level in levels),
            escalated=tuple(
                level["level"] for level in levels if level["escalated_to"] or level["status"] == LevelStatus.MERGED
            ),
        )


class ApprovalDesk:
    """Where people find what waits for them, and decide. Raises what `Service` does."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def inbox(self, person: str) -> list[SeenApproval]:
        """What this person may decide now, oldest first."""
        return [SeenApproval.of(item) async for item in self._service.pages(person, _LIST, {"mine": "true"})]

    async def all(self) -> list[SeenApproval]:
        """Every request there ever was, oldest first."""
        return [SeenApproval.of(item) async for item in self._service.pages(OPERATOR, _LIST, {})]

    async def say(self, person: str, approval: SeenApproval, decision: Decision, key: str) -> bool:
        """Whether that decides the request, for good."""
        path, headers = f"{_LIST}/{approval.id}", {"Idempotency-Key": key}
        if decision is Decision.WITHDRAW:
            answer = await self._service.send(person, "POST", f"{path}/withdraw", headers=headers)
        else:
            lent = {"on_behalf_of": principal_id(LENDER)} if person == DEPUTY else {}
            body = {"decision": decision, **lent}
            answer = await self._service.send(person, "POST", f"{path}/decisions", headers=headers, json=body)
        return bool(answer.json()["status"] != ApprovalStatus.PENDING)

    async def lend(self) -> None:
        """From now on the deputy decides for the one who lends them their role."""
        now = datetime.now(UTC)
        body = {"delegate": principal_id(DEPUTY), "from": now.isoformat(), "until": (now + _LENT).isoformat()}
        await self._service.send(LENDER, "PUT", "/v1/delegations", json=body)
