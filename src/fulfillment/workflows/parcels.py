"""
The parcels of one order: booked, kept back, followed to the door.
"""

from collections import deque

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Act
    from fulfillment.contracts.naming import TaskQueue, operation_key
    from fulfillment.contracts.orders import CarrierEvent
    from fulfillment.contracts.providers import Told
    from fulfillment.contracts.recovery import Standing
    from fulfillment.contracts.shipping import (
        BookShipment,
        CancelledShipment,
        CancelShipment,
        ShipmentBooked,
        ShipmentCancellation,
        ShippingActivities,
    )
    from fulfillment.contracts.steps import ContinueAsShipped, OrderActivities, RecordLateEvent, RecordParcelEvent
    from fulfillment.domain.attention import AT_THE_GATE, SETTLES, Action
    from fulfillment.domain.errors import CarrierRefused, CarrierUnavailable, UndoRefused
    from fulfillment.domain.operations import OperationKind
    from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
    from fulfillment.domain.shipping import ParcelEvent, outcome_of
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.outcomes import Numbers, Outcomes
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import code_among, database_step, decided_step, provider_step


class Parcels:
    """
    Bookings, cancellations and events of one order's parcels; one parcel is the order's at a time.

    Carrier events may come early, twice and in any order: they are kept until somebody acts on them.
    """

    def __init__(self, order: OrderState, desk: Desk) -> None:
        self._order = order
        self._desk = desk
        self._outcomes = Outcomes(order, desk)
        self._bookings = Numbers(OperationKind.BOOK)
        self._cancellations = Numbers(OperationKind.CANCEL)
        self._asked = False
        self._booked: ShipmentBooked | None = None
        self._departures = 0
        self._seen: set[str] = set()
        self._events: deque[CarrierEvent] = deque()
        self.picked_up = False

    def restore(self, standing: Standing) -> None:
        """Go on from where an earlier run left the parcel."""
        self._bookings.restore(standing.booking)
        self._cancellations.restore(standing.cancellation)
        self._asked = bool(standing.booking.last) and not standing.booking.is_refused
        # The label has its address.
        self._order.booking = self._asked
        self._booked = standing.parcel
        self._departures = standing.last_event
        self.picked_up = standing.picked_up

    def hear(self, event: CarrierEvent) -> None:
        """Keep an event; one that was heard before is not news."""
        key = f"{event.carrier}:{event.id}"
        if key not in self._seen:
            self._seen.add(key)
            self._events.append(event)

    @property
    def has_news(self) -> bool:
        """There are events nobody has acted on."""
        return bool(self._events)

    @property
    def has_moved(self) -> bool:
        """The carrier says that it has, or had, the parcel."""
        return any(self._is_ours(event) and event.type is not ParcelEvent.IN_TRANSIT for event in self._events)

    async def book(self, *, completes: bool) -> None:
        """
        Book the next parcel; with `completes` nothing else is to be done before it is picked up.

        Raises:
            Ending: there is not going to be a parcel.
        """

        async def attempt(n: int, told: Told | None) -> ShipmentBooked:
            self._asked, self._booked, self.picked_up = True, None, False
            request = BookShipment(
                order_id=self._order.id,
                n=n,
                patience=self._order.patience(self._order.terms.provider_failures),
                completes=completes,
                told=told,
            )
            step = provider_step(TaskQueue.SHIPPING, ShippingActivities.book_shipment, request)
            return await self._order.interruptible(step)

        try:
            self._booked = await self._outcomes.known(self._bookings, attempt)
        except ActivityError as error:
            code = code_among(error, CarrierRefused.code, CarrierUnavailable.code)
            self._asked = code != CarrierRefused.code
            raise self._order.ending(FailureCode(code)) from error
        if completes:
            self._order.status = OrderStatus.AWAITING_SHIPMENT

    async def keep_back(self) -> bool:
        """
        The gate of every undo: True when the parcel does not leave, False when the carrier was faster and the order
        is `shipped`. Nothing else is undone before this is known.
        """
        if self.picked_up or not self._asked:
            return True
        retries, told = 0, None
        self._cancellations.next()
        while True:
            try:
                stays = await self._cancel(retries, told)
            except ActivityError as error:
                code_among(error, UndoRefused.code, CarrierUnavailable.code)
                act = await self._ask_at_the_gate()
                if act is None:
                    return False
                if act.action not in SETTLES:
                    told = self._what_the_carrier_has(act)
                    retries += told is None
                    continue
                stays = True
            if not stays:
                await self._depart(refused=True)
            self._asked = not stays
            return stays

    async def leaves(self) -> None:
        """The carrier says that it has the parcel, which answers the question that is open."""
        await self._depart()
        self._desk.withdraw()

    async def next_event(self) -> bool:
        """Act on the oldest event; whether it changed what the order waits for."""
        event = self._events.popleft()
        if not self._is_ours(event):
            await self._put_aside(event)
            return False
        before = self._order.status, self.picked_up
        outcome = outcome_of(event.type, self._order.status, picked_up=self.picked_up)
        request = RecordParcelEvent(
            order_id=self._order.id,
            n=self._bookings.last,
            event=event,
            status=self._order.status,
            picked_up=self.picked_up,
        )
        await database_step(OrderActivities.record_parcel_event, request)
        self.picked_up = self.picked_up or outcome.stock_leaves
        if outcome.path:
            self._order.status = outcome.path[-1]
            self._desk.withdraw()
        if outcome.attention:
            self._desk.noted(outcome.attention)
        return before != (self._order.status, self.picked_up) or outcome.attention is not None

    async def put_aside(self) -> None:
        """Keep what the carrier said after the end, or of a parcel that is not the order's any more."""
        while self._events:
            await self._put_aside(self._events.popleft())

    async def _put_aside(self, event: CarrierEvent) -> None:
        await database_step(OrderActivities.record_late_event, RecordLateEvent(order_id=self._order.id, event=event))

    def _is_ours(self, event: CarrierEvent) -> bool:
        parcel = self._booked
        return parcel is not None and (event.carrier, event.tracking_number) == (
            parcel.carrier,
            parcel.tracking_number,
        )

    async def _cancel(self, retries: int, told: Told | None) -> bool:
        """Whether the parcel stays here, by the carrier's word or an operator's."""
        last_look = False

        async def attempt(n: int, told: Told | None) -> CancelledShipment:
            request = CancelShipment(
                order_id=self._order.id,
                n=n,
                parcel=self._bookings.last,
                patience=self._order.patience(self._order.terms.undo_failures * (1 + retries)),
                last_look=last_look,
                told=told,
            )
            return await provider_step(TaskQueue.SHIPPING, ShippingActivities.cancel_shipment, request)

        while True:
            n = self._cancellations.last
            cancelled = await self._outcomes.known(self._cancellations, attempt, n=n, told=told)
            self._booked = cancelled.parcel or self._booked
            if cancelled.outcome is not ShipmentCancellation.LOOK_AGAIN:
                return cancelled.outcome is ShipmentCancellation.DONE
            await workflow.sleep(self._order.terms.second_look, summary="looking again for what may still happen")
            last_look = True

    async def _ask_at_the_gate(self) -> Act | None:
        """An operator's answer; None when the carrier gave one, and the order is shipped."""
        operation = self._cancellation
        await self._desk.ask(
            AttentionReason.UNDO_FAILED, resume=OrderStatus.CANCELLING, actions=AT_THE_GATE, operation=operation
        )
        await workflow.wait_condition(lambda: self._desk.is_answered or self.has_moved)
        if self.has_moved:
            await self._depart(refused=True)
            self._desk.withdraw()
            return None
        return await self._desk.resolve(OrderStatus.CANCELLING)

    def _what_the_carrier_has(self, act: Act) -> Told | None:
        """The cancellation did not happen, the carrier has the parcel; None when it is to be asked again."""
        if act.action is not Action.CARRIER_HAS_IT:
            return None
        return Told(operation=self._cancellation, happened=False, reference=act.provider_reference)

    @property
    def _cancellation(self) -> str:
        return operation_key(self._order.id, OperationKind.CANCEL, self._cancellations.last)

    async def _depart(self, *, refused: bool = False) -> None:
        self._departures += 1
        request = ContinueAsShipped(
            order_id=self._order.id,
            n=self._departures,
            parcel=self._bookings.last,
            status=self._order.status,
            refused=refused,
        )
        await decided_step(OrderActivities.continue_as_shipped, request)
        self._order.status = OrderStatus.SHIPPED
        self.picked_up = True
