"""
Whatever people do, in whatever order, and whatever time does to it: I8 holds, and the request ends by its deadline.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import assume, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import TypeAdapter

from fulfillment.domain.approval_requests import ApprovalRequest, Escalated, Expired, Happening, Level, Reminded
from fulfillment.domain.approvals import ApprovalStatus, Authority, Ballot, LevelStatus, Mode, Plan, PlannedLevel, Vote
from fulfillment.domain.errors import DomainError
from tests.domain.approval_model import TICK, Happened, Model

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LADDER = ("manager", "director", "vp", "ceo")
DAY = timedelta(days=1)
PEOPLE = {
    "key:ann": {"manager"},
    "key:ben": {"manager"},
    "key:cleo": {"manager", "director"},
    "https://id.example#dora": {"director"},
    "key:emil": {"director", "vp"},
    "key:fay": {"vp"},
    "key:gus": {"vp", "ceo"},
    "key:hal": {"ceo", "auditor"},
    "key:ina": set(LADDER),
}
# How a shop may name a person -> who that is.
NAMES = {"key:ann": "key:ann", " Ben ": "key:ben", "CLEO": "key:cleo", "dora": "https://id.example#dora", "x": ""}
STORED_LEVELS = TypeAdapter(tuple[Level, ...])
STORED_BALLOTS = TypeAdapter(tuple[Ballot, ...])

people = st.sampled_from(sorted(PEOPLE))
delegations = st.sets(st.tuples(people, people), max_size=12)
wanted_levels = st.sampled_from([None, None, None, *LADDER, "nobody"])


@st.composite
def planned_levels(draw: st.DrawFn, role: str) -> PlannedLevel:
    """A level, mostly as the policy has it."""
    above = LADDER[LADDER.index(role) + 1 :]
    return PlannedLevel(
        role=role,
        quorum=draw(st.sampled_from([1, 1, 2, 3])),
        reminders=draw(st.sampled_from([(), (3 * DAY, 6 * DAY), (DAY, 8 * DAY)])),
        escalate_after=draw(st.sampled_from([7 * DAY, 7 * DAY, 2 * DAY])),
        expire_after=draw(st.sampled_from([3 * DAY, DAY])),
        # The last two are mistakes of whoever wrote the policy: upwards only, whatever it says.
        escalates_to=draw(st.sampled_from([*above[:1] * 6, None, *LADDER[:1], role])),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """One to four levels, from low to high."""
    roles = draw(st.lists(st.sampled_from(LADDER), min_size=1, max_size=4, unique=True))
    levels = tuple(draw(planned_levels(role)) for role in sorted(roles, key=LADDER.index))
    deadline = draw(st.sampled_from([14 * DAY, 14 * DAY, 5 * DAY]))
    return Plan(policy="1", levels=levels, mode=draw(st.sampled_from(Mode)), deadline=deadline)


class AnySequence(RuleBasedStateMachine):
    """The rules and their naive model are told the same, and must say the same."""

    @initialize(plan=plans(), requesters=st.lists(st.sampled_from(sorted(NAMES)), max_size=2), lent=delegations)
    def begin(self, plan: Plan, requesters: list[str], lent: set[tuple[str, str]]) -> None:
        note(f"{plan}")
        self.plan, self.requesters = plan, tuple(requesters)
        self.request = ApprovalRequest(plan, requesters=self.requesters, started_at=START)
        self.model = Model(plan, {NAMES[name] for name in requesters}, START)
        self.delegations = {(one, other): PEOPLE[one] for one, other in lent if one != other}

    @rule(person=people, vote=st.sampled_from([Vote.APPROVE] * 6 + [Vote.ABSTAIN, Vote.REJECT]), level=wanted_levels)
    def vote_in_own_right(self, person: str, vote: Vote, level: str | None) -> None:
        self._vote(person, None, PEOPLE[person], vote, level)

    @rule(data=st.data(), vote=st.sampled_from([Vote.APPROVE] * 5 + [Vote.ABSTAIN]), level=wanted_levels)
    def vote_for_somebody(self, data: st.DataObject, vote: Vote, level: str | None) -> None:
        assume(self.delegations)
        delegator, delegate = data.draw(st.sampled_from(sorted(self.delegations)))
        self._vote(delegate, delegator, self.delegations[delegator, delegate], vote, level)

    @rule(delegator=people, delegate=people)
    def delegate(self, delegator: str, delegate: str) -> None:
        assume(delegator != delegate)
        self.delegations[delegator, delegate] = PEOPLE[delegator]

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        assume(self.delegations)
        del self.delegations[data.draw(st.sampled_from(sorted(self.delegations)))]

    @rule(person=people)
    def withdraw(self, person: str) -> None:
        if self._agreed(self.model.refuses_withdrawal(person), lambda: self.request.withdraw(person)):
            self.model.withdraw(person)

    @rule(level=st.sampled_from([*LADDER, "nobody"]), role=st.sampled_from([*LADDER, "auditor"]), operator=people)
    def reassign(self, level: str, role: str, operator: str) -> None:
        codes = self.model.refuses_reassignment(level)
        if self._agreed(codes, lambda: self.request.reassign(level, role, self.model.now, operator)):
            self.model.reassign(level, role, operator)

    @rule(ticks=st.integers(1, 6))
    def time_passes(self, ticks: int) -> None:
        """As a workflow lets it: it wakes up when something is due."""
        until, happened = self.model.now + ticks * TICK, list[Happening]()
        while self.request.next_at is not None and self.request.next_at <= until:
            happened += self.request.pass_time(self.request.next_at)
        assert self.request.pass_time(until) == ()
        assert [_said(one) for one in happened] == self.model.turn_to(until)

    @rule(ticks=st.integers(2, 20))
    def nobody_is_awake_for_a_while(self, ticks: int) -> None:
        """All workers are away: what became due meanwhile is noticed at once."""
        until = self.model.now + ticks * TICK
        happened = [_said(one) for one in self.request.pass_time(until)]
        assert self.request.pass_time(until) == ()
        assert happened == self.model.turn_to(until, asleep=True)

    @rule()
    def another_workflow_takes_over(self) -> None:
        """What the database keeps is all it takes to go on as if nothing had happened."""
        before = _all_of(self.request)
        self.request = ApprovalRequest(
            self.plan,
            requesters=self.requesters,
            started_at=START,
            status=self.request.status,
            levels=STORED_LEVELS.validate_json(STORED_LEVELS.dump_json(self.request.levels)),
            ballots=STORED_BALLOTS.validate_json(STORED_BALLOTS.dump_json(self.request.ballots)),
        )
        assert _all_of(self.request) == before

    @rule(really=st.sampled_from([False] * 9 + [True]))
    def cancel_the_order(self, really: bool) -> None:
        assume(really)
        self.request.make_void()
        self.model.status = "void"

    @invariant()
    def both_say_the_same(self) -> None:
        model, request = self.model, self.request
        assert request.status == model.status
        assert [(level.name, level.role, level.status) for level in request.levels] == [
            (level.name, level.role, level.state) for level in model.levels
        ]
        assert [(one.level, one.votes) for one in request.missing] == model.missing()
        assert set(request.waiting_for) == {role for level in model.open for role in model.deciders(level)}
        assert len(set(request.waiting_for)) == len(request.waiting_for)
        assert (request.next_at, request.due_at) == model.next_changes()

    @invariant()
    def decisions_are_made_once_by_somebody_allowed(self) -> None:
        """I8, from the votes alone."""
        voters = Counter(person for ballot in self.request.ballots for person in ballot.persons)
        assert all(times == 1 for times in voters.values())
        assert not voters.keys() & self.model.own_order
        assert [(one.level, one.vote, one.actor, one.on_behalf_of) for one in self.request.ballots] == [
            (one.level, one.vote, one.actor, one.on_behalf_of) for one in self.model.votes
        ]
        if self.request.status is ApprovalStatus.APPROVED:
            for level in self.request.levels:
                _check_quorum(self.plan, self.request, level)

    @invariant()
    def it_ends_by_its_deadline(self) -> None:
        assert self.request.is_open is (self.request.due_at is not None) is (self.request.next_at is not None)
        assert not (self.request.is_open and self.model.now >= START + self.plan.deadline)

    def teardown(self) -> None:
        if hasattr(self, "request") and self.request.is_open:
            self.request.pass_time(START + self.plan.deadline)
            assert not self.request.is_open

    def _vote(self, actor: str, behalf: str | None, roles: set[str], vote: Vote, level: str | None) -> None:
        codes = self.model.refuses_decision({actor, behalf or actor}, roles, level)
        authority = Authority(roles=frozenset(roles), on_behalf_of=behalf)
        if self._agreed(codes, lambda: self.request.decide(actor, authority, vote, level, self.model.now)):
            self.model.decide(actor, behalf, roles, vote, level)

    def _agreed(self, codes: set[str], act: Callable[[], object]) -> bool:
        """Whether it was done; a refusal has the code the model expects and changes nothing."""
        before = _all_of(self.request)
        code = _refusal(act)
        assert code in codes or not (code or codes), f"refused with {code}, expected {codes or 'no refusal'}"
        assert code is None or _all_of(self.request) == before
        return code is None


def _refusal(act: Callable[[], object]) -> str | None:
    try:
        act()
    except DomainError as refusal:
        return refusal.code
    return None


def _check_quorum(plan: Plan, request: ApprovalRequest, level: Level) -> None:
    """Enough people said yes to a level, or to the one it was merged into."""
    levels = {one.name: one for one in request.levels}
    while level.status is LevelStatus.MERGED:
        assert level.escalated_to is not None
        level = levels[level.escalated_to]
    assert level.status is LevelStatus.APPROVED
    quorum = next(planned.quorum for planned in plan.levels if planned.role == level.name)
    yes = [ballot for ballot in request.ballots if ballot.level == level.name and ballot.vote is Vote.APPROVE]
    assert len({ballot.actor for ballot in yes}) >= quorum


def _all_of(request: ApprovalRequest) -> tuple[Any, ...]:
    return (
        request.status,
        request.levels,
        request.ballots,
        request.missing,
        request.waiting_for,
        request.next_at,
        request.due_at,
    )


def _said(happening: Happening) -> Happened:
    match happening:
        case Reminded():
            return "reminded", happening.level, happening.n
        case Escalated():
            return "escalated", happening.level, (happening.to, happening.merged)
        case Expired():
            return "expired", happening.level, None


TestAnySequence = AnySequence.TestCase
# The same sequences each time: a test that fails now and then says less than one that does not.
TestAnySequence.settings = settings(max_examples=200, stateful_step_count=30, derandomize=True, deadline=None)
