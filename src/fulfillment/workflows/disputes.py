"""
What the payment provider tells of itself, after everything was settled: only a person can look into it.
"""

from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.payments import PaymentNews
    from fulfillment.contracts.recovery import Standing
    from fulfillment.contracts.steps import OrderActivities, RecordLatePayment
    from fulfillment.domain.attention import ACTIONS, Action
    from fulfillment.domain.orders import AttentionReason, OrderStatus
    from fulfillment.workflows.authorizations import Authorizations
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import database_step

_REASON = AttentionReason.PROVIDER_DISPUTE


class Disputes:
    """
    News of one order's payments, each heard once.

    A dispute stays until it is answered: while another question is open it waits, and a carrier's event that moves the
    order on is no answer to it.
    """

    def __init__(self, order: OrderState, desk: Desk, authorizations: Authorizations) -> None:
        self._order = order
        self._desk = desk
        self._authorizations = authorizations
        self._heard: set[str] = set()
        # One without news was asked about by an earlier run.
        self._waiting: deque[PaymentNews | None] = deque()
        self._resume = OrderStatus.SHIPPED

    def restore(self, standing: Standing) -> None:
        """What an earlier run asked is asked again."""
        if standing.question is _REASON:
            self._waiting.append(None)

    def hear(self, news: PaymentNews) -> None:
        """Keep what the provider says: a question for an operator, or a reason to look at the payment again."""
        if news.name in self._heard:
            return
        self._heard.add(news.name)
        if news.type.is_a_dispute and not self._authorizations.awaits_customer:
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
            news = self._waiting.popleft()
            if news is not None:
                request = RecordLatePayment(order_id=self._order.id, news=news)
                await database_step(OrderActivities.record_late_payment, request)
