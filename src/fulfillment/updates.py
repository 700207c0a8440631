"""
Asking a running workflow for something and waiting for its answer: what can become of that, in words of ours.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from fulfillment.domain.errors import (
    ActionNotAvailable,
    AlreadyVoted,
    ApprovalClosed,
    DomainError,
    LevelNeeded,
    NotAnApprover,
    NothingToWithdraw,
    OneLevelPerPerson,
    OrderNotAmendable,
    OrderNotCancellable,
    OwnOrder,
    PaymentNotAwaited,
    PreconditionFailed,
    StockShort,
    TooManyChanges,
    Unavailable,
    UnknownSku,
)

RPC_TIMEOUT = timedelta(seconds=5)
UPDATE_TIMEOUT = timedelta(seconds=10)

_REFUSALS: dict[str | None, type[DomainError]] = {
    kind.code: kind
    for kind in (
        ActionNotAvailable,
        AlreadyVoted,
        ApprovalClosed,
        LevelNeeded,
        NotAnApprover,
        NothingToWithdraw,
        OneLevelPerPerson,
        OrderNotAmendable,
        OrderNotCancellable,
        OwnOrder,
        PaymentNotAwaited,
        PreconditionFailed,
        StockShort,
        TooManyChanges,
        UnknownSku,
    )
}
# What the server says of an Update whose workflow closed before the handler had ended.
_ENDED_MEANWHILE = "AcceptedUpdateCompletedWorkflow"
# A call that timed out on our side is reported as cancelled; a connection that broke in the middle as unknown.
_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
    }
)
# The workflow closes at this moment, or its last task failed (a bug of ours): what becomes of it is seen later.
_NOT_READY = frozenset({RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION})


class WorkflowEnded(Exception):
    """No workflow of this id runs (any more)."""


class WorkflowNotReady(Unavailable):
    """The workflow closes at this moment, or cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    An Update: its name, its argument, and the id under which the workflow takes it once only. `part` is what callers
    read of a workflow that does not answer.
    """

    name: str
    argument: object
    id: str
    part: str
    result: type | None = None


async def ask(handle: WorkflowHandle[Any, Any], asked: Asked, patience: timedelta) -> Any:  # noqa: ANN401 - its answer
    """
    What a workflow answers.

    Raises:
        DomainError: it refuses.
        WorkflowEnded: it does not run.
        Unavailable: it does not answer within `patience`, or Temporal cannot be reached; asking again is safe.
    """
    try:
        with reachable():
            # The SDK waits for the outcome for as long as it takes, whatever time-out its calls have.
            async with asyncio.timeout(patience.total_seconds()):
                return await handle.execute_update(asked.name, asked.argument, id=asked.id, result_type=asked.result)
    except WorkflowUpdateFailedError as error:
        raise _said(error) from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
        raise Unavailable(asked.part) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise WorkflowEnded from error
        if error.status in _NOT_READY:
            raise WorkflowNotReady(asked.part) from error
        raise


@contextmanager
def reachable() -> Iterator[None]:
    """
    Calls of Temporal.

    Raises:
        Unavailable: it cannot answer now.
    """
    try:
        yield
    except RPCError as error:
        if error.status in _AWAY:
            raise Unavailable("workflow engine") from error
        raise


def _said(failed: WorkflowUpdateFailedError) -> Exception:
    """What an Update was refused with, in its own words; a failure without a code of ours is a bug and stays one."""
    cause = failed.cause
    if not isinstance(cause, ApplicationError):
        return failed
    if cause.type == _ENDED_MEANWHILE:
        return WorkflowEnded()
    kind = _REFUSALS.get(cause.type)
    if kind is None:
        return failed
    refusal = kind.__new__(kind)
    Exception.__init__(refusal, cause.message)
    return refusal
