"""
What every activity has in common: log lines that say whose work they belong to, and one report per bug.
"""

from typing import Any

import structlog
from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from fulfillment.contracts.converter import coded
from fulfillment.contracts.naming import order_id_of
from fulfillment.domain.errors import DomainError, FulfillmentError, TransientError
from fulfillment.telemetry.metrics import ACTIVITY_ERRORS

_BUG = "bug"

_log = structlog.stdlib.get_logger(__name__)


class ActivityReports(Interceptor):
    """
    Binds the ids of the running activity into the log context and counts its failed attempts by code.

    A refusal (`DomainError`) is everyday life, a `TransientError` a warning; anything else is a bug and is logged as
    an error with its traceback, once per attempt.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Stand between the worker and the activity."""
        return _Reporting(super().intercept_activity(next))


class _Reporting(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401
        info = activity.info()
        with bound_contextvars(**_ids(info)):
            try:
                return await super().execute_activity(input)
            except Exception as error:  # noqa: BLE001 - every failure is reported, and raised again
                _report(error, info.activity_type)
                # Raised with its code already: only so does the SDK see that a refusal is no failure worth a line.
                raise coded(error) from error.__cause__


def _ids(info: activity.Info) -> dict[str, str | int]:
    ids: dict[str, str | int] = {"activity": info.activity_type, "attempt": info.attempt}
    if info.workflow_id is not None:
        order_id = order_id_of(info.workflow_id)
        ids |= {"workflow_id": info.workflow_id, "run_id": info.workflow_run_id or ""}
        ids |= {"order_id": str(order_id)} if order_id else {}
    return ids


def _report(error: Exception, activity_type: str) -> None:
    code = error.code if isinstance(error, FulfillmentError) else _BUG
    ACTIVITY_ERRORS.labels(activity_type, code).inc()
    if isinstance(error, DomainError):
        _log.info("activity_refused", code=code)
    elif isinstance(error, TransientError):
        _log.warning("activity_will_be_retried", code=code, reason=str(error))
    else:
        _log.error("activity_bug", exc_info=error)
