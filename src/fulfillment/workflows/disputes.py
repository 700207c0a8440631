"""
What the payment provider tells of itself, after everything was settled: only a person can look into it.
"""

from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.payments import PaymentNews
    from fulfillment.contracts.steps import OrderActivities, RecordLatePayment
    from fulfillment.domain.attention import ACTIONS, Action
    from fulfillment.domain.orders import AttentionReason, OrderStatus
    from fulfillment.domain.payments import PaymentEvent
    from fulfillment.workflows.authorizations import Authorizations
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.payments import Payments
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import database_step

_REASON = AttentionReason.PROVIDER_DISPUTE


class Disputes:
    """
    News of one order's payments, each heard once.

    A dispute stays until it is answered: while another question is open it waits, and a carrier's event that moves the
    order on is no answer to it.
    """

    def __init__(self, order: OrderState, desk: Desk, authorizations: Authorizations, payments: Payments) -> None:
        self._order = order
        self._desk = desk
        self._authorizations = authorizations
        self._payments = payments
        self._heard: set[str] = set()
        self._waiting: deque[PaymentNews] = deque()
        self._resume = OrderStatus.SHIPPED

    def hear(self, news: PaymentNews) -> None:
        """Keep what the provider says: a question for an operator, or a reason to look at the payment again."""
        if news.name in self._heard:
            return
        self._heard.add(news.name)
        # Of money that is not taken yet the next look, or the capture, tells more than its event.
        is_early = news.type is PaymentEvent.AUTHORIZATION_EXPIRED and not self._payments.is_settled
        if news.type.is_a_dispute and not is_early:
            self._waiting.append(news)
        else:
            self._authorizations.has_news = True

    @property
    def are_there(self) -> bool:
        """Nobody has answered them all."""
        return bool(self._waiting)

    @property
    def is_next(self) -> bool:
        """One is to be asked about, and nothing else is asked."""
        return self.are_there and not self._desk.is_asking

    @property
    def is_asked(self) -> bool:
        """It is what the operator is asked about."""
        return self._desk.reason is _REASON

    async def ask(self) -> None:
        """Put the oldest one before an operator; the order can be cancelled until its parcel is picked up."""
        news, self._resume = self._waiting[0], self._order.status
        stays = (Action.CANCEL,) if self._resume is OrderStatus.AWAITING_SHIPMENT else ()
        await self._desk.ask(_REASON, resume=self._resume, actions=(*ACTIONS[_REASON], *stays), news=news)

    async def resolve(self) -> None:
        """An operator has settled it; the order goes on."""
        self.drop()
        await self._desk.resolve(self._resume)

    def drop(self) -> None:
        """The oldest one is answered."""
        self._waiting.popleft()

    async def put_aside(self) -> None:
        """Keep what the provider says after the end, for an operator."""
        while self._waiting:
            request = RecordLatePayment(order_id=self._order.id, news=self._waiting.popleft())
            await database_step(OrderActivities.record_late_payment, request)
