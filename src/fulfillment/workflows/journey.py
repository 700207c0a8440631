"""
The way of a paid parcel from our door to the customer's.
"""

from collections.abc import Awaitable, Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.recovery import Standing
    from fulfillment.domain.attention import Action
    from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
    from fulfillment.workflows.deadline import Deadline
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.disputes import Disputes
    from fulfillment.workflows.parcels import Parcels
    from fulfillment.workflows.state import Ending, OrderState


class Journey:
    """
    Follows the parcel of one order: events move it, deadlines that pass ask an operator, answers are acted on.
    """

    def __init__(self, order: OrderState, desk: Desk, parcels: Parcels, disputes: Disputes) -> None:
        self._order = order
        self._desk = desk
        self._parcels = parcels
        self._disputes = disputes
        self._deadline = Deadline()
        self._question: AttentionReason | None = None

    def restore(self, standing: Standing) -> None:
        """What an earlier run asked about the parcel is asked again."""
        self._question = standing.question

    async def follow(self, refuse: Callable[[], Awaitable[None]]) -> None:
        """
        Until the parcel is at the door; a cancellation that comes too late is refused.

        Raises:
            Ending: it is not going to get there.
        """
        try:
            if self._question is not None:
                if self._order.status is OrderStatus.AWAITING_SHIPMENT:
                    self._order.stop_if_cancelled()
                await self._ask(self._question)
                self._question = None
            self._begin_phase()
            while not self._order.status.is_final:
                await workflow.wait_condition(lambda: self._has_something_to_do)
                if await self._next(refuse):
                    self._begin_phase()
            await refuse()
        finally:
            self._deadline.stop()

    @property
    def _has_something_to_do(self) -> bool:
        return (
            self._desk.is_answered
            or self._order.cancellation is not None
            or self._parcels.has_news
            or self._disputes.is_next
            or self._deadline.passed
        )

    async def _next(self, refuse: Callable[[], Awaitable[None]]) -> bool:
        """
        One thing at a time; whether another phase begins.

        What the carrier says comes first: its local step may have been carried out before a worker died, and must be
        the first thing again when the task runs once more with what came since.
        """
        if self._parcels.has_news:
            return await self._parcels.next_event()
        if self._desk.is_answered:
            await self._act(self._desk.given.action)
            return True
        if self._order.cancellation is not None:
            if self._order.status is OrderStatus.AWAITING_SHIPMENT:
                self._order.stop_if_cancelled()
            await refuse()
            return False
        if self._disputes.is_next:
            await self._disputes.ask()
            return True
        picked_up = self._order.status is OrderStatus.SHIPPED
        await self._ask(AttentionReason.DELIVERY_OVERDUE if picked_up else AttentionReason.HAND_OVER_OVERDUE)
        return True

    async def _ask(self, reason: AttentionReason) -> None:
        await self._desk.ask(reason, resume=self._order.status)

    async def _act(self, action: Action) -> None:
        """Do what the operator says."""
        match action:
            case Action.RESOLVED_BY_HAND:
                await self._disputes.resolve()
            case Action.KEEP_WAITING:
                await self._desk.resolve(OrderStatus.AWAITING_SHIPMENT)
            case Action.FOUND:
                await self._desk.resolve(OrderStatus.SHIPPED)
            case Action.RESHIP:
                if await self._desk.reship():
                    await self._parcels.book(completes=True)
            case _:
                await self._give_up(action)

    async def _give_up(self, action: Action) -> None:
        if self._disputes.is_asked:
            self._disputes.drop()
        returned = self._desk.reason is AttentionReason.RETURNED
        if action is Action.CANCEL:
            ending = Ending(OrderStatus.CANCELLED, FailureCode.CANCELLED, begun=True)
        elif returned:
            ending = Ending(OrderStatus.RETURNED, None, begun=True)
        else:
            ending = Ending(OrderStatus.CANCELLED, FailureCode.PARCEL_LOST, begun=True)
        await self._desk.resolve(OrderStatus.CANCELLING, failure=ending.failure)
        raise ending

    def _begin_phase(self) -> None:
        """What the order waits for now must come in time; an operator's answer has a due date of its own."""
        self._deadline.stop()
        terms = self._order.terms
        match self._order.status:
            case OrderStatus.AWAITING_SHIPMENT:
                self._deadline = Deadline(terms.hand_over_window, AttentionReason.HAND_OVER_OVERDUE)
            case OrderStatus.SHIPPED:
                self._deadline = Deadline(terms.delivery_window, AttentionReason.DELIVERY_OVERDUE)
            case _:
                self._deadline = Deadline()
