"""
How an order's workflow runs its steps: database steps locally first, provider steps on their own queues.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.naming import TaskQueue
    from fulfillment.contracts.options import DATABASE_LOCAL, DATABASE_REMOTE, PROVIDER

Request = TypeVar("Request")
Result = TypeVar("Result")


async def database_step(
    method: Callable[[Any, Request], Awaitable[Result]], request: Request, *, queue: TaskQueue = TaskQueue.ORDERS
) -> Result:
    """
    Run a database step that is bound to come: a few quick local attempts, then the same step remotely for as long as
    it takes. An accepted order is never given up because our own database was away.

    Not for what a message or a timer has decided, see `decided_step`.

    Raises:
        Unforeseen: it was refused.
        FailureError: the workflow was cancelled.
    """
    try:
        return await workflow.execute_local_activity_method(method, request, **DATABASE_LOCAL)
    except FailureError as error:
        _pass_on(error, method.__name__)
        workflow.logger.warning("database_step_goes_remote", extra={"step": method.__name__})
    return await decided_step(method, request, queue=queue)


async def decided_step(
    method: Callable[[Any, Request], Awaitable[Result]], request: Request, *, queue: TaskQueue = TaskQueue.ORDERS
) -> Result:
    """
    Run a database step that a message or a timer has decided on: remotely from the start.

    A local step commits before its workflow task does. If the worker dies in between, the task runs again together with
    what came since: an Update may be gone, a cancellation may come first, and the row would be ahead of the workflow
    for ever. A remote step begins when the decision is in the history.

    Raises:
        Unforeseen: it was refused.
        FailureError: the workflow was cancelled.
    """
    try:
        return await workflow.execute_activity_method(method, request, task_queue=queue, **DATABASE_REMOTE)
    except FailureError as error:
        _pass_on(error, method.__name__)
        raise


def _pass_on(error: FailureError, step: str) -> None:
    if is_cancelled_exception(error):
        raise error
    if is_final(error):
        # Refusals of a database step are results: one that is raised nobody thought of.
        raise Unforeseen(step, code_of(error)) from error


async def provider_step(
    queue: TaskQueue, method: Callable[[Any, Request], Awaitable[Result]], request: Request
) -> Result:
    """
    Run a step that reaches a provider, on the provider's queue, until it is done or refused.

    Raises:
        ActivityError: a refusal, final.
    """
    return await workflow.execute_activity_method(
        method,
        request,
        task_queue=queue,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        **PROVIDER,
    )


def is_final(error: FailureError) -> bool:
    """A rule said no; trying again changes nothing."""
    cause = _cause_of(error)
    return isinstance(cause, ApplicationError) and cause.non_retryable


def _cause_of(error: FailureError) -> BaseException | None:
    # A remote activity's error is wrapped in an `ActivityError`, a local one's is not (measured).
    return error.cause if isinstance(error, ActivityError) else error


def code_of(error: FailureError) -> str | None:
    """The code of the domain error behind a failed step."""
    cause = _cause_of(error)
    return cause.type if isinstance(cause, ApplicationError) else None


def code_among(error: ActivityError, *codes: str) -> str:
    """
    The code of a refusal that was foreseen.

    Raises:
        Unforeseen: the step was refused for another reason.
    """
    code = code_of(error)
    if code not in codes:
        raise Unforeseen(error.activity_type, code) from error
    return code


class Unforeseen(Exception):
    """
    A step was refused for a reason nobody thought of: a bug. It holds the workflow's task up, visibly, until a
    release knows the reason; it never ends an order or moves money.
    """

    def __init__(self, step: str, code: str | None) -> None:
        super().__init__(f"{step} was refused with {code}")
