"""
What a request for approval does: one row per rule, its id says which.
"""

from dataclasses import dataclass, field

import pytest

from fulfillment.domain.approval_requests import ApprovalRequest, Level
from fulfillment.domain.approvals import (
    ApprovalStatus,
    LevelStatus,
    Missing,
    Mode,
    Plan,
)
from fulfillment.domain.errors import (
    OneLevelPerPerson,
)
from tests.domain.approval_acts import (
    AT_ONCE,
    BOTH,
    CEO,
    DIRECTOR,
    MANAGER,
    ONE,
    START,
    TWO_MANAGERS,
    VP,
    Act,
    abstains,
    asked,
    at,
    is_void,
    plan,
    reassigns,
    rejects,
    says,
    until,
    withdraws,
)


@dataclass(kw_only=True)
class Standing:
    """What is to be seen of a request."""

    status: ApprovalStatus = ApprovalStatus.PENDING
    missing: dict[str, int] = field(default_factory=dict)
    waiting_for: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


APPROVED = Standing(status=ApprovalStatus.APPROVED)
REJECTED = Standing(status=ApprovalStatus.REJECTED)
EXPIRED = Standing(status=ApprovalStatus.EXPIRED)


def waits(*roles: str, merged: tuple[str, ...] = (), **missing: int) -> Standing:
    return Standing(missing=missing, waiting_for=roles, merged=merged)


STANDINGS = {
    "nobody is asked: it is approved as it begins": (Plan(policy="1"), [], APPROVED),
    "a level waits for its role": (ONE, [], waits("manager", manager=1)),
    "one yes is enough for a quorum of one": (ONE, [says("ann", "manager")], APPROVED),
    "one yes of two leaves one missing": (
        plan(TWO_MANAGERS),
        [says("ann", "manager")],
        waits("manager", manager=1),
    ),
    "two people make a quorum of two": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), says("ben", "manager")],
        APPROVED,
    ),
    "one no ends it, whoever said yes before": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), rejects("ben", "manager")],
        REJECTED,
    ),
    "an abstention counts neither way": (ONE, [abstains("ann", "manager")], waits("manager", manager=1)),
    "others decide after an abstention": (ONE, [abstains("ann", "manager"), says("ben", "manager")], APPROVED),
    "one after the other: the second level is asked when the first has said yes": (
        BOTH,
        [says("ann", "manager")],
        waits("director", director=1),
    ),
    "all at once: every level is asked from the beginning": (
        AT_ONCE,
        [],
        waits("manager", "director", manager=1, director=1),
    ),
    "all at once: the higher level alone is not enough": (
        AT_ONCE,
        [says("dora", "director")],
        waits("manager", manager=1),
    ),
    "all at once: the last level approves it": (AT_ONCE, [says("dora", "director"), says("ann", "manager")], APPROVED),
    "a no at one level ends all of them": (AT_ONCE, [rejects("dora", "director")], REJECTED),
    "a withdrawn yes is missing again": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), withdraws("ann")],
        waits("manager", manager=2),
    ),
    "a withdrawal takes one's own vote back, not the last one": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), abstains("ben", "manager"), withdraws("ann")],
        waits("manager", manager=2),
    ),
    "who has withdrawn may vote anew": (
        ONE,
        [abstains("ann", "manager"), withdraws("ann"), says("ann", "manager")],
        APPROVED,
    ),
    "reassigned: the new role decides": (ONE, [reassigns("manager", "vp")], waits("vp", manager=1)),
    "reassigned: votes that were given still count": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), reassigns("manager", "vp"), says("fay", "vp")],
        APPROVED,
    ),
    "after seven days the next higher role may decide as well": (
        ONE,
        [until(7)],
        waits("manager", "director", manager=1),
    ),
    "a moment before that it may not": (ONE, [until(6.99)], waits("manager", manager=1)),
    "escalated: the lower role still may decide": (ONE, [until(7), says("ann", "manager", day=8)], APPROVED),
    "escalated: the higher role decides": (ONE, [until(7), says("dora", "director", day=8)], APPROVED),
    "escalated: votes of both roles make one quorum": (
        plan(TWO_MANAGERS),
        [says("ann", "manager"), until(7), says("dora", "director", day=8)],
        APPROVED,
    ),
    "escalated to a role with a later level: that one decides for both": (
        BOTH,
        [until(7)],
        waits("director", merged=("manager",), director=1),
    ),
    "merged: the one yes of the higher level approves both": (
        BOTH,
        [until(7), says("dora", "director", day=8)],
        Standing(status=ApprovalStatus.APPROVED, merged=("manager",)),
    ),
    "merged: a yes of the lower level is not the higher one's": (
        plan(TWO_MANAGERS, DIRECTOR),
        [says("ann", "manager"), until(7)],
        waits("director", merged=("manager",), director=1),
    ),
    "merged into a level that has said yes already: approved": (
        AT_ONCE,
        [says("dora", "director"), until(7)],
        Standing(status=ApprovalStatus.APPROVED, merged=("manager",)),
    ),
    "merged one into the next: the highest decides for all": (
        plan(MANAGER, DIRECTOR, VP, mode=Mode.PARALLEL),
        [until(7)],
        waits("vp", "ceo", merged=("manager", "director"), vp=1),
    ),
    "the highest role is only reminded": (plan(CEO), [until(9)], waits("ceo", ceo=1)),
    "three days after the escalation it has expired": (ONE, [until(10)], EXPIRED),
    "the highest role has as long as others": (plan(CEO), [until(10)], EXPIRED),
    "a moment before that it has not": (ONE, [until(9.99)], waits("manager", "director", manager=1)),
    "a merged level gives the next one its whole time": (
        BOTH,
        [until(13.99)],
        waits("director", merged=("manager",), director=1),
    ),
    "fourteen days cap all levels": (BOTH, [until(14)], Standing(status=ApprovalStatus.EXPIRED, merged=("manager",))),
    "reassigned: the new role has the whole time": (
        ONE,
        [reassigns("manager", "vp", day=6), until(12.99)],
        waits("vp", manager=1),
    ),
    "reassigned: the deadline of all stays": (ONE, [reassigns("manager", "vp", day=6), until(14)], EXPIRED),
    "reassigned to the next higher role: nobody else is asked": (
        ONE,
        [reassigns("manager", "director"), until(9)],
        waits("director", manager=1),
    ),
    "reassigned to a role with a level of its own: escalated to who is above it": (
        plan(MANAGER, DIRECTOR, mode=Mode.PARALLEL),
        [reassigns("manager", "director"), says("dora", "director", level="director"), until(7)],
        waits("director", "vp", manager=1),
    ),
    "reassigned to a lower role: who was planned may decide again, the level is not merged into itself": (
        AT_ONCE,
        [reassigns("director", "manager"), says("ann", "manager", level="manager"), until(7)],
        waits("manager", "director", director=1),
    ),
    "cancelled: nothing waits any more": (ONE, [is_void], Standing(status=ApprovalStatus.VOID)),
    "cancelled: it beats a decision of the same moment": (
        ONE,
        [says("ann", "manager"), is_void],
        Standing(status=ApprovalStatus.VOID),
    ),
}


@pytest.mark.parametrize(("of", "acts", "expected"), STANDINGS.values(), ids=STANDINGS)
def test_a_request_stands_where_the_rules_say(of: Plan, acts: list[Act], expected: Standing) -> None:
    request = asked(of, *acts)

    assert (
        Standing(
            status=request.status,
            missing={missing.level: missing.votes for missing in request.missing},
            waiting_for=request.waiting_for,
            merged=tuple(level.name for level in request.levels if level.status is LevelStatus.MERGED),
        )
        == expected
    )


def test_a_vote_for_one_of_two_levels_leaves_the_other_to_somebody_else() -> None:
    request = asked(AT_ONCE, says("cleo", "manager", "director", level="director"))

    assert request.missing == (Missing(level="manager", votes=1),)
    with pytest.raises(OneLevelPerPerson):
        says("cleo", "manager", "director")(request)


def test_a_request_that_is_taken_over_goes_on_as_if_it_had_never_stopped() -> None:
    before = asked(plan(TWO_MANAGERS, DIRECTOR), says("ann", "manager"), until(6))

    after = ApprovalRequest(
        plan(TWO_MANAGERS, DIRECTOR),
        requesters=("key:shop",),
        started_at=START,
        levels=before.levels,
        ballots=before.ballots,
    )
    for request in (before, after):
        says("ben", "manager", day=6)(request)
        until(12)(request)

    assert after.levels == before.levels
    assert after.levels[1] == Level(
        name="director", role="director", status=LevelStatus.OPEN, opened_at=at(6), reminded=2
    )


def test_a_request_that_is_over_stays_over_when_it_is_taken_over() -> None:
    over = asked(ONE, rejects("ann", "manager"))

    after = ApprovalRequest(
        ONE, requesters=(), started_at=START, status=over.status, levels=over.levels, ballots=over.ballots
    )

    assert (after.is_open, after.next_at, after.waiting_for) == (False, None, ())
