"""
What time does to a request for approval: one row per rule, its id says which.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from fulfillment.domain.approval_requests import Escalated, Expired, Happening, Reminded
from fulfillment.domain.approvals import (
    ApprovalStatus,
    Mode,
    Plan,
)
from tests.domain.approval_acts import BOTH, CEO, DIRECTOR, MANAGER, ONE, Act, asked, at, plan, reassigns, says, until

HAPPENINGS: dict[str, tuple[Plan, list[Act], float, list[Happening]]] = {
    "nothing before the first reminder": (ONE, [], 2.99, []),
    "reminded after three days": (ONE, [], 3, [Reminded(level="manager", n=1)]),
    "reminded again after six": (ONE, [until(3)], 6, [Reminded(level="manager", n=2)]),
    "escalated after seven": (ONE, [until(6)], 7, [Escalated(level="manager", to="director", merged=False)]),
    "merged after seven": (BOTH, [until(6)], 7, [Escalated(level="manager", to="director", merged=True)]),
    "expired after ten": (ONE, [until(7)], 10, [Expired(level="manager")]),
    "the deadline names no level": (BOTH, [until(13.9)], 14, [Expired(level=None)]),
    "the highest is not escalated": (plan(CEO), [until(6)], 9.99, []),
    "a missed week is caught up in its order": (
        ONE,
        [],
        11,
        [
            Reminded(level="manager", n=1),
            Reminded(level="manager", n=2),
            Escalated(level="manager", to="director", merged=False),
            Expired(level="manager"),
        ],
    ),
    "no reminder once it is escalated": (
        plan(replace(MANAGER, reminders=(timedelta(days=8),))),
        [until(7)],
        9,
        [],
    ),
    "of an escalation and a reminder at the same moment the escalation alone": (
        plan(replace(MANAGER, reminders=(timedelta(days=7),))),
        [],
        8,
        [Escalated(level="manager", to="director", merged=False)],
    ),
    "the clock of the second level begins when it is asked": (
        BOTH,
        [says("ann", "manager", day=2)],
        5,
        [Reminded(level="director", n=1)],
    ),
    "reassigned: reminders begin anew": (
        ONE,
        [until(3), reassigns("manager", "vp", day=4)],
        7,
        [Reminded(level="manager", n=1)],
    ),
    "reassigned to the next higher role: no escalation to itself": (
        ONE,
        [reassigns("manager", "director"), until(6)],
        9,
        [],
    ),
    "nothing happens to what is over": (ONE, [says("ann", "manager")], 20, []),
}


@pytest.mark.parametrize(("of", "acts", "day", "expected"), HAPPENINGS.values(), ids=HAPPENINGS)
def test_time_does_to_a_request_what_the_rules_say_and_does_it_once(
    of: Plan, acts: list[Act], day: float, expected: list[Happening]
) -> None:
    request = asked(of, *acts)

    assert list(request.pass_time(at(day))) == expected
    assert request.pass_time(at(day)) == ()


DUE = {
    "the first reminder is next, the escalation due": (ONE, [], 3, 7),
    "after the reminders the escalation": (ONE, [until(6)], 7, 7),
    "after the escalation the end": (ONE, [until(7)], 10, 10),
    "the highest is due when it ends": (plan(CEO), [until(6)], 10, 10),
    "the deadline of all comes before the level's": (BOTH, [until(13.5)], 14, 14),
    "the earliest of several levels": (
        plan(replace(MANAGER, reminders=()), DIRECTOR, mode=Mode.PARALLEL),
        [reassigns("manager", "manager", day=1)],
        3,
        7,
    ),
    "over: never": (ONE, [says("ann", "manager")], None, None),
}


@pytest.mark.parametrize(("of", "acts", "next_day", "due_day"), DUE.values(), ids=DUE)
def test_it_says_when_time_changes_something_and_when_somebody_higher_is_asked_or_it_ends(
    of: Plan, acts: list[Act], next_day: float | None, due_day: float | None
) -> None:
    request = asked(of, *acts)

    assert request.next_at == (at(next_day) if next_day is not None else None)
    assert request.due_at == (at(due_day) if due_day is not None else None)


def test_a_level_is_merged_upwards_only_whatever_the_plan_says() -> None:
    """In a circle of merged levels nobody would be asked, and everything approved."""
    circle = plan(MANAGER, replace(DIRECTOR, escalates_to="manager"), mode=Mode.PARALLEL)

    request = asked(circle, until(7))

    assert request.status is ApprovalStatus.PENDING
    assert request.waiting_for == ("director", "manager")
