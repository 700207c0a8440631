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


async def database_step(method: Callable[[Any, Request], Awaitable[Result]], request: Request) -> Result:
    """
    Run a database step: a few quick local attempts, then the same step remotely for as long as it takes.

    An accepted order is never given up because our own database was away.

    Raises:
        FailureError: a domain error, final; or the workflow was cancelled.
    """
    try:
        return await workflow.execute_local_activity_method(method, request, **DATABASE_LOCAL)
    except FailureError as error:
        if is_cancelled_exception(error) or is_final(error):
            raise
        workflow.logger.warning("database_step_goes_remote", extra={"step": method.__name__})
    return await workflow.execute_activity_method(
        method, request, task_queue=TaskQueue.ORDERS, summary="local attempts failed", **DATABASE_REMOTE
    )


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
    # A remote activity's error is wrapped in an `ActivityError`, a local one's is not (measured).
    cause = error.cause if isinstance(error, ActivityError) else error
    return isinstance(cause, ApplicationError) and cause.non_retryable


def code_of(error: ActivityError) -> str | None:
    """The code of the domain error behind a failed step."""
    return error.cause.type if isinstance(error.cause, ApplicationError) else None
