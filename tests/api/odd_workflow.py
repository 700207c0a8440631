"""
An order's workflow that does what none of ours should.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError


@workflow.defn(name="OddOrder")
class OddWorkflow:
    """Ends when it is told, whoever still waits for an answer."""

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._over)

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def cancel(self, _: object) -> None:
        """End before the answer."""
        self._over = True
        await asyncio.Future[None]()

    @workflow.update
    async def amend(self, _: object) -> None:
        """Refuse with a code nobody has heard of."""
        raise ApplicationError("secret of the implementation", type="no_such_code")

    @workflow.update
    async def readdress(self, _: object) -> None:
        """Have a bug: the task is tried again and again."""
        raise KeyError("secret")
