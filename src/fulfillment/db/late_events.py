"""
What carriers say about parcels no running order waits for: after the end, or once a parcel was replaced.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, CTE, Interval, Select, Text, Uuid, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.contracts.messages import Act
from fulfillment.contracts.orders import CarrierEvent
from fulfillment.db.changes import Change, Effect, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.inbox import LATE_EVENT, InboxEvent
from fulfillment.db.parcels import carrier_actor, event_data, event_key
from fulfillment.db.questions import UNRESOLVED
from fulfillment.db.shipments import track
from fulfillment.db.tables import inbox, order_events, orders, shipments
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, OrderStatus
from fulfillment.domain.shipping import LateOutcome, ShipmentStatus, late_outcome_of

_ANYWHERE = tuple(OrderStatus)
_LOCKED: Select[Any] = (
    select(orders.c.status, shipments.c.n, shipments.c.status.label("parcel"))
    .join(shipments, shipments.c.order_id == orders.c.id)
    .where(
        orders.c.id == bindparam("late_order", type_=Uuid),
        shipments.c.carrier == bindparam("late_carrier", type_=Text),
        shipments.c.tracking_number == bindparam("late_parcel", type_=Text),
    )
    .with_for_update(of=orders)
)
_HEARD: Select[Any] = select(order_events.c.sequence).where(
    order_events.c.order_id == bindparam("late_order", type_=Uuid),
    order_events.c.key == any_(bindparam("late_keys", type_=ARRAY(Text))),
)


_STATUS: Select[Any] = select(orders.c.status).where(orders.c.id == bindparam("late_order", type_=Uuid))


async def is_open(connection: Reading, order_id: OrderId) -> bool:
    """Whether an order is written and has not ended."""
    status = await connection.scalar(_STATUS, {"late_order": order_id})
    return status is not None and not OrderStatus(status).is_final


async def record(connection: Writing, order_id: OrderId, event: CarrierEvent, window: timedelta) -> None:
    """
    Write an event down that the order's workflow has no use for; where goods are at stake, an operator is to look at
    it within `window`. Nothing to do for a parcel that is not this order's, and for what was heard before.
    """
    parcel = {"late_carrier": event.carrier, "late_parcel": event.tracking_number}
    row = (await connection.execute(_LOCKED, {"late_order": order_id, **parcel})).first()
    if row is None or await _was_heard(connection, order_id, event):
        return
    outcome = late_outcome_of(event.type, OrderStatus(row.status), ShipmentStatus(row.parcel))
    change = Change(order_id=order_id, facts=_facts(event, outcome), during=_ANYWHERE)
    effects = [track(row.n, outcome.shipment)]
    if outcome.asks:
        effects.append(put_forward(_stored(event), window))
    await apply(Reading(connection), change, *effects)


async def _was_heard(connection: Writing, order_id: OrderId, event: CarrierEvent) -> bool:
    """Whether the event is in the timeline: written by the workflow while it ran, or here."""
    keys = [_late_key(event), *(event_key(event, kind) for kind in EventKind)]
    heard = await connection.execute(_HEARD, {"late_order": order_id, "late_keys": keys})
    return heard.first() is not None


def _late_key(event: CarrierEvent) -> str:
    return event_key(event, "late")


def _facts(event: CarrierEvent, outcome: LateOutcome) -> tuple[Fact, ...]:
    actor, data = carrier_actor(event.carrier), event_data(event)
    heard = Fact(kind=outcome.fact, key=_late_key(event), actor=actor, data=data)
    if not outcome.asks:
        return (heard,)
    reason = AttentionReason.LATE_EVENT
    asked = {**data, "reason": reason, "operation": None, "actions": list(ACTIONS[reason])}
    return heard, Fact(kind=EventKind.ATTENTION_NEEDED, key=event_key(event, "late_attention"), actor=actor, data=asked)


def _stored(event: CarrierEvent) -> InboxEvent:
    return InboxEvent(
        source=event.carrier,
        event_id=event.id,
        type=event.type,
        order_id=None,
        subject=event.tracking_number,
        occurred_at=event.occurred_at,
    )


def put_forward(event: InboxEvent, window: timedelta) -> Effect:
    """An event the changed order has no use for is put before an operator, who is to look at it within `window`."""
    values = {
        "late_source": event.source,
        "late_id": event.event_id,
        "late_type": event.type,
        "late_subject": event.subject,
        "late_at": event.occurred_at,
        "late_window": window,
    }
    return Effect(_ask, values)


def _ask(changed: CTE) -> CTE:
    due = func.now() + bindparam("late_window", type_=Interval)
    row = {
        "source": bindparam("late_source", type_=Text),
        "event_id": bindparam("late_id", type_=Text),
        "type": bindparam("late_type", type_=Text),
        "order_id": changed.c.id,
        "subject": bindparam("late_subject", type_=Text),
        "occurred_at": bindparam("late_at", type_=inbox.c.occurred_at.type),
        "signalled_at": func.now(),
        "outcome": literal(LATE_EVENT, Text),
        "attention_due_at": due,
    }
    asked = insert(inbox).from_select(list(row), select(*row.values()))
    return (
        # A database that was put back to an earlier minute may have lost the row the workflow got its event from.
        asked.on_conflict_do_update(
            index_elements=[inbox.c.source, inbox.c.event_id],
            set_={
                "order_id": asked.excluded.order_id,
                "outcome": asked.excluded.outcome,
                "attention_due_at": asked.excluded.attention_due_at,
                "signalled_at": func.coalesce(inbox.c.signalled_at, func.now()),
            },
        ).cte("asked")
    )


_LOCKED_ORDER: Select[Any] = (
    select(orders.c.id).where(orders.c.id == bindparam("late_order", type_=Uuid)).with_for_update()
)
_RESOLVED = (
    update(inbox)
    .where(
        inbox.c.order_id == bindparam("late_order", type_=Uuid),
        *UNRESOLVED,
    )
    .values(resolved_at=func.now())
    .returning(inbox.c.id)
)


async def resolve(connection: Writing, order_id: OrderId, answer: Act, request: str) -> bool:
    """
    An operator has looked at all late events of an order; `request` names the request that says so.

    Returns:
        False when there are none to be looked at, or this request has been acted on.
    """
    await connection.execute(_LOCKED_ORDER, {"late_order": order_id})
    if await answered(Reading(connection), order_id, request) is not None:
        return False
    if (await connection.execute(_RESOLVED, {"late_order": order_id})).first() is None:
        return False
    fact = Fact(
        kind=EventKind.ATTENTION_RESOLVED,
        key=_answer_key(request),
        actor=answer.actor,
        data={"action": answer.action, "reason": answer.reason},
    )
    await apply(Reading(connection), Change(order_id=order_id, facts=(fact,), during=_ANYWHERE))
    return True


_ANSWER: Select[Any] = select(order_events.c.actor, order_events.c.data).where(
    order_events.c.order_id == bindparam("late_order", type_=Uuid),
    order_events.c.key == bindparam("late_answer", type_=Text),
)


async def answered(connection: Reading, order_id: OrderId, request: str) -> Act | None:
    """What an operator said about late events of an order with this request; None when it was not acted on."""
    row = (await connection.execute(_ANSWER, {"late_order": order_id, "late_answer": _answer_key(request)})).first()
    return Act(action=Action(row.data["action"]), actor=row.actor, reason=row.data["reason"]) if row else None


def _answer_key(request: str) -> str:
    return f"late_events:{request}"
