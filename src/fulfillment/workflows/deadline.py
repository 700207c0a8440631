"""
One timer for one phase, however many messages come meanwhile.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow


class Deadline:
    """
    Passes once `window` is over (`wait_condition` with a timeout would start a timer for each message); without a
    window it never does. It can be made to stand still for a while.
    """

    def __init__(self, window: timedelta | None = None, summary: str = "") -> None:
        self._left = window
        self._summary = summary
        self._timer: asyncio.Task[None] | None = None
        self._ends_at = workflow.now()
        self.resume()

    @property
    def passed(self) -> bool:
        """It is time."""
        return self._timer is not None and self._timer.done()

    def stop(self) -> None:
        """The phase is over."""
        if self._timer is not None:
            self._timer.cancel()

    def pause(self) -> None:
        """Stand still until it is resumed."""
        if self._timer is not None and not self._timer.done():
            self._left = max(self._ends_at - workflow.now(), timedelta(0))
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Go on; does nothing while it does."""
        if self._timer is None and self._left is not None:
            self._ends_at = workflow.now() + self._left
            self._timer = asyncio.create_task(workflow.sleep(self._left, summary=self._summary))
