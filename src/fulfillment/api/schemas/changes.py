"""
What callers and operators send to change an order, and what needs attention.
"""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fulfillment.api.schemas.common import Body, Text200, Text500, View
from fulfillment.api.schemas.order_views import OfferedAction, order_actions
from fulfillment.api.schemas.orders import LineBody, Lines, PageQuery, only_test_articles
from fulfillment.db.questions import AttentionEntry
from fulfillment.domain.orders import AttentionReason, OrderStatus


def _not_a_test(lines: list[LineBody]) -> list[LineBody]:
    if only_test_articles(lines):
        raise PydanticCustomError("test_order", "must not be those of a test order; place one instead")
    return lines


class CancelBody(Body):
    """A wish to cancel."""

    reason: Text500
    """Why the order is not wanted any more; on its timeline."""


class LinesBody(Body):
    """All lines of the order from now on."""

    lines: Annotated[Lines, AfterValidator(_not_a_test)]
    """One currency, no SKU twice, and not those of a test order."""


class ActionBody(Body):
    """An operator's answer."""

    reason: Text500
    """Why the operator chose this action; on the timeline of the order."""
    provider_reference: Text200 | None = None
    """
    For `it_happened` of an authorisation or a booking: what the provider calls it. For `carrier_has_it` of a parcel
    that is not known here: its tracking number. To be left out otherwise.
    """


class RecoverBody(Body):
    """How an order whose workflow is gone goes on."""

    reason: Text500
    """Why it is taken over; on its timeline."""
    undo: Annotated[bool, Field(strict=True)] = False
    """Undo the order instead of going on with it."""


class AttentionQuery(PageQuery):
    """Which questions, and which part of them."""

    reason: AttentionReason | None = Field(
        default=None, description="Only questions of this kind.", examples=["undo_failed"]
    )


class AttentionItem(View):
    """An order that waits for an operator: why, since when, until when, and what can be chosen."""

    order_id: UUID
    reason: AttentionReason
    owner: Literal["operations"] = "operations"
    """Who is to answer."""
    since: datetime
    """When the question came up."""
    due_at: datetime | None
    """When it should be answered; null once the order has ended."""
    resume_status: OrderStatus | None
    """Where the order goes on if the answer is to go on."""
    operation: str | None
    """Key of what could not be done, as in the operations of the order."""
    actions: list[OfferedAction]
    """What can be chosen."""

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
