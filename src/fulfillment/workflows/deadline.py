"""
One timer for one phase, however many messages come meanwhile.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow


class Deadline:
    """
    Passes once `window` is over (`wait_condition` with a timeout would start a timer for each message); without a
    window it never does.
    """

    def __init__(self, window: timedelta | None = None, summary: str = "") -> None:
        self._timer = asyncio.create_task(workflow.sleep(window, summary=summary)) if window is not None else None

    @property
    def passed(self) -> bool:
        """It is time."""
        return self._timer is not None and self._timer.done()

    def stop(self) -> None:
        """The phase is over."""
        if self._timer is not None:
            self._timer.cancel()
