"""
What callers are told about the timeline of an order.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from fulfillment.api.schemas.common import ACTORS, View, extensible
from fulfillment.db.changes import SYSTEM
from fulfillment.db.views import EventView
from fulfillment.domain.events import EventKind
from fulfillment.domain.identity import Principal

OPERATOR = "operator"
"""Anybody else, to a caller bound to a customer."""


class EventOut(View):
    """One fact of an order's timeline."""

    sequence: Annotated[int, Field(ge=1)]
    """Counts the facts of the order, from 1 and without gaps."""
    kind: Annotated[str, Field(json_schema_extra=extensible(EventKind))]
    """What happened."""
    actor: Annotated[
        str,
        Field(
            description=f"{ACTORS} A caller bound to a customer sees its own id, carriers, payment "
            f"providers and `system`; everybody else is `{OPERATOR}`.",
            examples=["key:shop"],
        ),
    ]
    at: datetime
    data: dict[str, Any]
    """What else is known of it, depending on its kind. A caller bound to a customer sees no `reason` but its
    own, and of approvals only their id, number and status."""

    @classmethod
    def of(cls, event: EventView, caller: Principal) -> Self:
        """What this caller is told."""
        shown = event if caller.customer_id is None else _for_customer(event, caller)
        return cls.model_validate(shown, from_attributes=True)


# Who is asked, who said what on behalf of whom, and what had to be reminded: how a company decides is its own business.
_ABOUT_PEOPLE = frozenset(
    {
        EventKind.APPROVAL_REQUESTED,
        EventKind.APPROVAL_REMINDED,
        EventKind.APPROVAL_DECIDED,
        EventKind.APPROVAL_ESCALATED,
        EventKind.APPROVAL_REASSIGNED,
        EventKind.APPROVAL_EXPIRED,
        EventKind.DECISION_REFUSED,
        EventKind.DECISION_WITHDRAWN,
        EventKind.ORDER_APPROVED,
    }
)
_OF_APPROVALS = ("approval", "n", "status")


def _for_customer(event: EventView, caller: Principal) -> EventView:
    """Who works on an order may be a person, and the reasons they give are for each other."""
    if event.actor == caller.id:
        return event
    if event.kind in _ABOUT_PEOPLE:
        data = {name: event.data[name] for name in _OF_APPROVALS if name in event.data}
    else:
        data = {name: value for name, value in event.data.items() if name != "reason"}
    return replace(event, actor=event.actor if _is_no_caller(event.actor) else OPERATOR, data=data)


def _is_no_caller(actor: str) -> bool:
    return actor == SYSTEM or actor.partition(":")[0] in ("carrier", "provider")
