"""
Waiting for a card: none was given with the order, or the one that was given was declined.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Pay
    from fulfillment.contracts.recovery import Standing
    from fulfillment.contracts.steps import OrderActivities, TakePayment
    from fulfillment.domain.errors import PaymentNotAwaited, TooManyChanges
    from fulfillment.domain.orders import MOST_CARDS, FailureCode, OrderStatus
    from fulfillment.workflows.authorizations import Authorizations
    from fulfillment.workflows.deadline import Deadline
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import decided_step


class Cards:
    """
    The cards given later to one order. The time for them starts with the first wait and is not restarted by a decline.
    """

    def __init__(self, order: OrderState, authorizations: Authorizations) -> None:
        self._order = order
        self._authorizations = authorizations
        self._given: Pay | None = None
        self._count = 0
        self._taken = 0
        self._deadline: Deadline | None = None

    def restore(self, standing: Standing) -> None:
        """Go on counting cards and days."""
        self._count = standing.last_event
        if standing.payment_due_in is not None:
            self._deadline = Deadline(standing.payment_due_in, "waiting for a payment")

    @property
    def were_awaited(self) -> bool:
        """The order has waited for a card before: it may do so again."""
        return self._deadline is not None

    def check(self) -> None:
        """
        Whether a card can be given now.

        Raises:
            PaymentNotAwaited: nobody waits for one; a test order never does.
            TooManyChanges: this run has taken as many as there may be.
        """
        waits = self._order.status is OrderStatus.AWAITING_PAYMENT and self._given is None and not self._order.is_test
        if not waits or self._authorizations.is_looking or self._order.cancellation is not None:
            raise PaymentNotAwaited(self._order.status)
        if self._taken >= MOST_CARDS:
            raise TooManyChanges(MOST_CARDS, "cards")

    def close(self) -> None:
        """No more cards are needed."""
        if self._deadline is not None:
            self._deadline.stop()

    def pause(self) -> None:
        """The days to pay stand still while people decide about the order."""
        if self._deadline is not None:
            self._deadline.pause()

    def give(self, payment: Pay) -> None:
        """Keep a card until the order acts on it."""
        self._taken += 1
        self._given = payment

    async def wait(self) -> None:
        """
        Until a card is given, the customer has done what the bank asks for, or an amendment leaves nothing to pay.

        Raises:
            Ending: there is no card in time, or the order is cancelled.
        """
        deadline = self._deadline = self._deadline or Deadline(
            self._order.terms.payment_window, "waiting for a payment"
        )
        deadline.resume()
        while self._order.status is OrderStatus.AWAITING_PAYMENT:
            await workflow.wait_condition(
                lambda: (
                    self._order.is_disturbed
                    or self._given is not None
                    or self._authorizations.has_news
                    or self._authorizations.is_outdated
                    or deadline.passed
                )
            )
            await self._order.changes.serve()
            self._order.stop_if_cancelled()
            if self._order.status is not OrderStatus.AWAITING_PAYMENT:
                return
            if self._authorizations.is_outdated:
                await self._authorizations.let_go()
            if self._given is not None:
                await self._authorizations.let_go()
                await self._take(self._given)
            elif self._authorizations.has_news:
                await self._authorizations.look_again()
            elif deadline.passed:
                # Whoever agreed in time has paid, although nobody told us.
                await self._authorizations.look_again()
                if self._order.status is OrderStatus.AWAITING_PAYMENT:
                    raise self._order.ending(FailureCode.PAYMENT_EXPIRED)

    async def _take(self, payment: Pay) -> None:
        self._count += 1
        request = TakePayment(order_id=self._order.id, n=self._count, payment=payment)
        await decided_step(OrderActivities.take_payment, request)
        self._order.status = OrderStatus.PROCESSING
        self._given = None
