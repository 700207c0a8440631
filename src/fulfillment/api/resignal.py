"""
From the inbox to the workflows: at once when an event comes in, and again until it has arrived.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from fulfillment.contracts.naming import payment_provider_of
from fulfillment.contracts.orders import CarrierEvent
from fulfillment.contracts.payments import PaymentNews
from fulfillment.db import inbox, late_events, late_payments, views
from fulfillment.db.engine import Database, Reading, Writing
from fulfillment.db.inbox import InboxEvent, Unsignalled
from fulfillment.db.outages import is_outage
from fulfillment.domain.errors import TransientError
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from fulfillment.domain.shipping import ParcelEvent
from fulfillment.orchestrator import OrderOrchestrator, SignalOutcome
from fulfillment.telemetry.metrics import CARRIER_EVENTS, INBOX_SIGNALS, PAYMENT_EVENTS

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    How eagerly events are passed on again.

    Every `interval` those older than `age` are taken, `batch` at once, each for `lease`; an event whose order nobody
    knows after `patience` is given up.
    """

    interval: timedelta = timedelta(seconds=5)
    age: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=30)
    batch: int = 100
    patience: timedelta = timedelta(days=1)


class InboxSignals:
    """
    Takes events in and passes them on to the workflows of their orders; belongs to one event loop.

    What comes after the end of an order is written down here; where goods are at stake, an operator is to look at it
    within `attention_window`.
    """

    def __init__(
        self, database: Database, orders: OrderOrchestrator, attention_window: timedelta, pace: Pace | None = None
    ) -> None:
        self._database = database
        self._orders = orders
        self._attention_window = attention_window
        self._pace = pace or Pace()
        self._under_way: set[asyncio.Task[bool]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after events that got stuck while the block runs; what is under way is finished before it ends."""
        loop = asyncio.create_task(self._run())
        try:
            yield
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
            await asyncio.gather(*self._under_way)

    async def receive(self, event: InboxEvent) -> None:
        """
        Store an event, then tell its workflow in the background; one that is known already changes nothing.
        """
        async with self._database.statement() as connection:
            stored = await inbox.store(connection, event)
        if stored is None:
            return
        (CARRIER_EVENTS if payment_provider_of(event.source) is None else PAYMENT_EVENTS).labels(event.type).inc()
        task = asyncio.create_task(self._reached(stored))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def signal_stuck(self) -> int:
        """Pass on one batch of events that got stuck; how many came through before somebody was found to be away."""
        async with self._database.statement() as connection:
            stuck = await inbox.lease(connection, age=self._pace.age, period=self._pace.lease, limit=self._pace.batch)
        for handled, event in enumerate(stuck):
            if not await self._reached(event):
                return handled
        return len(stuck)

    async def _run(self) -> None:
        while True:
            try:
                stuck = await self.signal_stuck()
            except Exception as error:  # noqa: BLE001 - nothing may end this loop but the end of the process
                _tell(error)
                stuck = 0
            if stuck < self._pace.batch:
                await asyncio.sleep(self._pace.interval.total_seconds())

    async def _reached(self, event: Unsignalled) -> bool:
        """Pass an event on; False when nobody can be reached. It is stored: it will be passed on again."""
        try:
            await self._pass_on(event)
        except Exception as error:  # noqa: BLE001 - one event that cannot be passed on must not stop the others
            return not _tell(error)
        return True

    async def _pass_on(self, event: Unsignalled) -> None:
        outcome, order_id = await self._told(event.event)
        INBOX_SIGNALS.labels(outcome).inc()
        waiting = datetime.now(UTC) - event.received_at < self._pace.patience
        if waiting and await self._may_be_heard_later(outcome, order_id):
            return
        await self._settle(event, outcome, order_id)
        _log.info("inbox_event_settled", outcome=outcome, order_id=str(order_id), type=event.event.type)

    async def _may_be_heard_later(self, outcome: SignalOutcome, order_id: OrderId | None) -> bool:
        """Its order may not have been started yet; or its workflow is gone too early and will be started again."""
        if outcome is not SignalOutcome.CLOSED or order_id is None:
            return outcome is SignalOutcome.UNKNOWN_ORDER
        async with self._database.statement() as connection:
            return await late_events.is_open(connection, order_id)

    async def _settle(self, event: Unsignalled, outcome: SignalOutcome, order_id: OrderId | None) -> None:
        async with self._database.transaction() as connection:
            if outcome is SignalOutcome.CLOSED and order_id is not None:
                await self._record_late(connection, order_id, _message(event.event))
            await inbox.settle(Reading(connection), event.row, outcome=outcome, order_id=order_id)

    async def _record_late(self, connection: Writing, order_id: OrderId, message: CarrierEvent | PaymentNews) -> None:
        if isinstance(message, CarrierEvent):
            await late_events.record(connection, order_id, message, self._attention_window)
        elif not await late_payments.was_asked(connection, order_id, message):
            await late_payments.record(connection, order_id, message, self._attention_window)

    async def _told(self, event: InboxEvent) -> tuple[SignalOutcome, OrderId | None]:
        outcome, order_id = await self._signal(event)
        if outcome is not SignalOutcome.UNKNOWN_ORDER or order_id is None:
            return outcome, order_id
        # Temporal forgets what has ended after its retention, the row stays: banks dispute months later.
        async with self._database.statement() as connection:
            written = await views.exists(connection, order_id)
        return SignalOutcome.CLOSED if written else outcome, order_id

    async def _signal(self, event: InboxEvent) -> tuple[SignalOutcome, OrderId | None]:
        """A source may leave our order id out or get it wrong; the name of the parcel or payment is its own."""
        outcome, message = SignalOutcome.UNKNOWN_ORDER, _message(event)
        if event.order_id is not None:
            outcome = await self._orders.signal(event.order_id, message)
        if outcome is not SignalOutcome.UNKNOWN_ORDER:
            return outcome, event.order_id
        async with self._database.statement() as connection:
            found = await inbox.order_of(connection, event.source, event.subject)
        if found is None or found == event.order_id:
            return outcome, event.order_id
        return await self._orders.signal(found, message), found


def _tell(error: Exception) -> bool:
    """Log what went wrong; True when somebody was away, False when it is a bug."""
    away = isinstance(error, TransientError) or is_outage(error)
    if away:
        _log.warning("inbox_waits", reason=type(error).__name__)
    else:
        _log.error("inbox_signal_failed", exc_info=error)
    return away


def _message(event: InboxEvent) -> CarrierEvent | PaymentNews:
    provider = payment_provider_of(event.source)
    if provider is not None:
        return PaymentNews(
            id=event.event_id,
            provider=provider,
            payment=event.subject,
            type=PaymentEvent(event.type),
            occurred_at=event.occurred_at,
        )
    return CarrierEvent(
        id=event.event_id,
        carrier=event.source,
        tracking_number=event.subject,
        type=ParcelEvent(event.type),
        occurred_at=event.occurred_at,
    )
