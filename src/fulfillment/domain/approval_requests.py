"""
One request for approval: who may decide what, and what time does to it. Knows no clock: it is told what time it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from fulfillment.domain.approvals import (
    ApprovalStatus,
    Authority,
    Ballot,
    LevelStatus,
    Missing,
    Mode,
    Plan,
    Vote,
    is_same_person,
)
from fulfillment.domain.errors import (
    AlreadyVoted,
    ApprovalClosed,
    LevelNeeded,
    NotAnApprover,
    NothingToWithdraw,
    OneLevelPerPerson,
    OwnOrder,
)

_SETTLED = (LevelStatus.APPROVED, LevelStatus.MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """
    Where one level stands.

    Attributes:
        name: of the level: the role that was planned for it.
        role: who decides now; another one after a reassignment.
        opened_at: when its people were (last) asked.
        reminded: how often since then.
        escalated_to: the role that may decide as well.
        given_by: who gave it to another role, ever: they do not decide here, or they would choose themselves.
    """

    name: str
    role: str
    status: LevelStatus = LevelStatus.WAITING
    opened_at: datetime | None = None
    reminded: int = 0
    escalated_to: str | None = None
    escalated: bool = False
    given_by: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Everybody who may decide here."""
        return (self.role, self.escalated_to) if self.escalated_to else (self.role,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded:
    """The people of a level are reminded, for the `n`th time."""

    level: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated:
    """The next higher role may decide as well, or, where it has a later level of its own, decides both there."""

    level: str
    to: str
    merged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Nobody decided in time: at a level, or (None) before the deadline of all."""

    level: str | None


Happening = Reminded | Escalated | Expired


class ApprovalRequest:
    """
    Follows its plan. Votes and time move it; every method that refuses raises a domain error and changes nothing.

    Args:
        plan: what is asked of whom.
        requesters: whose order it is, who may not decide.
        levels: as they were left; without them the request begins at `started_at`.
        ballots: the votes that count.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        requesters: tuple[str, ...],
        started_at: datetime,
        status: ApprovalStatus = ApprovalStatus.PENDING,
        levels: tuple[Level, ...] = (),
        ballots: tuple[Ballot, ...] = (),
    ) -> None:
        self._plan = plan
        self._planned = {level.role: level for level in plan.levels}
        self._requesters = requesters
        self._started_at = started_at
        self.status = status
        self._levels = {level.name: level for level in levels or _unopened(plan)}
        self._ballots = list(ballots)
        if not levels:
            self._go_on(started_at)

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels, from low to high."""
        return tuple(self._levels.values())

    @property
    def ballots(self) -> tuple[Ballot, ...]:
        """The votes that count."""
        return tuple(self._ballots)

    @property
    def is_open(self) -> bool:
        """Something can still be decided."""
        return self.status is ApprovalStatus.PENDING

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is needed for a yes, at the levels whose turn it is."""
        if not self.is_open:
            return ()
        return tuple(Missing(level=level.name, votes=self._votes_missing(level)) for level in self._open)

    @property
    def next_at(self) -> datetime | None:
        """When time will change something; None when nothing can change any more."""
        if not self.is_open:
            return None
        return min([self._ends_at, *(at for level in self._open for at, _, _ in self._due_at(level))])

    @property
    def due_at(self) -> datetime | None:
        """When somebody higher is asked, or it is over; None once it is closed. Reminders change nothing of that."""
        if not self.is_open:
            return None
        due = [
            at for level in self._open for at, _, happening in self._due_at(level) if type(happening) is not Reminded
        ]
        return min([self._ends_at, *due])

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The roles that may decide now."""
        return tuple(dict.fromkeys(role for level in self._open for role in level.roles)) if self.is_open else ()

    def check(self, actor: str, authority: Authority, level: str | None) -> str:
        """
        The level a decision counts for.

        Raises:
            ApprovalClosed: the request or the level is closed.
            OwnOrder: the order is theirs, or of whom they act for, or they chose who decides at the level.
            NotAnApprover: the open levels wait for others.
            LevelNeeded: several levels could be meant, or `level` is none of the plan.
            AlreadyVoted: they have a vote there.
            OneLevelPerPerson: they have one at another level.
        """
        if not self.is_open:
            raise ApprovalClosed("approval", self.status)
        self._check_four_eyes(actor, authority)
        name = self._level_for(authority, level)
        persons = Ballot(level=name, vote=Vote.APPROVE, actor=actor, on_behalf_of=authority.on_behalf_of).persons
        if persons.intersection(self._levels[name].given_by):
            raise OwnOrder
        for ballot in self._ballots:
            if persons & ballot.persons:
                raise AlreadyVoted(name) if ballot.level == name else OneLevelPerPerson(ballot.level)
        return name

    def decide(self, actor: str, authority: Authority, vote: Vote, level: str | None, now: datetime) -> Ballot:
        """
        Take a vote. One no ends the request; the last yes that was missing opens what comes next, or approves.

        Raises:
            DomainError: as `check`; also when the deadline has passed and nobody has written that down yet.
        """
        if self.is_open and self._ends_at <= now:
            raise ApprovalClosed("approval", ApprovalStatus.EXPIRED)
        name = self.check(actor, authority, level)
        ballot = Ballot(level=name, vote=vote, actor=actor, on_behalf_of=authority.on_behalf_of)
        self._ballots.append(ballot)
        if vote is Vote.REJECT:
            self.status = ApprovalStatus.REJECTED
        elif vote is Vote.APPROVE and not self._votes_missing(self._levels[name]):
            self._change(name, status=LevelStatus.APPROVED)
            self._go_on(now)
        return ballot

    def check_withdrawal(self, actor: str) -> Ballot:
        """
        The vote that somebody can take back.

        Raises:
            ApprovalClosed: the request is closed.
            NothingToWithdraw: they have none at a level that is open.
        """
        if not self.is_open:
            raise ApprovalClosed("approval", self.status)
        for ballot in self._ballots:
            if ballot.actor == actor and self._levels[ballot.level].status is LevelStatus.OPEN:
                return ballot
        raise NothingToWithdraw

    def withdraw(self, actor: str) -> Ballot:
        """
        Take a vote back.

        Raises:
            DomainError: as `check_withdrawal`.
        """
        ballot = self.check_withdrawal(actor)
        self._ballots.remove(ballot)
        return ballot

    def check_reassignment(self, level: str) -> None:
        """
        Whether a level can be given to another role.

        Raises:
            ApprovalClosed: the request or the level is not open.
            LevelNeeded: there is no such level.
        """
        if not self.is_open:
            raise ApprovalClosed("approval", self.status)
        if level not in self._levels:
            raise LevelNeeded(tuple(self._levels))
        if self._levels[level].status is not LevelStatus.OPEN:
            raise ApprovalClosed(f"level {level}", self._levels[level].status)

    def reassign(self, level: str, role: str, now: datetime, by: str) -> None:
        """
        Another role decides at a level, and has the whole time for it; whoever gives it away does not decide there.
        Votes that were given there still count.

        Raises:
            DomainError: as `check_reassignment`.
        """
        self.check_reassignment(level)
        given_by = tuple(dict.fromkeys((*self._levels[level].given_by, by)))
        self._change(level, role=role, opened_at=now, reminded=0, escalated_to=None, escalated=False, given_by=given_by)

    def make_void(self) -> None:
        """Nobody needs it any more, whatever was decided at this moment."""
        self.status = ApprovalStatus.VOID

    def pass_time(self, now: datetime) -> tuple[Happening, ...]:
        """What has become due until now, in its order; nothing, when called again at the same time."""
        happened: list[Happening] = []
        while self.is_open and (happening := self._due(now)) is not None:
            self._happen(happening, now)
            happened.append(happening)
        return tuple(happened)

    @property
    def _open(self) -> tuple[Level, ...]:
        return tuple(level for level in self._levels.values() if level.status is LevelStatus.OPEN)

    @property
    def _ends_at(self) -> datetime:
        return self._started_at + self._plan.deadline

    def _votes_missing(self, level: Level) -> int:
        given = sum(ballot.level == level.name and ballot.vote is Vote.APPROVE for ballot in self._ballots)
        return max(0, self._planned[level.name].quorum - given)

    def _check_four_eyes(self, actor: str, authority: Authority) -> None:
        persons = (actor, authority.on_behalf_of) if authority.on_behalf_of else (actor,)
        if any(is_same_person(person, requester) for person in persons for requester in self._requesters):
            raise OwnOrder

    def _level_for(self, authority: Authority, wanted: str | None) -> str:
        if wanted is not None and wanted not in self._levels:
            raise LevelNeeded(tuple(self._levels))
        if wanted is not None and self._levels[wanted].status in _SETTLED:
            raise ApprovalClosed(f"level {wanted}", self._levels[wanted].status)
        possible = [level.name for level in self._open if authority.roles.intersection(level.roles)]
        if wanted is not None:
            possible = [name for name in possible if name == wanted]
        if not possible:
            raise NotAnApprover(", ".join(role for level in self._open for role in level.roles))
        if len(possible) > 1:
            raise LevelNeeded(tuple(possible))
        return possible[0]

    def _go_on(self, now: datetime) -> None:
        """Open what comes next; with nothing left the request is approved."""
        if all(level.status in _SETTLED for level in self._levels.values()):
            self.status = ApprovalStatus.APPROVED
            return
        for level in self.levels:
            if level.status is LevelStatus.WAITING:
                self._change(level.name, status=LevelStatus.OPEN, opened_at=now)
                if self._plan.mode is Mode.SEQUENTIAL:
                    return

    def _due(self, now: datetime) -> Happening | None:
        """What is due first. What ends the request comes before what is due at the same time."""
        due: list[tuple[datetime, int, Happening]] = []
        if self._ends_at <= now:
            due.append((self._ends_at, 0, Expired(level=None)))
        for level in self._open:
            due += [entry for entry in self._due_at(level) if entry[0] <= now]
        return min(due, key=lambda entry: entry[:2])[2] if due else None

    def _due_at(self, level: Level) -> Iterator[tuple[datetime, int, Happening]]:
        opened, planned = _opened(level), self._planned[level.name]
        yield opened + planned.escalate_after + planned.expire_after, 1, Expired(level=level.name)
        if level.escalated:
            return
        if (to := self._next_higher(level)) is not None:
            merged = self._is_higher(to, level)
            yield opened + planned.escalate_after, 2, Escalated(level=level.name, to=to, merged=merged)
        if planned.reminders[level.reminded :]:
            n = level.reminded + 1
            yield opened + planned.reminders[level.reminded], 3, Reminded(level=level.name, n=n)

    def _next_higher(self, level: Level) -> str | None:
        """
        Who may decide as well if nobody does in time: who stands above the role that decides now, or, if the plan does
        not know that role, above the planned one. A level that was reassigned to the highest gains nobody.
        """
        to = self._planned.get(level.role, self._planned[level.name]).escalates_to
        return None if to == level.role else to

    def _is_higher(self, role: str, level: Level) -> bool:
        """It has a level of its own that comes later: only upwards is a level merged, so one always decides for all."""
        names = tuple(self._levels)
        return role in names and names.index(role) > names.index(level.name)

    def _happen(self, happening: Happening, now: datetime) -> None:
        match happening:
            case Reminded():
                self._change(happening.level, reminded=happening.n)
            case Escalated(merged=True):
                self._change(happening.level, status=LevelStatus.MERGED, escalated=True, escalated_to=happening.to)
                self._go_on(now)
            case Escalated():
                self._change(happening.level, escalated=True, escalated_to=happening.to)
            case Expired():
                self.status = ApprovalStatus.EXPIRED

    def _change(self, level: str, **values: object) -> None:
        self._levels[level] = replace(self._levels[level], **values)  # type: ignore[arg-type]


def _unopened(plan: Plan) -> tuple[Level, ...]:
    return tuple(Level(name=level.role, role=level.role) for level in plan.levels)


def _opened(level: Level) -> datetime:
    assert level.opened_at is not None, "an open level knows since when"  # noqa: S101
    return level.opened_at
