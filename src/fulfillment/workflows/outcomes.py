"""
Provider steps whose outcome nobody can look up any more: an operator finds out, and the step goes on from there.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.messages import Act
    from fulfillment.contracts.naming import operation_key
    from fulfillment.contracts.providers import Told
    from fulfillment.contracts.recovery import Numbered
    from fulfillment.domain.attention import Action
    from fulfillment.domain.errors import CannotTell
    from fulfillment.domain.operations import OperationKind
    from fulfillment.domain.orders import AttentionReason, OrderStatus
    from fulfillment.workflows.desk import Desk
    from fulfillment.workflows.state import OrderState
    from fulfillment.workflows.steps import code_of

Result = TypeVar("Result")


class Numbers:
    """Counts the intended effects of one kind, so that each has a key of its own."""

    def __init__(self, kind: OperationKind) -> None:
        self.kind = kind
        self.last = 0
        self._is_open = False

    def next(self) -> int:
        """The number of the next intended effect."""
        if self._is_open:
            self._is_open = False
        else:
            self.last += 1
        return self.last

    def restore(self, numbered: Numbered) -> None:
        """Go on counting: an effect that may still count is asked for again under its own number."""
        self.last = numbered.last
        self._is_open = bool(numbered.last) and not numbered.is_refused


class Outcomes:
    """Finds out what became of provider steps, with an operator's help where it must be."""

    def __init__(self, order: OrderState, desk: Desk) -> None:
        self._order = order
        self._desk = desk

    async def known(
        self,
        numbers: Numbers,
        attempt: Callable[[int, Told | None], Awaitable[Result]],
        *,
        n: int | None = None,
        told: Told | None = None,
    ) -> Result:
        """
        Run the step number `n` (without: the next one) until its outcome is known.

        Raises:
            ActivityError: it was refused, or patience is over.
            Ending: the order was cancelled meanwhile.
        """
        n = n or numbers.next()
        while True:
            try:
                return await attempt(n, told)
            except ActivityError as error:
                if code_of(error) != CannotTell.code:
                    raise
                doubtful = operation_of(error)
            if self._order.status is OrderStatus.PROCESSING:
                self._order.stop_if_cancelled()
            told = await self._ask(doubtful)
            if told is not None and not told.happened and doubtful == operation_key(self._order.id, numbers.kind, n):
                n, told = numbers.next(), None

    async def _ask(self, doubtful: str) -> Told | None:
        resume = self._order.status
        if not await self._desk.ask(AttentionReason.OUTCOME_UNKNOWN, resume=resume, operation=doubtful):
            return None
        await self._desk.answer()
        return found_out(await self._desk.resolve(resume), doubtful)


def found_out(act: Act, doubtful: str) -> Told | None:
    """What an operator's answer says about the operation nobody could look up; None: look again."""
    if act.action is Action.RETRY_LOOKUP:
        return None
    return Told(operation=doubtful, happened=act.action is Action.IT_HAPPENED, reference=act.provider_reference)


def operation_of(error: ActivityError) -> str:
    """The key of the operation a step cannot tell about."""
    cause = error.cause
    return str(cause.details[0]) if isinstance(cause, ApplicationError) else ""
