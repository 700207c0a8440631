"""
What people say about an order that waits for them, one after the other.
"""

from collections import deque
from collections.abc import Sequence
from enum import StrEnum


class Approver(StrEnum):
    """Who is asked: people of a role of the demo's policy, or the deputy, whom a manager lets decide for them."""

    MANAGER = "manager"
    DIRECTOR = "director"
    VP = "vp"
    CEO = "ceo"
    COMPLIANCE = "compliance"
    DEPUTY = "deputy"


class Decision(StrEnum):
    """What they say; who takes a vote back says something else afterwards, or leaves it to others."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"
    WITHDRAW = "withdraw"


Said = tuple[Approver, Decision]


class Decisions:
    """
    What is still to be said about one order. Without a plan everybody who is asked approves.

    Args:
        plan: who says what, in this order; None: no plan.
    """

    def __init__(self, plan: Sequence[Said] | None) -> None:
        self._left = None if plan is None else deque(plan)
        self._voters: dict[str, Approver] = {}
        self._speaking = False
        self._is_decided = False
        self.said = 0

    @property
    def left(self) -> Sequence[Said]:
        """What was planned and not said yet."""
        return tuple(self._left or ())

    @property
    def is_spent(self) -> bool:
        """Nobody is going to say anything any more, and nothing is decided."""
        return self._left is not None and not (self._left or self._speaking or self._is_decided)

    def of(self, approver: Approver, person: str) -> Decision | None:
        """What this person says now; nobody speaks while somebody does, or has two votes."""
        if self._speaking or self._is_decided:
            return None
        if self._left is None:
            return None if person in self._voters else Decision.APPROVE
        if not self._left or self._left[0][0] is not approver:
            return None
        decision = self._left[0][1]
        return decision if (decision is Decision.WITHDRAW) is (person in self._voters) else None

    def speaks(self) -> None:
        """Somebody is about to say something."""
        self._speaking = True

    def heard(self, approver: Approver, person: str, decision: Decision, *, is_decided: bool) -> None:
        """It was taken; perhaps nothing more is to be said."""
        self._speaking, self._is_decided = False, is_decided
        self.said += 1
        if decision is Decision.WITHDRAW:
            self._voters.pop(person, None)
        else:
            self._voters[person] = approver
        if self._left:
            self._left.popleft()

    def refused(self, approver: Approver, person: str) -> str | None:
        """It was not taken: what was planned and cannot come any more, in words; without a plan others may."""
        self._speaking = False
        self._voters[person] = approver
        planned = self.unsaid()
        if self._left:
            self._left.clear()
        return planned

    def unsaid(self) -> str | None:
        """What is left, in words."""
        return ", ".join(f"{approver} {decision}" for approver, decision in self.left) or None
