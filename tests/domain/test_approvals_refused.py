"""
What a request for approval refuses, and who is whom: one row per rule, its id says which.
"""

import pytest

from fulfillment.domain.approvals import (
    Plan,
    is_same_person,
)
from fulfillment.domain.errors import (
    AlreadyVoted,
    ApprovalClosed,
    DomainError,
    LevelNeeded,
    NotAnApprover,
    NothingToWithdraw,
    OneLevelPerPerson,
    OwnOrder,
)
from tests.domain.approval_acts import (
    AT_ONCE,
    BOTH,
    DIRECTOR,
    ONE,
    TWO_MANAGERS,
    Act,
    abstains,
    asked,
    is_void,
    plan,
    reassigns,
    rejects,
    says,
    until,
    withdraws,
)

REFUSALS: dict[str, tuple[Plan, list[Act], Act, type[DomainError]]] = {
    "who has none of the roles": (ONE, [], says("hal", "auditor"), NotAnApprover),
    "whose level's turn has not come": (BOTH, [], says("dora", "director"), NotAnApprover),
    "whose level's turn has not come, by its name": (
        BOTH,
        [],
        says("dora", "director", level="director"),
        NotAnApprover,
    ),
    "the next higher role before the escalation": (
        ONE,
        [until(6.99)],
        says("dora", "director", day=6.99),
        NotAnApprover,
    ),
    "the former role after a reassignment": (ONE, [reassigns("manager", "vp")], says("ann", "manager"), NotAnApprover),
    "who gave a level to a role of their own": (
        ONE,
        [reassigns("manager", "clerk", by="carl")],
        says("carl", "clerk"),
        OwnOrder,
    ),
    "who gave a level to a role, as a delegate": (
        ONE,
        [reassigns("manager", "clerk", by="carl")],
        says("carl", "clerk", behalf="ann"),
        OwnOrder,
    ),
    "who gave a level to a role, through a delegate": (
        ONE,
        [reassigns("manager", "clerk", by="carl")],
        says("ann", "clerk", behalf="carl"),
        OwnOrder,
    ),
    "who gave a level to a role that was given on by somebody else": (
        ONE,
        [reassigns("manager", "clerk", by="carl"), reassigns("manager", "auditor", by="dora")],
        says("carl", "auditor"),
        OwnOrder,
    ),
    "who voted there": (plan(TWO_MANAGERS), [says("ann", "manager")], says("ann", "manager"), AlreadyVoted),
    "who abstained there": (ONE, [abstains("ann", "manager")], says("ann", "manager"), AlreadyVoted),
    "who voted at another level": (BOTH, [says("ann", "manager")], says("ann", "director"), OneLevelPerPerson),
    "who voted at a level that was merged": (
        plan(TWO_MANAGERS, DIRECTOR),
        [says("ann", "manager"), until(7)],
        says("ann", "director", day=8),
        OneLevelPerPerson,
    ),
    "who voted for somebody else, for themselves": (
        plan(TWO_MANAGERS),
        [says("ben", "manager", behalf="ann")],
        says("ben", "manager"),
        AlreadyVoted,
    ),
    "whose vote was given by a delegate": (
        plan(TWO_MANAGERS),
        [says("ben", "manager", behalf="ann")],
        says("ann", "manager"),
        AlreadyVoted,
    ),
    "a second delegate of the same person": (
        plan(TWO_MANAGERS),
        [says("ben", "manager", behalf="ann")],
        says("cleo", "manager", behalf="ann"),
        AlreadyVoted,
    ),
    "a delegate of who has voted": (
        plan(TWO_MANAGERS),
        [says("ann", "manager")],
        says("ben", "manager", behalf="ann"),
        AlreadyVoted,
    ),
    "a delegate of who voted at another level": (
        BOTH,
        [says("ann", "manager")],
        says("dora", "director", behalf="ann"),
        OneLevelPerPerson,
    ),
    "who asked for the order": (ONE, [], says("key:shop", "manager"), OwnOrder),
    "who asked, through a delegate": (ONE, [], says("ann", "manager", behalf="key:shop"), OwnOrder),
    "who asked, as a delegate": (ONE, [], says("key:shop", "manager", behalf="ann"), OwnOrder),
    "two roles at once, without a level": (AT_ONCE, [], says("cleo", "manager", "director"), LevelNeeded),
    "a level the plan does not have": (ONE, [], says("ann", "manager", level="director"), LevelNeeded),
    "a level that has said yes": (
        BOTH,
        [says("ann", "manager")],
        says("ben", "manager", level="manager"),
        ApprovalClosed,
    ),
    "a level that was merged": (BOTH, [until(7)], says("ben", "manager", level="manager", day=8), ApprovalClosed),
    "a vote after the last yes": (ONE, [says("ann", "manager")], says("ben", "manager"), ApprovalClosed),
    "a vote after a no": (ONE, [rejects("ann", "manager")], says("ben", "manager"), ApprovalClosed),
    "a vote after it has expired": (ONE, [until(10)], says("ann", "manager", day=10), ApprovalClosed),
    "a vote after the order was cancelled": (ONE, [is_void], says("ann", "manager"), ApprovalClosed),
    "a vote after the deadline, although nobody has noticed that it passed": (
        ONE,
        [],
        says("ann", "manager", day=14),
        ApprovalClosed,
    ),
    "a withdrawal without a vote": (ONE, [], withdraws("ann"), NothingToWithdraw),
    "a withdrawal of somebody else's vote": (
        plan(TWO_MANAGERS),
        [says("ann", "manager")],
        withdraws("ben"),
        NothingToWithdraw,
    ),
    "a withdrawal by the delegator": (
        plan(TWO_MANAGERS),
        [says("ben", "manager", behalf="ann")],
        withdraws("ann"),
        NothingToWithdraw,
    ),
    "a withdrawal when the level has its quorum": (BOTH, [says("ann", "manager")], withdraws("ann"), NothingToWithdraw),
    "a withdrawal when it is over": (ONE, [says("ann", "manager")], withdraws("ann"), ApprovalClosed),
    "a reassignment of a level nobody planned": (ONE, [], reassigns("director", "vp"), LevelNeeded),
    "a reassignment of a level whose turn has not come": (BOTH, [], reassigns("director", "vp"), ApprovalClosed),
    "a reassignment of a level that is decided": (
        BOTH,
        [says("ann", "manager")],
        reassigns("manager", "vp"),
        ApprovalClosed,
    ),
    "a reassignment when it is over": (ONE, [until(10)], reassigns("manager", "vp"), ApprovalClosed),
}


@pytest.mark.parametrize(("of", "acts", "refused", "error"), REFUSALS.values(), ids=REFUSALS)
def test_who_may_not_is_refused_and_changes_nothing(
    of: Plan, acts: list[Act], refused: Act, error: type[DomainError]
) -> None:
    request = asked(of, *acts)
    before = (request.status, request.levels, request.ballots)

    with pytest.raises(error):
        refused(request)

    assert (request.status, request.levels, request.ballots) == before


PERSONS = {
    "a key by its whole name": ("key:ann", "key:ann", True),
    "a key by the name alone": ("key:ann", "ann", True),
    "whatever its case, with spaces around": ("key:ann", " Ann ", True),
    "a subject without its issuer": ("https://id.example#dora", "dora", True),
    "a subject with its issuer": ("https://id.example#dora", "https://id.example#dora", True),
    "a subject of another issuer": ("https://id.example#dora", "https://other.example#dora", False),
    "a part of the name is somebody else": ("key:ann", "an", False),
    "a longer name is somebody else": ("key:ann", "anna", False),
    "nobody": ("key:ann", "", False),
}


@pytest.mark.parametrize(("actor", "named", "same"), PERSONS.values(), ids=PERSONS)
def test_somebody_is_whom_an_order_names_in_doubt(actor: str, named: str, same: bool) -> None:
    assert is_same_person(actor, named) is same
