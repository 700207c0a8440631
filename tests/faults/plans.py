"""
What the proxies do to the effects of one order: the same plays for providers and for the database.
"""

import asyncio
from enum import StrEnum

from tests.fixtures.waiting import until


class Play(StrEnum):
    """What happens to one attempt."""

    PASS = "pass"
    CUT = "cut"
    UNAVAILABLE = "unavailable"
    REFUSE = "refuse"
    LATE = "late"
    LOSE = "lose"
    HOLD = "hold"
    HOLD_DONE = "hold_done"


class Plan:
    """
    Plays with the first so many attempts at one effect, until it is lifted.

    `delay` is that of a late one, in seconds. Held attempts go on when the plan is lifted, or never, if
    they are `dropped`.
    """

    def __init__(self, play: Play, *, times: int | None = None, delay: float = 0) -> None:
        self.delay = delay
        self.met = 0
        self.dropped = False
        self.lifted = asyncio.Event()
        self._play = play
        self._times = times
        self._busy = 0

    def begin(self) -> Play:
        """The play of the next attempt, to be followed by `end`."""
        self._busy += 1
        if self.lifted.is_set() or (self._times is not None and self.met >= self._times):
            return Play.PASS
        self.met += 1
        return self._play

    def end(self) -> None:
        """The attempt is over, also at the server."""
        self._busy -= 1

    def lift(self) -> None:
        """What comes from now on passes, what is held goes on."""
        self.lifted.set()

    def drop(self) -> None:
        """What comes from now on passes, what is held is not answered, nor done if it is not yet."""
        self.dropped = True
        self.lifted.set()

    async def meets(self, attempts: int, seconds: float) -> None:
        """
        Until so many attempts were played with.

        Raises:
            TimeoutError: there were fewer.
        """

        async def met() -> bool:
            return self.met >= attempts

        await until(met, seconds)

    async def rests(self, seconds: float) -> None:
        """Until no attempt is under way."""

        async def idle() -> bool:
            return self._busy == 0

        await until(idle, seconds)


class Plans:
    """The plans by order and operation."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str], Plan] = {}

    def add(self, order_id: str, operation: str, plan: Plan) -> Plan:
        self._plans[order_id, operation] = plan
        return plan

    def find(self, order_id: str, operation: str) -> Plan | None:
        return self._plans.get((order_id, operation))
