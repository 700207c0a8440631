"""
One order, from the accepted request to the customer's door, or back.
"""

import asyncio
from collections.abc import Awaitable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Act, Amend, Cancel, Pay, PaymentRecorded, Readdress
    from fulfillment.contracts.naming import ORDER_WORKFLOW
    from fulfillment.contracts.orders import CarrierEvent, OrderResult, Resume, StartOrder
    from fulfillment.contracts.payments import PaymentNews
    from fulfillment.contracts.steps import Changed, OrderActivities, Placement, PlacementOutcome, PlaceOrder
    from fulfillment.domain.attention import Action
    from fulfillment.domain.errors import ActionNotAvailable, DomainError, OrderNotCancellable
    from fulfillment.domain.orders import OrderStatus
    from fulfillment.workflows.approvals import Approvals
    from fulfillment.workflows.authorizations import Authorizations
    from fulfillment.workflows.cards import Cards
    from fulfillment.workflows.checkout import Checkout
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.disputes import Disputes
    from fulfillment.workflows.journey import Journey
    from fulfillment.workflows.parcels import Parcels
    from fulfillment.workflows.payments import Payments
    from fulfillment.workflows.recovery import take_over
    from fulfillment.workflows.state import Ending, OrderState
    from fulfillment.workflows.steps import database_step
    from fulfillment.workflows.undo import Undo

_TEMPORAL = Cancel(actor="temporal", reason="cancelled through Temporal")
_CANCELLABLE = (
    OrderStatus.RECEIVED,
    OrderStatus.AWAITING_APPROVAL,
    OrderStatus.AWAITING_PAYMENT,
    OrderStatus.PROCESSING,
    OrderStatus.AWAITING_SHIPMENT,
    OrderStatus.CANCELLING,
)


@workflow.defn(name=ORDER_WORKFLOW, failure_exception_types=[DomainError])
class OrderWorkflow:
    """
    `Checkout` and `Journey` are the way to the door, `Undo` the way back; handlers only validate and keep, `run` acts.
    """

    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        self._order = OrderState(start)
        self._desk = Desk(self._order)
        self._parcels = Parcels(self._order, self._desk)
        self._authorizations = Authorizations(self._order, self._desk)
        self._payments = Payments(self._order, self._desk, self._parcels, self._authorizations)
        self._disputes = Disputes(self._order, self._desk, self._authorizations, self._payments)
        self._journey = Journey(self._order, self._desk, self._parcels, self._disputes)
        self._undo = Undo(self._order, self._parcels, self._payments)
        self._cards = Cards(self._order, self._authorizations)
        self._checkout = Checkout(
            self._order,
            Approvals(self._order),
            self._cards,
            self._authorizations,
            self._payments,
            self._parcels,
        )
        self._chores: list[asyncio.Task[None]] = []
        self._ends_cancelled = False
        self._left: Ending | None = None

    @workflow.run
    async def run(self, start: StartOrder) -> OrderResult:
        """
        Run the order to its end.

        Cancelling the workflow through Temporal is a cancellation like any other: what happened is undone, then the
        workflow ends as cancelled. Where it comes too late the order goes on.
        """
        order = asyncio.create_task(self._run(start))
        while not order.done():
            try:
                await asyncio.shield(order)
            except asyncio.CancelledError:
                self._cancelled_through_temporal()
        result = order.result()
        if self._ends_cancelled and result.status is OrderStatus.CANCELLED:
            raise asyncio.CancelledError
        return result

    @workflow.signal
    def carrier_event(self, event: CarrierEvent | None = None) -> None:
        """
        A carrier told us something about a parcel of this order.

        What cannot be read never gets here, but a signal sent without its argument does: for ever, if it raised.
        """
        if event is not None:
            self._parcels.hear(event)

    @workflow.signal
    def payment_event(self, news: PaymentNews | None = None) -> None:
        """The payment provider told us something about the payment of this order."""
        if news is not None:
            self._disputes.hear(news)

    @workflow.update
    def cancel(self, request: Cancel) -> None:
        """Stop, and undo what happened; returns when this is recorded."""
        self._order.changes.note()
        if self._desk.is_asking:
            taken = self._desk.put(Act(action=Action.CANCEL, actor=request.actor, reason=request.reason))
            self._chores.append(asyncio.create_task(self._cancel_by_answer(taken, request)))
        elif self._order.cancellation is None:
            self._order.cancellation = request

    @cancel.validator
    def _check_cancel(self, request: Cancel) -> None:  # noqa: ARG002 - the SDK's signature
        if not self._is_cancellable:
            raise OrderNotCancellable(self._order.status)
        if self._order.cancellation is not None:
            self._order.changes.check_allowance()

    @workflow.update
    def pay(self, request: Pay) -> PaymentRecorded:
        """Take a card for an order that waits for one; returns when this is recorded."""
        self._cards.give(request)
        return PaymentRecorded(fingerprint=request.fingerprint, fingerprint_key=request.fingerprint_key)

    @pay.validator
    def _check_pay(self, request: Pay) -> None:  # noqa: ARG002 - the SDK's signature
        self._cards.check()

    @workflow.update
    async def amend(self, request: Amend) -> Changed:
        """Replace all lines; returns when their stock is held."""
        return await self._order.changes.make(request)

    @amend.validator
    def _check_amend(self, request: Amend) -> None:
        self._order.changes.admit(request)

    @workflow.update
    async def readdress(self, request: Readdress) -> Changed:
        """Send the parcel somewhere else; returns when this is written down."""
        return await self._order.changes.make(request)

    @readdress.validator
    def _check_readdress(self, request: Readdress) -> None:
        self._order.changes.admit(request)

    @workflow.update
    async def act(self, request: Act) -> None:
        """An operator's answer; returns when it is written down."""
        await self._desk.put(request)

    @act.validator
    def _check_act(self, request: Act) -> None:
        self._desk.check(request.action)

    @property
    def _is_cancellable(self) -> bool:
        if self._desk.is_asking:
            return Action.CANCEL in self._desk.actions and not self._desk.is_answered
        return self._order.status in _CANCELLABLE

    def _cancelled_through_temporal(self) -> None:
        if self._order.status in _CANCELLABLE and not self._desk.is_asking:
            self._order.cancellation = self._order.cancellation or _TEMPORAL
            self._ends_cancelled = True
            return
        self._chores.append(asyncio.create_task(self._undo.refuse(_TEMPORAL)))

    async def _run(self, start: StartOrder) -> OrderResult:
        placement = await (self._take_over(start, start.resume) if start.resume else self._place(start))
        if placement.outcome is PlacementOutcome.PLACED:
            await self._live()
        self._order.changes.refuse()
        self._desk.withdraw()
        while self._has_news or not self._is_done:
            await self._parcels.put_aside()
            await self._disputes.put_aside()
            await workflow.wait_condition(lambda: self._has_news or self._is_done)
        return OrderResult(status=self._order.status, duplicate=placement.outcome is PlacementOutcome.DUPLICATE)

    @property
    def _has_news(self) -> bool:
        return self._parcels.has_news or self._disputes.are_there

    @property
    def _is_done(self) -> bool:
        return workflow.all_handlers_finished() and all(chore.done() for chore in self._chores)

    async def _cancel_by_answer(self, taken: Awaitable[None], request: Cancel) -> None:
        """A cancellation that is the answer to a question; the carrier may answer it before."""
        try:
            await taken
        except ActionNotAvailable:
            await self._undo.refuse(request)

    async def _place(self, start: StartOrder) -> Placement:
        request = PlaceOrder(order=start, run_id=workflow.info().first_execution_run_id)
        placement = await database_step(OrderActivities.place_order, request)
        self._order.placed(placement)
        return placement

    async def _take_over(self, start: StartOrder, resume: Resume) -> Placement:
        """Go on where an earlier run was stopped: everything that was asked for is looked up before anything is."""
        placement, standing = await take_over(start)
        self._order.placed(placement)
        self._order.changed(standing.status, placement.total, placement.approval)
        for part in (self._authorizations, self._payments, self._parcels, self._cards, self._journey, self._undo):
            part.restore(standing)
        self._desk.count_from(standing.last_event)
        self._order.changes.count_from(standing.last_event)
        if resume.undo or standing.is_being_undone:
            self._order.cancellation = Cancel(actor=resume.actor, reason=resume.reason)
        if standing.status is OrderStatus.CANCELLING:
            self._left = Ending.left_by(standing)
        await self._refuse_too_late()
        return placement

    async def _refuse_too_late(self) -> None:
        """A cancellation nobody acted on, of an order that has left or ended, is refused on the record."""
        request = self._order.cancellation
        if request is not None and self._order.status not in _CANCELLABLE:
            self._order.cancellation, self._ends_cancelled = None, False
            await self._undo.refuse(request)

    async def _live(self) -> None:
        if self._left is not None:
            await self._end(self._left)
        while not self._order.status.is_final:
            try:
                await self._checkout.go_on()
                await self._journey.follow(self._refuse_too_late)
            except Ending as ending:
                await self._end(ending)

    async def _end(self, ending: Ending) -> None:
        if not await self._undo.end(ending):
            self._ends_cancelled = False
