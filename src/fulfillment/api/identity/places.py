"""
How many may be busy with something at once, and who waits for a turn.
"""

import asyncio
from collections import OrderedDict
from datetime import timedelta


class Places:
    """So many at once; the others wait in the order they came, as long as `patience`, and can all be sent away."""

    def __init__(self, count: int, patience: timedelta) -> None:
        self._free = count
        self._patience = patience.total_seconds()
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def are_taken(self) -> bool:
        """Whether somebody who comes now has to wait."""
        return self._free == 0

    async def take(self) -> bool:
        """Whether there was a place in time. Whoever has one gives it back."""
        if self._free:
            self._free -= 1
            return True
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await asyncio.wait({turn}, timeout=self._patience)
        except asyncio.CancelledError:
            if _has_come(turn):
                self.give_back()
            raise
        finally:
            self._waiting.pop(turn, None)
        return _has_come(turn)

    def give_back(self) -> None:
        """Another one's turn, if anybody waits."""
        if self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            turn.set_result(True)
        else:
            self._free += 1

    def send_away(self) -> None:
        """All who wait get no place."""
        while self._waiting:
            turn, _ = self._waiting.popitem()
            turn.set_result(False)


def _has_come(turn: asyncio.Future[bool]) -> bool:
    return turn.done() and turn.result()
