"""
An hour in which the payment provider takes no money, in seconds: only orders that are to meet it are to notice.
"""

from collections.abc import Sequence

from fulfillment.local.demo.progress import Board, Progress
from fulfillment.local.demo.providers import PaymentProvider


class Outage:
    """
    Begins when no other order wants its money taken any more, and ends when all that were to meet it have asked an
    operator. Until then those are not placed, and during it nobody answers them.
    """

    def __init__(self, board: Board, provider: PaymentProvider) -> None:
        self.meeting: Sequence[Progress] = [item for item in board.all if item.order.scenario.meets_outage]
        self._others = [item for item in board.all if not item.order.scenario.meets_outage]
        self._provider = provider
        self.is_on = False
        self._is_past = not self.meeting

    async def begins(self) -> bool:
        """Whether it begins now."""
        if self.is_on or self._is_past or not all(other.is_past_capture for other in self._others):
            return False
        await self._provider.stop_taking_money()
        self.is_on = True
        return True

    async def ends(self) -> None:
        """Let it end if it is time."""
        if self.is_on and all(item.script.asked or item.is_over for item in self.meeting):
            await self._provider.work_again()
            self.is_on, self._is_past = False, True
