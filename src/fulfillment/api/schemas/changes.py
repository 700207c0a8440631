"""
What callers and operators send to change an order, and what needs attention.
"""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.common import Body, Text200, Text500, View
from fulfillment.api.schemas.order_views import ActionOut, order_actions
from fulfillment.api.schemas.orders import LineBody, Lines, PageQuery, only_test_articles
from fulfillment.db.questions import AttentionEntry
from fulfillment.domain.orders import AttentionReason, OrderStatus


def _not_a_test(lines: list[LineBody]) -> list[LineBody]:
    if only_test_articles(lines):
        raise PydanticCustomError("test_order", "must not be those of a test order; place one instead")
    return lines


class CancelBody(Body):
    """Why the order is not wanted any more."""

    reason: Text500


class LinesBody(Body):
    """All lines of the order from now on."""

    lines: Annotated[Lines, AfterValidator(_not_a_test)]


class ActionBody(Body):
    """Why an operator chose this action."""

    reason: Text500
    provider_reference: Text200 | None = Field(
        default=None,
        description="For `it_happened` of an authorisation or a booking: what the provider calls it.",
    )


class RecoverBody(Body):
    """Why an order is taken over, and whether it is to be undone."""

    reason: Text500
    undo: bool = False


class AttentionQuery(PageQuery):
    """Which questions, and which part of them."""

    reason: AttentionReason | None = None


class AttentionItem(View):
    """An order that waits for an operator: why, since when, until when, and what can be chosen."""

    order_id: UUID
    reason: AttentionReason
    owner: Literal["operations"] = "operations"
    since: datetime
    due_at: datetime | None
    resume_status: OrderStatus | None
    operation: Annotated[str | None, Field(description="Key of what could not be done.")]
    actions: list[ActionOut]

    @classmethod
    def of(cls, entry: AttentionEntry) -> Self:
        attention = entry.attention
        return cls(
            order_id=entry.order_id,
            reason=attention.reason,
            since=attention.since,
            due_at=attention.due_at,
            resume_status=attention.resume_status,
            operation=attention.operation,
            actions=order_actions(entry.order_id, attention.actions),
        )
