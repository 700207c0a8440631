"""
From the stock that is held to a parcel that is booked and paid for.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.domain.orders import OrderStatus
    from fulfillment.workflows.approvals import Approvals
    from fulfillment.workflows.authorizations import Authorizations, NotYetPaid
    from fulfillment.workflows.cards import Cards
    from fulfillment.workflows.parcels import Parcels
    from fulfillment.workflows.payments import Payments
    from fulfillment.workflows.state import OrderState

_BEFORE_BOOKING = (OrderStatus.AWAITING_APPROVAL, OrderStatus.AWAITING_PAYMENT, OrderStatus.PROCESSING)


class Checkout:
    """Takes one order through the payment and the booking, from wherever it is."""

    def __init__(
        self,
        order: OrderState,
        approvals: Approvals,
        cards: Cards,
        authorizations: Authorizations,
        payments: Payments,
        parcels: Parcels,
    ) -> None:
        self._order = order
        self._approvals = approvals
        self._cards = cards
        self._authorizations = authorizations
        self._payments = payments
        self._parcels = parcels

    async def go_on(self) -> None:
        """
        Until the parcel waits for the carrier, and the money is taken.

        Raises:
            Ending: the order is not going to be delivered.
        """
        while self._order.status in _BEFORE_BOOKING:
            await self._pay_and_book()
        if self._order.total.amount and not self._payments.is_settled:
            await self._payments.capture()

    async def _pay_and_book(self) -> None:
        """Authorise, book, capture: money is taken only once the carrier has agreed."""
        if self._order.status is OrderStatus.AWAITING_APPROVAL:
            await self._approve()
        if self._order.status is OrderStatus.AWAITING_PAYMENT:
            await self._cards.wait()
        if self._order.status is OrderStatus.AWAITING_APPROVAL:
            return
        self._order.stop_if_cancelled()
        if self._authorizations.is_outdated:
            # Nothing is left to pay: nobody is to agree to it any more.
            await self._authorizations.let_go()
        # Another parcel of a paid order is not paid for again.
        costs = bool(self._order.total.amount) and not self._payments.is_settled
        if costs and not await self._is_paid_for():
            return
        self._cards.close()
        await self._order.changes.serve()
        self._order.stop_if_cancelled()
        self._order.booking = True
        await self._parcels.book(completes=not costs)
        if costs:
            self._order.stop_if_cancelled()
            await self._payments.capture()

    async def _approve(self) -> None:
        """People decide; the days to pay stand still meanwhile."""
        self._cards.pause()
        await self._approvals.wait()

    async def _is_paid_for(self) -> bool:
        """Whether the money is set aside; if not, the order waits for another card or for its customer."""
        if self._authorizations.is_done:
            return True
        may_wait = self._cards.were_awaited or self._order.terms.retry_payment
        try:
            await self._authorizations.authorize(another_card=may_wait)
        except NotYetPaid:
            return False
        return True
