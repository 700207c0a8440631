"""
The people who approve: each looks at what waits for them, and says what the file has them say.
"""

import asyncio
import time

from fulfillment.local.callers import APPROVERS
from fulfillment.local.demo.approvals import ApprovalDesk, SeenApproval
from fulfillment.local.demo.at_once import each
from fulfillment.local.demo.decisions import Approver, Decision
from fulfillment.local.demo.progress import Board, Progress
from fulfillment.local.demo.service import Refused

_LOOK_EVERY = 0.1

PEOPLE = {name: Approver(min(roles, default=Approver.DEPUTY)) for name, roles in APPROVERS.items()}
"""Every approver's key, and in which part they decide; from low to high."""


class Approvers:
    """All of them, until nobody needs them any more."""

    def __init__(self, desk: ApprovalDesk, board: Board, look_every: float = _LOOK_EVERY) -> None:
        self._desk = desk
        self._board = board
        self._look_every = look_every

    async def run(self) -> None:
        """
        Decide for ever.

        Raises:
            DemoError: the service does not answer.
            Refused: an inbox is not shown, or the deputy is not let in.
        """
        if any(Approver.DEPUTY in dict(progress.order.scenario.plan or ()) for progress in self._board.all):
            await self._desk.lend()
        while True:
            looked = 0.0
            for person, approver in PEOPLE.items():
                if self._is_wanted(approver):
                    looked += await self._look(person)
            # A busy service is not asked all the time.
            await asyncio.sleep(max(self._look_every, looked))

    def _is_wanted(self, approver: Approver) -> bool:
        """Somebody without anything to decide leaves the service alone."""
        if approver is not Approver.DEPUTY:
            return approver in self._board.approvers
        planned = (progress.script.decisions.left for progress in self._board.all)
        return any(left and left[0][0] is approver for left in planned)

    async def _look(self, person: str) -> float:
        """Decide what waits for this person; the seconds it took to be told of it."""
        began = time.monotonic()
        inbox = await self._desk.inbox(person)
        looked = time.monotonic() - began
        await each(inbox, lambda approval: self._consider(person, approval))
        return looked

    async def _consider(self, person: str, approval: SeenApproval) -> None:
        progress = self._board.of(approval.order_id)
        # What somebody takes back they do not find in their inbox any more.
        while progress and (decision := progress.script.decisions.of(PEOPLE[person], person)):
            await self._say(person, approval, progress, decision)

    async def _say(self, person: str, approval: SeenApproval, progress: Progress, decision: Decision) -> None:
        decisions, approver = progress.script.decisions, PEOPLE[person]
        decisions.speaks()
        try:
            key = f"{progress.order.idempotency_key}-decision-{decisions.said}"
            is_decided = await self._desk.say(person, approval, decision, key)
        except Refused as refusal:
            progress.script.decision_refused(str(refusal), decisions.refused(approver, person))
        else:
            decisions.heard(approver, person, decision, is_decided=is_decided)
        self._board.heard()
