"""
One order, from the accepted request to the customer's door.
"""

import asyncio
import contextlib
from collections import deque
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.naming import ORDER_WORKFLOW, TaskQueue
    from fulfillment.contracts.orders import (
        CarrierEvent,
        OrderActivities,
        OrderResult,
        Placement,
        PlacementOutcome,
        PlaceOrder,
        RecordParcelEvent,
        RejectOrder,
        ReleaseStock,
        RequestAttention,
        StartOrder,
        Terms,
    )
    from fulfillment.contracts.payments import AuthorizePayment, CapturePayment, PaymentActivities, ReversePayment
    from fulfillment.contracts.shipping import BookShipment, ShippingActivities
    from fulfillment.domain.errors import DomainError
    from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
    from fulfillment.domain.shipping import outcome_of
    from fulfillment.workflows.steps import code_of, database_step, provider_step
    from fulfillment.workflows.undo import UndoStack


class Refused(Exception):
    """A step was refused for good; everything before it is to be undone."""

    def __init__(self, failure: FailureCode) -> None:
        super().__init__(failure)
        self.failure = failure


@workflow.defn(name=ORDER_WORKFLOW, failure_exception_types=[DomainError])
class OrderWorkflow:
    """
    The straight path is `run`; whatever fails before the parcel is handed over undoes what happened so far.

    Carrier events may come early, twice and in any order: handlers only keep them, `run` acts on them.
    """

    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        self._order_id = start.order_id
        self._status = OrderStatus.RECEIVED
        self._undo = UndoStack()
        self._events: deque[CarrierEvent] = deque()
        self._seen: dict[str, None] = {}
        self._parcel = ("", "")
        self._questions = 0

    @workflow.run
    async def run(self, start: StartOrder) -> OrderResult:
        """
        Run the order to its end.

        Cancelling the workflow through Temporal changes nothing: ended in the middle, it would leave stock held and
        money set aside, and nobody to free them.
        """
        order = asyncio.create_task(self._run(start))
        while not order.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(order)
        return order.result()

    async def _run(self, start: StartOrder) -> OrderResult:
        placement = await self._place(start)
        if placement.outcome is PlacementOutcome.PLACED:
            try:
                await self._fulfil(placement)
            except Refused as refused:
                await self._reject(refused.failure)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return OrderResult(status=self._status, duplicate=placement.outcome is PlacementOutcome.DUPLICATE)

    @workflow.signal
    def carrier_event(self, event: CarrierEvent | None = None) -> None:
        """
        A carrier told us something about a parcel of this order.

        What cannot be read never gets here, but a signal sent without its argument does: for ever, if it raised.
        """
        if event is None:
            return
        key = f"{event.carrier}:{event.id}"
        if key not in self._seen:
            self._seen[key] = None
            self._events.append(event)

    async def _fulfil(self, placement: Placement) -> None:
        if self._status is OrderStatus.AWAITING_PAYMENT:
            await self._await_payment(placement.terms)
        await self._pay_and_book(placement)
        await self._follow_parcel(placement.terms)

    async def _place(self, start: StartOrder) -> Placement:
        self._undo.register("stock", self._release_stock)
        request = PlaceOrder(order=start, run_id=workflow.info().first_execution_run_id)
        placement = await database_step(OrderActivities.place_order, request)
        self._status = placement.status
        return placement

    async def _await_payment(self, terms: Terms) -> None:
        await workflow.sleep(terms.payment_window, summary="waiting for a payment")
        raise Refused(FailureCode.PAYMENT_EXPIRED)

    async def _pay_and_book(self, placement: Placement) -> None:
        """Authorise, book, capture: money is taken only once the carrier has agreed."""
        total = placement.total
        if total.amount:
            await self._authorize(AuthorizePayment(order_id=self._order_id, n=1, amount=total))
        await self._book(BookShipment(order_id=self._order_id, n=1, completes=not total.amount))
        if total.amount:
            await self._capture(CapturePayment(order_id=self._order_id, n=1, amount=total))
        self._status = OrderStatus.AWAITING_SHIPMENT

    async def _authorize(self, request: AuthorizePayment) -> None:
        reversal = ReversePayment(order_id=request.order_id, n=request.n, amount=request.amount)
        self._undo.register("payment", lambda: self._reverse_payment(reversal))
        try:
            await provider_step(TaskQueue.PAYMENTS, PaymentActivities.authorize_payment, request)
        except ActivityError as error:
            failure = _refusal(error)
            self._undo.forget("payment")
            raise Refused(failure) from error

    async def _book(self, request: BookShipment) -> None:
        try:
            booked = await provider_step(TaskQueue.SHIPPING, ShippingActivities.book_shipment, request)
        except ActivityError as error:
            raise Refused(_refusal(error)) from error
        self._parcel = (booked.carrier, booked.tracking_number)

    async def _capture(self, request: CapturePayment) -> None:
        try:
            await provider_step(TaskQueue.PAYMENTS, PaymentActivities.capture_payment, request)
        except ActivityError:
            # The parcel is booked and may be on its way: taking that back is a person's decision for now.
            await self._ask(AttentionReason.CAPTURE_OVERDUE)
            await workflow.wait_condition(lambda: False)

    async def _follow_parcel(self, terms: Terms) -> None:
        """Until the parcel is at the door; a deadline that passes asks an operator, and the wait goes on."""
        picked_up = False
        deadline = _Deadline(terms.hand_over_window, AttentionReason.HAND_OVER_OVERDUE)
        while not self._status.is_final:
            await self._something_happens(deadline)
            if not self._events:
                await self._ask(deadline.reason)
                deadline = _Deadline.none()
                continue
            event = self._events.popleft()
            if (event.carrier, event.tracking_number) != self._parcel:
                continue
            before = picked_up
            picked_up = await self._record(event, picked_up=picked_up)
            if picked_up is not before or self._status is OrderStatus.NEEDS_ATTENTION:
                deadline.stop()
                waits = self._status is OrderStatus.SHIPPED
                deadline = (
                    _Deadline(terms.delivery_window, AttentionReason.DELIVERY_OVERDUE) if waits else _Deadline.none()
                )
        deadline.stop()

    async def _something_happens(self, deadline: "_Deadline") -> None:
        await workflow.wait_condition(lambda: bool(self._events) or deadline.passed)

    async def _record(self, event: CarrierEvent, *, picked_up: bool) -> bool:
        """Write an event down; whether the parcel is known to be picked up by now."""
        outcome = outcome_of(event.type, self._status, picked_up=picked_up)
        request = RecordParcelEvent(order_id=self._order_id, n=1, event=event, status=self._status, picked_up=picked_up)
        await database_step(OrderActivities.record_parcel_event, request)
        if outcome.path:
            self._status = outcome.path[-1]
        return picked_up or outcome.stock_leaves

    async def _ask(self, reason: AttentionReason) -> None:
        self._questions += 1
        request = RequestAttention(order_id=self._order_id, n=self._questions, reason=reason, status=self._status)
        await database_step(OrderActivities.request_attention, request)
        self._status = OrderStatus.NEEDS_ATTENTION

    async def _reject(self, failure: FailureCode) -> None:
        """Undo what happened, newest first, then close the order."""
        request = RejectOrder(order_id=self._order_id, failure=failure)
        await database_step(OrderActivities.begin_rejection, request)
        self._status = OrderStatus.CANCELLING
        await self._undo.run()
        await database_step(OrderActivities.reject_order, request)
        self._status = OrderStatus.REJECTED

    async def _release_stock(self) -> None:
        await database_step(OrderActivities.release_stock, ReleaseStock(order_id=self._order_id))

    async def _reverse_payment(self, request: ReversePayment) -> None:
        await provider_step(TaskQueue.PAYMENTS, PaymentActivities.reverse_payment, request)


class _Deadline:
    """
    One timer for one phase, however many events come meanwhile (`wait_condition` with a timeout would start a timer
    for each).
    """

    def __init__(self, window: timedelta | None, reason: AttentionReason) -> None:
        self.reason = reason
        self._timer = asyncio.create_task(workflow.sleep(window, summary=reason)) if window is not None else None

    @classmethod
    def none(cls) -> "_Deadline":
        """Nothing is due."""
        return cls(None, AttentionReason.LATE_EVENT)

    @property
    def passed(self) -> bool:
        """It is time to ask somebody."""
        return self._timer is not None and self._timer.done()

    def stop(self) -> None:
        """The phase is over."""
        if self._timer is not None:
            self._timer.cancel()


def _refusal(error: ActivityError) -> FailureCode:
    """The failure a refused step means for the order; anything else is not for us to swallow."""
    try:
        return FailureCode(code_of(error) or "")
    except ValueError:
        raise error from None
