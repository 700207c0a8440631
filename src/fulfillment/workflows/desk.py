"""
The operator's desk of an order: one question at a time, and its answer.
"""

from collections.abc import Awaitable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Act
    from fulfillment.contracts.payments import PaymentNews
    from fulfillment.contracts.steps import (
        OrderActivities,
        RequestAttention,
        Reship,
        ResolveAttention,
    )
    from fulfillment.domain.attention import ACTIONS, Action
    from fulfillment.domain.errors import ActionNotAvailable, DomainError, StockShort
    from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import decided_step


class _Answer:
    """An operator's answer, and what became of it."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.is_taken = False
        self.refusal: DomainError | None = None


class Desk:
    """
    Questions of one order. Handlers `put` an answer and wait until `run` has acted on it.
    """

    def __init__(self, order: OrderState) -> None:
        self._order = order
        self._count = 0
        self._answer: _Answer | None = None
        self.actions: tuple[Action, ...] = ()
        self.reason: AttentionReason | None = None

    def count_from(self, number: int) -> None:
        """Go on counting after an earlier run."""
        self._count = number

    @property
    def is_asking(self) -> bool:
        """There is a question, answered or not."""
        return bool(self.actions)

    @property
    def is_answered(self) -> bool:
        """Somebody has answered it."""
        return self._answer is not None

    def check(self, action: Action) -> None:
        """
        Whether this answer can be given now.

        Raises:
            ActionNotAvailable: nobody asks, it is no answer to the question, or somebody else was faster.
        """
        if action not in self.actions or self._answer is not None:
            raise ActionNotAvailable(action)

    def put(self, act: Act) -> Awaitable[None]:
        """
        Answer the question, at once; what is returned waits until the answer is written down.

        Raises:
            ActionNotAvailable: while waiting: the question has answered itself meanwhile.
            StockShort: while waiting: nothing to send another parcel from; the question stays.
        """
        answer = self._answer = _Answer(act)
        return self._taken(answer)

    async def _taken(self, answer: _Answer) -> None:
        await workflow.wait_condition(lambda: answer.is_taken)
        if answer.refusal is not None:
            raise answer.refusal

    async def ask(
        self,
        reason: AttentionReason,
        *,
        resume: OrderStatus,
        actions: tuple[Action, ...] | None = None,
        operation: str | None = None,
        news: PaymentNews | None = None,
    ) -> bool:
        """Park the order with a question; False when it has answered itself."""
        self.noted(reason, actions)
        request = RequestAttention(
            order_id=self._order.id,
            n=self._count,
            reason=reason,
            status=self._order.status,
            resume=resume,
            actions=self.actions,
            operation=operation,
            news=news,
        )
        if not await decided_step(OrderActivities.request_attention, request):
            self.withdraw()
            return False
        self._order.status = OrderStatus.NEEDS_ATTENTION
        # Nobody serves them until the answer is there, which may take days.
        self._order.changes.refuse()
        return True

    def noted(self, reason: AttentionReason, actions: tuple[Action, ...] | None = None) -> None:
        """A question that is written down already, with what led to it."""
        self._count += 1
        self.reason = reason
        self.actions = actions or ACTIONS[reason]

    async def answer(self) -> Act:
        """Wait for the answer, for as long as it takes: the question has an owner and a due date."""
        await workflow.wait_condition(lambda: self._answer is not None)
        return self.given

    @property
    def given(self) -> Act:
        """The answer that was given."""
        assert self._answer is not None  # noqa: S101
        return self._answer.act

    async def resolve(self, status: OrderStatus, *, failure: FailureCode | None = None) -> Act:
        """Write the answer down; the order goes on in `status`."""
        act = self.given
        request = ResolveAttention(order_id=self._order.id, n=self._count, answer=act, status=status, failure=failure)
        await decided_step(OrderActivities.resolve_attention, request)
        self._order.status = status
        self.withdraw(taken=True)
        return act

    async def reship(self) -> bool:
        """Hold the goods of another parcel; False when there are none, and the question stays."""
        request = Reship(order_id=self._order.id, n=self._count, answer=self.given)
        changed = await decided_step(OrderActivities.reship, request)
        if changed.refusal is not None:
            self._close_answer(StockShort())
            return False
        self._order.status = changed.status
        self.withdraw(taken=True)
        return True

    def withdraw(self, *, taken: bool = False) -> None:
        """The question is answered; an answer that was not `taken` came too late."""
        refusal = None
        if self._answer is not None and not taken:
            refusal = ActionNotAvailable(self._answer.act.action)
        self._close_answer(refusal)
        self.actions, self.reason = (), None

    def _close_answer(self, refusal: DomainError | None) -> None:
        if self._answer is not None:
            self._answer.refusal = refusal
            self._answer.is_taken = True
        self._answer = None
