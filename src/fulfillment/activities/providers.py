"""
The shape of every step that reaches a provider: intent, look-up if it may have happened, call; and how often.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

from temporalio import activity

from fulfillment.activities.circuit import Circuit
from fulfillment.contracts.options import LONGEST_PAUSE, PROVIDER, pause_after
from fulfillment.contracts.providers import Patience, Told
from fulfillment.db.engine import Database
from fulfillment.db.operations import Operation
from fulfillment.db.outcomes import failed, held_back
from fulfillment.domain.errors import CannotTell, DomainError, OutcomeUnknown, ProviderUnavailable, TransientError
from fulfillment.domain.operations import OperationState
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.http import UnexpectedAnswer

Result = TypeVar("Result")
Find = Callable[[str], Awaitable[Answer | None]]
Call = Callable[[], Awaitable[Answer]]

_KEEPS_FAILING = "provider (it keeps failing, and was not asked this time)"


class AlreadyUndone(Exception):
    """
    An attempt that comes after the undo of its own effect: a bug. Not a `DomainError`, which would be final.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} was undone; it is not done again")


class UnknownPaymentProvider(Exception):
    """
    The ledger names a payment provider that is not the one configured (any more), which knows nothing of its payments.

    Not a `DomainError`, which would be final: the step is tried again and alerted until the provider is back.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"a payment is with the provider {name}: configure it until its last order has ended")


# A look-up and a call have their own limits, each almost as long as an attempt: the next one would begin beside them.
_LONGEST = 0.9 * PROVIDER["start_to_close_timeout"]


class ProviderStep(Protocol):
    """What the requests of all provider steps say."""

    @property
    def patience(self) -> Patience:
        """How often the provider may fail."""

    @property
    def told(self) -> Told | None:
        """What an operator found out."""


class Asking:
    """
    Asks one provider; `away` makes the final error when patience with it is over. A look-up and what follows it end
    within `longest`.

    While its circuit is open most attempts are not made. Each counts as a failure, at the pace of the longest pause;
    but the last one of an operation's patience is always made, so that nobody is given up unasked.
    """

    def __init__(
        self, database: Database, away: Callable[[], DomainError], circuit: Circuit, *, longest: timedelta = _LONGEST
    ) -> None:
        self._database = database
        self._away = away
        self._circuit = circuit
        self._longest = longest.total_seconds()

    @property
    def holds_back(self) -> bool:
        """The provider keeps failing, and is not asked now."""
        return self._circuit.holds_back

    async def ask(self, operation: Operation, step: ProviderStep, *, find: Find, call: Call) -> Answer:
        """
        The provider's answer to an intended operation, or an operator's.

        An earlier attempt's answer is looked up before asking again: the provider may have done it although we never
        heard. What is not found is asked for again under the same key, for as long as the provider remembers it.

        Raises:
            ProviderUnavailable: it was not done.
            OutcomeUnknown: it may have been done; the ledger says so.
            CannotTell: it may have been done, too long ago to be looked up.
            DomainError: patience is over; the ledger keeps what is known.
        """
        told = step.told
        if told is not None and told.happened and told.operation == operation.key:
            return Answer(reference=told.reference)
        async with self.counting(operation.key, step.patience):
            end = asyncio.get_running_loop().time() + self._longest
            if operation.may_have_happened:
                found = await _by(end, find(operation.key), ProviderUnavailable(operation.key))
                if found is not None:
                    return found
                if operation.age > step.patience.memory:
                    raise CannotTell(operation.key)
            return await _by(end, call(), OutcomeUnknown(operation.key))

    @asynccontextmanager
    async def counting(self, key: str, patience: Patience) -> AsyncIterator[None]:
        """
        Count what the provider fails to answer in this block as failures of the operation `key`.

        Nothing else is counted: while our own side is away, nobody's order is given up.

        Raises:
            ProviderUnavailable: also when the block was not entered, because the provider keeps failing.
        """
        if not self._circuit.admits() and await self._hold_back(key, patience):
            raise ProviderUnavailable(_KEEPS_FAILING, LONGEST_PAUSE)
        try:
            yield
        except (ProviderUnavailable, OutcomeUnknown) as error:
            self._circuit.failed()
            # A look-up without an answer has done nothing either: an earlier attempt nobody knows about stays one.
            failures = await self._count(key, error, not_done=isinstance(error, ProviderUnavailable))
            if failures >= patience.failures:
                raise self._away() from error
            error.retry_after = _longer_pause(error)
            raise
        except (UnexpectedAnswer, CannotTell):
            self._circuit.answered()
            raise
        self._circuit.answered()

    async def _hold_back(self, key: str, patience: Patience) -> bool:
        async with self._database.statement() as connection:
            return await held_back(connection, key, patience=patience.failures)

    async def _count(self, key: str, error: TransientError, *, not_done: bool) -> int:
        # A provider that asks for a long pause uses up as much patience as the attempts it keeps us from.
        weight = math.ceil(error.retry_after / LONGEST_PAUSE) if error.retry_after else 1
        async with self._database.statement() as connection:
            return await failed(connection, key, failures=max(1, weight), not_done=not_done)


async def _by(end: float, asked: Awaitable[Result], late: TransientError) -> Result:
    timeout = asyncio.timeout_at(end)
    try:
        async with timeout:
            return await asked
    except TimeoutError:
        if not timeout.expired():
            raise
        raise late from None


def known(operation: Operation) -> Answer | None:
    """
    The result that is in the ledger already.

    Raises:
        AlreadyUndone: it was done, and undone.
    """
    if operation.is_open:
        return None
    if operation.state is OperationState.UNDONE:
        raise AlreadyUndone(operation.key)
    return Answer(reference=operation.provider_reference, refusal=operation.refusal)


def named(answer: Answer, key: str) -> Answer:
    """
    An answer that is of use only with the provider's name for what was done.

    Raises:
        CannotTell: an operator says that it was done, but not what it is called.
    """
    if not answer.refusal and not answer.reference:
        raise CannotTell(key)
    return answer


def _longer_pause(error: TransientError) -> timedelta | None:
    """What the provider asks for, if it is longer than our own pause: patience is counted in those."""
    asked = error.retry_after
    return asked if asked and asked > pause_after(activity.info().attempt) else None
