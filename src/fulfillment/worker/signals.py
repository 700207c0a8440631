"""
Signals with more arguments than their handler takes: dropped, as those that cannot be read are.
"""

from typing import Any

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class OneArgument(Interceptor):
    """
    Every signal of ours takes one argument. One that comes with two would raise in its handler, and hold its workflow
    up for ever: a signal stays in the history.
    """

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        """Stand between the worker and the workflow."""
        return _Dropping


class _Dropping(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> Any:  # noqa: A002, ANN401 - the SDK's signature
        if len(input.args) > 1:
            workflow.logger.warning("signal_ignored", extra={"signal": input.signal})
            return None
        return await super().handle_signal(input)
