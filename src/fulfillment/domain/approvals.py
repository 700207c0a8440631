"""
Approvals: what is asked of whom, and the words for what becomes of it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

MOST_DECISIONS = 100
"""Decisions, withdrawals and reassignments of one request: each is kept in its history, which has an end."""


class ApprovalStatus(StrEnum):
    """Where a request stands (contract, approvals)."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    """Nobody needs it any more: the order was cancelled, or amended and asks anew."""


class LevelStatus(StrEnum):
    """Where one level of a request stands."""

    WAITING = "waiting"
    """Its turn has not come."""
    OPEN = "open"
    APPROVED = "approved"
    MERGED = "merged"
    """Nobody decided in time: the level of the next higher role decides for this one, too."""


class Vote(StrEnum):
    """What one person says."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"


class Mode(StrEnum):
    """Whether the levels of a request are asked one after the other or all at once."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLevel:
    """
    One level of a plan: `quorum` people of a role are to say yes.

    Attributes:
        role: who decides; also the name of the level, unique in its plan.
        quorum: how many of them.
        reasons: why the level is asked, in codes (`amount`, `no_rate`, `risk`).
        reminders: how long after the level opened people are reminded.
        escalate_after: how long after that the next higher role may decide as well.
        expire_after: how long after the escalation nobody's decision counts any more.
        escalates_to: the next higher role; None for the highest.
    """

    role: str
    quorum: int = 1
    reasons: tuple[str, ...] = ()
    reminders: tuple[timedelta, ...] = (timedelta(days=3), timedelta(days=6))
    escalate_after: timedelta = timedelta(days=7)
    expire_after: timedelta = timedelta(days=3)
    escalates_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What is asked of whom, as the policy had it when the order was placed or amended: a rule that is changed later
    touches new requests only. The levels go from low to high; `deadline` caps all of them.
    """

    policy: str
    levels: tuple[PlannedLevel, ...] = ()
    mode: Mode = Mode.SEQUENTIAL
    deadline: timedelta = timedelta(days=14)

    @property
    def is_automatic(self) -> bool:
        """Nobody is asked."""
        return not self.levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """So many more votes are needed at a level."""

    level: str
    votes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A vote that was taken: at a level, by a person, perhaps on behalf of somebody who delegated it."""

    level: str
    vote: Vote
    actor: str
    on_behalf_of: str | None = None

    @property
    def persons(self) -> frozenset[str]:
        """Everybody whose one vote this is: a delegate's vote is also the delegator's."""
        return frozenset({self.actor} | ({self.on_behalf_of} if self.on_behalf_of else set()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """
    In whose right somebody decides: roles of their own, or, `on_behalf_of` somebody, roles that were delegated.
    """

    roles: frozenset[str] = field(default_factory=frozenset)
    on_behalf_of: str | None = None


def is_same_person(actor: str, named: str) -> bool:
    """
    Whether a caller is whom an order names, in doubt yes: `requested_by` is a text of the shop's, which may have the
    name of a key (`key:NAME`) or the subject of a token (`issuer#subject`) without what stands before it.
    """
    return named.strip().casefold() in names_of(actor)


def names_of(actor: str) -> frozenset[str]:
    """What an order may call a caller, in lower case."""
    known = actor.casefold()
    # The subject of a token may have a `#`, its issuer has none.
    names = {known, known.removeprefix("key:"), known.removeprefix("jwt:"), known.partition("#")[2]}
    return frozenset(names - {""})
