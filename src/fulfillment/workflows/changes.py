"""
Changes of an order by its customer: asked for at any time, made when the order has a moment for them.
"""

from collections import deque
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Amend, Readdress
    from fulfillment.contracts.steps import AmendOrder, Changed, OrderActivities, ReaddressOrder
    from fulfillment.domain.errors import (
        DomainError,
        OrderNotAmendable,
        PreconditionFailed,
        StockShort,
        TooManyChanges,
        UnknownSku,
    )
    from fulfillment.domain.orders import MOST_CHANGES, OrderStatus
    from fulfillment.workflows.steps import decided_step

if TYPE_CHECKING:
    from fulfillment.workflows.state import OrderState

_AMENDABLE = (OrderStatus.AWAITING_APPROVAL, OrderStatus.AWAITING_PAYMENT)
_READDRESSABLE = (*_AMENDABLE, OrderStatus.PROCESSING)


class _Wanted:
    """A change, and what became of it."""

    def __init__(self, change: Amend | Readdress) -> None:
        self.change = change
        self.made: Changed | None = None
        self.refusal: DomainError | None = None

    @property
    def is_answered(self) -> bool:
        return self.made is not None or self.refusal is not None


class Changes:
    """
    The changes of one order. Handlers `make` them and wait; `run` serves them one by one, between its own steps.
    """

    def __init__(self, order: "OrderState") -> None:
        self._order = order
        self._wanted: deque[_Wanted] = deque()
        self._count = 0
        self._asked = 0

    def count_from(self, number: int) -> None:
        """Go on counting after an earlier run."""
        self._count = number

    @property
    def waiting(self) -> bool:
        """Somebody waits for a change."""
        return bool(self._wanted)

    def admit(self, change: Amend | Readdress) -> None:
        """
        Whether a change can be asked for now.

        Raises:
            OrderNotAmendable: it is too late.
            TooManyChanges: this run has been asked for as many as there may be.
        """
        self.check(change)
        self.check_allowance()

    def check_allowance(self) -> None:
        """
        Whether one more message would still fit into the history.

        Raises:
            TooManyChanges: it would not.
        """
        if self._asked >= MOST_CHANGES:
            raise TooManyChanges(MOST_CHANGES, "changes")

    def note(self) -> None:
        """One more message was taken."""
        self._asked += 1

    def check(self, change: Amend | Readdress) -> None:
        """
        Whether the order can be changed in this way now.

        Raises:
            OrderNotAmendable: it is too late.
        """
        order, is_amendment = self._order, isinstance(change, Amend)
        amendable = _AMENDABLE if is_amendment else _READDRESSABLE
        # A test order with other lines would hold real stock and reach real providers.
        too_late = order.status not in amendable or order.booking or order.cancellation is not None
        if too_late or (is_amendment and order.is_test):
            raise OrderNotAmendable(order.status)

    async def make(self, change: Amend | Readdress) -> Changed:
        """
        Have a change made.

        Raises:
            OrderNotAmendable: it came too late.
            StockShort: or `UnknownSku`; nothing was changed.
            PreconditionFailed: the order was changed since the caller read it.
        """
        self.note()
        wanted = _Wanted(change)
        self._wanted.append(wanted)
        await workflow.wait_condition(lambda: wanted.is_answered)
        if wanted.refusal is not None:
            raise wanted.refusal
        assert wanted.made is not None  # noqa: S101
        return wanted.made

    async def serve(self) -> None:
        """Make, or refuse, what is waiting."""
        while self._wanted:
            wanted = self._wanted.popleft()
            try:
                self.check(wanted.change)
            except OrderNotAmendable as error:
                wanted.refusal = error
                continue
            changed = await self._write(wanted.change)
            wanted.refusal = _refusal(changed)
            if wanted.refusal is None:
                wanted.made = changed
                # Another address moves no order that is approved; its row may be ahead of a step whose result was lost.
                moves = isinstance(wanted.change, Amend) or self._order.status is OrderStatus.AWAITING_APPROVAL
                status = changed.status if moves else self._order.status
                self._order.changed(status, changed.total, changed.approval)

    def refuse(self) -> None:
        """No more changes: the order goes another way."""
        while self._wanted:
            self._wanted.popleft().refusal = OrderNotAmendable(self._order.status)

    async def _write(self, change: Amend | Readdress) -> Changed:
        self._count += 1
        if isinstance(change, Amend):
            request = AmendOrder(order_id=self._order.id, n=self._count, change=change)
            return await decided_step(OrderActivities.amend_order, request)
        return await decided_step(
            OrderActivities.readdress_order, ReaddressOrder(order_id=self._order.id, n=self._count, change=change)
        )


def _refusal(changed: Changed) -> DomainError | None:
    match changed.refusal:
        case None:
            return None
        case StockShort.code:
            return StockShort()
        case UnknownSku.code:
            return UnknownSku()
        case PreconditionFailed.code:
            return PreconditionFailed(changed.version)
        case _:
            return OrderNotAmendable(changed.status)
