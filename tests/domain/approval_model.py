"""
The rules of an approval once more, as naively as can be: a clock that is turned tick by tick, loops over everything.
"""

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fulfillment.domain.approvals import Mode, Plan, PlannedLevel

TICK = timedelta(hours=12)
"""Everything in a plan takes a whole number of these."""

Happened = tuple[str, str | None, object]


@dataclass
class Vote:
    """What one person said, perhaps for another."""

    level: str
    vote: str
    actor: str
    on_behalf_of: str | None

    @property
    def people(self) -> set[str]:
        """Whose vote it is."""
        return {self.actor, self.on_behalf_of or self.actor}


@dataclass
class Standing:
    """Where one level is."""

    name: str
    role: str
    state: str = "waiting"
    since: datetime | None = None
    escalated_to: str | None = None
    reminders_sent: int = 0
    given_by: set[str] = field(default_factory=set)


class Model:
    """One request; `own_order` are the people who may not decide."""

    def __init__(self, plan: Plan, own_order: set[str], start: datetime) -> None:
        self.plan = plan
        self.own_order = own_order
        self.start = start
        self.now = start
        self.status = "pending"
        self.levels = [Standing(planned.role, planned.role) for planned in plan.levels]
        self.votes: list[Vote] = []
        self._open_next(start)

    @property
    def open(self) -> list[Standing]:
        """The levels that are asked now."""
        return [level for level in self.levels if level.state == "open"] if self.status == "pending" else []

    def named(self, name: str) -> Standing:
        """The level with this name."""
        return next(level for level in self.levels if level.name == name)

    def missing(self) -> list[tuple[str, int]]:
        """How many more have to say yes, level by level."""
        return [(level.name, self._quorum(level) - self._yes(level)) for level in self.open]

    def deciders(self, level: Standing) -> set[str]:
        """The roles that may decide there."""
        return {level.role, level.escalated_to or level.role}

    def refuses_decision(self, people: set[str], roles: set[str], wanted: str | None) -> set[str]:
        """The codes a vote may be refused with; empty: it is taken."""
        if self.status != "pending":
            return {"approval_closed"}
        if people & self.own_order:
            return {"own_order"}
        if wanted is not None and wanted not in [level.name for level in self.levels]:
            return {"level_needed"}
        if wanted is not None and self.named(wanted).state in {"approved", "merged"}:
            return {"approval_closed"}
        theirs = [level.name for level in self.open if roles & self.deciders(level) and wanted in {None, level.name}]
        if len(theirs) != 1:
            return {"level_needed"} if theirs else {"not_an_approver"}
        before = [vote for vote in self.votes if vote.people & people]
        codes = {"already_voted" if vote.level == theirs[0] else "one_level_per_person" for vote in before}
        return {"own_order"} if people & self.named(theirs[0]).given_by else codes

    def decide(self, actor: str, on_behalf_of: str | None, roles: set[str], vote: str, wanted: str | None) -> None:
        """Take a vote that is not refused."""
        level = next(one for one in self.open if roles & self.deciders(one) and wanted in {None, one.name})
        self.votes.append(Vote(level.name, vote, actor, on_behalf_of))
        if vote == "reject":
            self.status = "rejected"
        elif self._yes(level) >= self._quorum(level):
            level.state = "approved"
            self._open_next(self.now)

    def refuses_withdrawal(self, actor: str) -> set[str]:
        """The codes a withdrawal is refused with."""
        if self.status != "pending":
            return {"approval_closed"}
        theirs = [vote for vote in self.votes if vote.actor == actor and self.named(vote.level).state == "open"]
        return set() if theirs else {"nothing_to_withdraw"}

    def withdraw(self, actor: str) -> None:
        """Forget their vote."""
        self.votes = [vote for vote in self.votes if vote.actor != actor]

    def refuses_reassignment(self, name: str) -> set[str]:
        """The codes a reassignment is refused with."""
        if self.status != "pending":
            return {"approval_closed"}
        if name not in [level.name for level in self.levels]:
            return {"level_needed"}
        return set() if self.named(name).state == "open" else {"approval_closed"}

    def reassign(self, name: str, role: str, by: str) -> None:
        """Another role, and all the time there is."""
        level = self.named(name)
        level.given_by = level.given_by | {by}
        level.role, level.since, level.escalated_to, level.reminders_sent = role, self.now, None, 0

    def turn_to(self, now: datetime, *, asleep: bool = False) -> list[Happened]:
        """Turn the clock; `asleep`: what became due meanwhile is only noticed then, so levels open no sooner."""
        happened: list[Happened] = []
        while self.now < now:
            self.now += TICK
            while self.status == "pending" and (one := self._one_thing(now if asleep else self.now)):
                happened.append(one)
        return happened

    def next_changes(self) -> tuple[datetime | None, datetime | None]:
        """When the clock will change anything, and when more than a reminder, found by turning that of a copy."""
        future = copy(self)
        future.levels = [copy(level) for level in self.levels]
        first: datetime | None = None
        while future.status == "pending":
            kinds = {kind for kind, _, _ in future.turn_to(future.now + TICK)}
            first = first or (future.now if kinds else None)
            if kinds - {"reminded"}:
                return first, future.now
        return None, None

    def _one_thing(self, noticed: datetime) -> Happened | None:
        """The first thing that is due at this tick; what ends the request comes first."""
        if self.now >= self.start + self.plan.deadline:
            self.status = "expired"
            return "expired", None, None
        for level in self.open:
            if self._for(level) >= self._planned(level).escalate_after + self._planned(level).expire_after:
                self.status = "expired"
                return "expired", level.name, None
        for level in self.open:
            to = self._next_higher(level)
            if to and not level.escalated_to and self._for(level) >= self._planned(level).escalate_after:
                return self._escalate(level, to, noticed)
        for level in self.open:
            due = [after for after in self._planned(level).reminders if self._for(level) >= after]
            if not level.escalated_to and level.reminders_sent < len(due):
                level.reminders_sent += 1
                return "reminded", level.name, level.reminders_sent
        return None

    def _escalate(self, level: Standing, to: str, noticed: datetime) -> Happened:
        level.escalated_to = to
        later = self.levels[self.levels.index(level) + 1 :]
        merged = to in [other.name for other in later]
        if merged:
            level.state = "merged"
            self._open_next(noticed)
        return "escalated", level.name, (to, merged)

    def _next_higher(self, level: Standing) -> str | None:
        above = {planned.role: planned.escalates_to for planned in self.plan.levels}
        to = above[level.role] if level.role in above else above[level.name]
        return to if to != level.role else None

    def _open_next(self, now: datetime) -> None:
        waiting = [level for level in self.levels if level.state == "waiting"]
        if not waiting and not [level for level in self.levels if level.state == "open"]:
            self.status = "approved"
        if self.plan.mode is Mode.SEQUENTIAL:
            waiting = [] if self.open else waiting[:1]
        for level in waiting:
            level.state, level.since = "open", now

    def _yes(self, level: Standing) -> int:
        return len([vote for vote in self.votes if vote.level == level.name and vote.vote == "approve"])

    def _quorum(self, level: Standing) -> int:
        return self._planned(level).quorum

    def _planned(self, level: Standing) -> PlannedLevel:
        return next(planned for planned in self.plan.levels if planned.role == level.name)

    def _for(self, level: Standing) -> timedelta:
        assert level.since is not None
        return self.now - level.since
