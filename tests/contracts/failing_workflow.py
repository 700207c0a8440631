"""
A workflow that fails wherever it is told to; a file of its own, because the sandbox imports it again.
"""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.domain.errors import DomainError, ReferenceTaken


@activity.defn
async def fail() -> None:
    raise ReferenceTaken("R-1")


@workflow.defn(failure_exception_types=[DomainError])
class FailingWorkflow:
    @workflow.run
    async def run(self, where: str) -> None:
        if where == "workflow":
            raise ReferenceTaken("R-1")
        if where == "activity":
            await workflow.execute_activity(fail, start_to_close_timeout=timedelta(seconds=10))
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def in_handler(self) -> None:
        raise ReferenceTaken("R-1")

    @workflow.update
    async def in_validator(self) -> None:
        """Never runs."""

    @in_validator.validator
    def check_in_validator(self) -> None:
        raise ReferenceTaken("R-1")
