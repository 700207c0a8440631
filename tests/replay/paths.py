"""
Every path an order can take, each played once with fake steps on a real server.

The deadlines are short, because nothing skips time here; replaying takes them from the history.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from fulfillment.contracts.orders import PlacementOutcome, StartOrder
from fulfillment.domain.errors import CarrierRefused, InsufficientFunds, PaymentDeclined
from fulfillment.workflows.order import OrderWorkflow
from tests.fakes.activities import Script
from tests.fakes.orders import TERMS, a_line, an_event, an_order
from tests.fixtures.waiting import until
from tests.workflows.running import OrderHandle, start

_SOON = timedelta(milliseconds=300)
# The same in every recording, so that recording again shows a difference only where there is one.
ORDER_ID = UUID("00000000-0000-4000-8000-000000000001")


@dataclass(frozen=True)
class Stage:
    """Where a path is played: workers with a script are running."""

    client: Client
    script: Script

    async def start(self, order: StartOrder) -> OrderHandle:
        """Start the order."""
        return await start(self.client, order)

    async def hear(self, handle: OrderHandle, *events: str) -> None:
        """Each event of the carrier once the one before is written down."""
        for event in events:
            heard = len(self.script.attempts("record_parcel_event"))
            await handle.signal(OrderWorkflow.carrier_event, an_event(ORDER_ID, event))
            await self.script.reached("record_parcel_event", heard + 1)

    async def follow(self, order: StartOrder, *events: str) -> OrderHandle:
        """An order that is paid and booked, and what the carrier says then."""
        handle = await self.start(order)
        await _waiting(handle)
        await self.hear(handle, *events)
        return handle


async def _waiting(handle: OrderHandle) -> None:
    """Until the order waits for the carrier: its timer is the last that happened."""

    async def timer_is_last() -> bool:
        last = (await handle.fetch_history()).events[-1].event_type
        return last == EventType.EVENT_TYPE_TIMER_STARTED

    await until(timer_is_last)


def synthetic_order(*, price: int = 1500, token: str | None = "tok_visa") -> StartOrder:
    """The order of all recordings."""
    return an_order(a_line(price=price), token=token, order_id=ORDER_ID)


async def delivered(stage: Stage) -> OrderHandle:
    return await stage.follow(synthetic_order(), "picked_up", "in_transit", "delivered")


async def delivered_unannounced(stage: Stage) -> OrderHandle:
    return await stage.follow(synthetic_order(), "delivered")


async def delivered_before_it_was_booked(stage: Stage) -> OrderHandle:
    order = synthetic_order()
    return await start(stage.client, order, an_event(ORDER_ID, "delivered"))


async def delivered_for_nothing(stage: Stage) -> OrderHandle:
    return await stage.follow(synthetic_order(price=0, token=None), "picked_up", "delivered")


async def delivered_after_it_was_lost(stage: Stage) -> OrderHandle:
    return await stage.follow(synthetic_order(), "picked_up", "lost", "delivered")


async def hand_over_overdue(stage: Stage) -> OrderHandle:
    stage.script.terms = dataclasses.replace(TERMS, hand_over_window=_SOON)
    handle = await stage.start(synthetic_order())
    await stage.script.reached("request_attention")
    await stage.hear(handle, "picked_up", "delivered")
    return handle


async def delivery_overdue(stage: Stage) -> OrderHandle:
    stage.script.terms = dataclasses.replace(TERMS, delivery_window=_SOON)
    handle = await stage.follow(synthetic_order(), "picked_up")
    await stage.script.reached("request_attention")
    await stage.hear(handle, "delivered")
    return handle


async def out_of_stock(stage: Stage) -> OrderHandle:
    stage.script.outcome = PlacementOutcome.REJECTED
    return await stage.start(synthetic_order())


async def duplicate(stage: Stage) -> OrderHandle:
    stage.script.outcome = PlacementOutcome.DUPLICATE
    return await stage.start(synthetic_order())


async def payment_declined(stage: Stage) -> OrderHandle:
    stage.script.fail("authorize_payment", PaymentDeclined())
    return await stage.start(synthetic_order())


async def insufficient_funds(stage: Stage) -> OrderHandle:
    stage.script.fail("authorize_payment", InsufficientFunds())
    return await stage.start(synthetic_order())


async def payment_expired(stage: Stage) -> OrderHandle:
    stage.script.terms = dataclasses.replace(TERMS, payment_window=_SOON)
    return await stage.start(synthetic_order(token=None))


async def carrier_refused(stage: Stage) -> OrderHandle:
    stage.script.fail("book_shipment", CarrierRefused())
    return await stage.start(synthetic_order())


async def database_away(stage: Stage) -> OrderHandle:
    away = OSError("the database is away")
    stage.script.fail("place_order", *[away] * 3)
    return await stage.follow(synthetic_order(), "delivered")


Path = Callable[[Stage], Awaitable[OrderHandle]]

PATHS: tuple[Path, ...] = (
    delivered,
    delivered_unannounced,
    delivered_before_it_was_booked,
    delivered_for_nothing,
    delivered_after_it_was_lost,
    hand_over_overdue,
    delivery_overdue,
    out_of_stock,
    duplicate,
    payment_declined,
    insufficient_funds,
    payment_expired,
    carrier_refused,
    database_away,
)
