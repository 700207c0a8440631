"""
What carriers say about the parcels of running orders, and what it does to order and stock.
"""

from datetime import timedelta
from typing import Any

from fulfillment.contracts.orders import CarrierEvent
from fulfillment.contracts.steps import ContinueAsShipped, RecordParcelEvent
from fulfillment.db import holds, shipments
from fulfillment.db.attention import NO_QUESTION, question
from fulfillment.db.changes import Change, Effect, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import lock
from fulfillment.domain.attention import ACTIONS
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus, StockState
from fulfillment.domain.shipping import ParcelOutcome, ShipmentStatus, outcome_of


def carrier_actor(carrier: str) -> str:
    """How a carrier is called in timelines."""
    return f"carrier:{carrier}"


def event_key(event: CarrierEvent, kind: str) -> str:
    """Names a fact among those one event of a carrier makes."""
    return f"{event.carrier}:{event.id}:{kind}"


def event_data(event: CarrierEvent) -> dict[str, Any]:
    """What the timeline keeps of an event."""
    return {
        "carrier": event.carrier,
        "tracking_number": event.tracking_number,
        "occurred_at": event.occurred_at.isoformat(),
    }


async def record(connection: Reading, request: RecordParcelEvent, window: timedelta) -> None:
    """Write down what a carrier says; a question it raises is to be answered within `window`."""
    outcome = outcome_of(request.event.type, request.status, picked_up=request.picked_up)
    if not outcome.facts:
        return
    change = Change(
        order_id=request.order_id,
        facts=_facts(request.event, outcome),
        path=outcome.path,
        during=(request.status,),
        values=_values(outcome, window),
    )
    effects: list[Effect] = [shipments.track(request.n, outcome.shipment)]
    if outcome.stock_leaves:
        effects.append(holds.leave(_leave_key(request.order_id, request.n)))
    await apply(connection, change, *effects)


def _facts(event: CarrierEvent, outcome: ParcelOutcome) -> tuple[Fact, ...]:
    data = event_data(event)
    reason = outcome.attention
    asked = {"reason": reason, "operation": None, "actions": list(ACTIONS[reason])} if reason else {}
    return tuple(
        Fact(
            kind=kind,
            key=event_key(event, kind),
            actor=carrier_actor(event.carrier),
            data={**data, **asked} if kind is EventKind.ATTENTION_NEEDED else data,
        )
        for kind in outcome.facts
    )


def _values(outcome: ParcelOutcome, window: timedelta) -> dict[str, Any]:
    values: dict[str, Any] = {"stock": StockState.LEFT} if outcome.stock_leaves else {}
    if outcome.path:
        # A parcel under way ends an undo that was under way, too.
        values |= {**NO_QUESTION, "failure_code": None}
    if reason := outcome.attention:
        values |= question(reason, ACTIONS[reason], resume=OrderStatus.SHIPPED, window=window)
    return values


async def continue_as_shipped(connection: Writing, request: ContinueAsShipped) -> None:
    """The parcel has left although nobody said so; its goods leave once."""
    kinds = _moment(request)
    locked = await lock(connection, request.order_id, _moment_key(request, kinds[0]), (request.status,))
    if locked.done:
        return
    leaves = locked.stock is StockState.HELD
    carrier = await shipments.carrier_of(Reading(connection), request.order_id, request.parcel)
    change = Change(
        order_id=request.order_id,
        facts=tuple(_moment_fact(request, kind, carrier) for kind in kinds),
        path=(OrderStatus.SHIPPED,),
        during=(request.status,),
        values={**NO_QUESTION, "failure_code": None, **({"stock": StockState.LEFT} if leaves else {})},
    )
    effects: list[Effect] = [shipments.track(request.parcel, ShipmentStatus.IN_TRANSIT)]
    if leaves:
        effects.append(holds.leave(_leave_key(request.order_id, request.parcel)))
    await apply(Reading(connection), change, *effects)


def _moment(request: ContinueAsShipped) -> tuple[EventKind, ...]:
    asked = (EventKind.ATTENTION_RESOLVED,) if request.status is OrderStatus.NEEDS_ATTENTION else ()
    refused = (EventKind.CANCELLATION_REFUSED,) if request.refused else ()
    return (*asked, *refused, EventKind.ORDER_SHIPPED)


def _moment_key(request: ContinueAsShipped, kind: EventKind) -> str:
    return f"continued:{request.n}:{kind}"


def _moment_fact(request: ContinueAsShipped, kind: EventKind, carrier: str | None) -> Fact:
    return Fact(kind=kind, key=_moment_key(request, kind), actor=carrier_actor(carrier) if carrier else "carrier")


def _leave_key(order_id: OrderId, parcel: int) -> str:
    return f"{order_id}:leave:{parcel}"
