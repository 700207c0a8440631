"""
What can happen to a request for approval, in the words of the tests.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import (
    Authority,
    Mode,
    Plan,
    PlannedLevel,
    Vote,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MANAGER = PlannedLevel(role="manager", escalates_to="director")
DIRECTOR = PlannedLevel(role="director", escalates_to="vp")
VP = PlannedLevel(role="vp", escalates_to="ceo")
CEO = PlannedLevel(role="ceo")
TWO_MANAGERS = replace(MANAGER, quorum=2)

Act = Callable[[ApprovalRequest], object]


def plan(*levels: PlannedLevel, mode: Mode = Mode.SEQUENTIAL) -> Plan:
    return Plan(policy="1", levels=levels or (MANAGER,), mode=mode)


ONE = plan()
BOTH = plan(MANAGER, DIRECTOR)
AT_ONCE = plan(MANAGER, DIRECTOR, mode=Mode.PARALLEL)


def asked(of: Plan, *acts: Act, requesters: tuple[str, ...] = ("key:shop",)) -> ApprovalRequest:
    """A request to which all of this has happened."""
    request = ApprovalRequest(of, requesters=requesters, started_at=START)
    for act in acts:
        act(request)
    return request


def says(
    person: str,
    *roles: str,
    vote: Vote = Vote.APPROVE,
    behalf: str | None = None,
    level: str | None = None,
    day: float = 0,
) -> Act:
    authority = Authority(roles=frozenset(roles), on_behalf_of=behalf)
    return lambda request: request.decide(person, authority, vote, level, at(day))


def rejects(person: str, *roles: str) -> Act:
    return says(person, *roles, vote=Vote.REJECT)


def abstains(person: str, *roles: str) -> Act:
    return says(person, *roles, vote=Vote.ABSTAIN)


def withdraws(person: str) -> Act:
    return lambda request: request.withdraw(person)


def reassigns(level: str, role: str, day: float = 0, *, by: str = "key:op") -> Act:
    return lambda request: request.reassign(level, role, at(day), by)


def until(day: float) -> Act:
    """Time passes; what becomes due is done when it is due."""

    def pass_time(request: ApprovalRequest) -> None:
        while request.next_at is not None and request.next_at <= at(day):
            request.pass_time(request.next_at)

    return pass_time


def is_void(request: ApprovalRequest) -> None:
    request.make_void()


def at(day: float) -> datetime:
    return START + timedelta(days=day)
