"""
In whose right somebody decides: own roles first, then the one delegator whose right counts, else who is named.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from fulfillment.api.authority import choose
from fulfillment.api.problems import Problem
from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import Authority, Mode, Plan, PlannedLevel, Vote
from fulfillment.domain.identity import Principal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOSS, CHIEF, OTHER = "key:boss", "key:chief", "jwt:https://issuer.example#other"


def a_request(*, mode: Mode = Mode.PARALLEL, requesters: tuple[str, ...] = (), quorum: int = 2) -> ApprovalRequest:
    """Waits for a manager and a director: for both at once, unless the mode is another."""
    levels = PlannedLevel(role="manager", quorum=quorum, escalates_to="director"), PlannedLevel(role="director")
    return ApprovalRequest(Plan(policy="1", levels=levels, mode=mode), requesters=requesters, started_at=NOW)


def ada(*roles: str) -> Principal:
    return Principal(id="key:ada", scopes=frozenset(), roles=frozenset(roles))


def lends(delegator: str, *roles: str) -> Authority:
    return Authority(roles=frozenset(roles), on_behalf_of=delegator)


def voted(request: ApprovalRequest, person: str, role: str) -> ApprovalRequest:
    request.decide(person, Authority(roles=frozenset({role})), Vote.APPROVE, None, NOW)
    return request


@pytest.mark.parametrize(
    ("own", "lent", "level", "chosen"),
    [
        (("manager",), [lends(BOSS, "director")], None, None),
        (("manager",), [lends(BOSS, "manager")], None, None),
        (("manager",), [lends(BOSS, "director")], "director", BOSS),
        (("clerk",), [lends(BOSS, "director")], None, BOSS),
        ((), [lends(BOSS, "director")], None, BOSS),
        ((), [lends(BOSS, "director"), lends(CHIEF, "vp")], None, BOSS),
        ((), [lends(BOSS, "director"), lends(CHIEF, "manager")], "manager", CHIEF),
        ((), [lends(BOSS, "director", "manager")], None, BOSS),
        (("manager", "director"), [lends(BOSS, "manager")], None, None),
        ((), [lends(CHIEF, "vp")], None, None),
        ((), [], None, None),
        (("manager",), [lends(BOSS, "director")], "ceo", None),
    ],
)
def test_own_roles_come_first_then_the_delegator_whose_roles_are_asked(
    own: Sequence[str], lent: Sequence[Authority], level: str | None, chosen: str | None
) -> None:
    authority = choose(a_request(), ada(*own), lent, level=level, on_behalf_of=None)

    assert authority.on_behalf_of == chosen
    assert authority in (*lent, Authority(roles=frozenset(own)))


def test_a_right_is_never_a_mixture_of_own_and_lent_roles() -> None:
    authority = choose(
        a_request(), ada("clerk"), [lends(BOSS, "manager"), lends(CHIEF, "vp")], level=None, on_behalf_of=None
    )

    assert authority == lends(BOSS, "manager")


def test_a_level_whose_turn_has_not_come_is_nobodys() -> None:
    request = a_request(mode=Mode.SEQUENTIAL)

    assert choose(request, ada(), [lends(BOSS, "director")], level=None, on_behalf_of=None).on_behalf_of is None


def test_a_delegator_who_has_voted_gives_way_to_one_who_has_not() -> None:
    request = voted(a_request(), BOSS, "manager")
    lent = [lends(BOSS, "manager"), lends(CHIEF, "manager")]

    assert choose(request, ada(), lent, level=None, on_behalf_of=None).on_behalf_of == CHIEF


def test_a_delegator_whose_vote_somebody_else_gave_has_voted() -> None:
    request = a_request()
    request.decide("key:bob", lends(BOSS, "manager"), Vote.APPROVE, None, NOW)
    lent = [lends(BOSS, "manager"), lends(CHIEF, "manager")]

    assert choose(request, ada(), lent, level=None, on_behalf_of=None).on_behalf_of == CHIEF


def test_a_delegator_who_voted_at_another_level_gives_way() -> None:
    request = voted(a_request(), BOSS, "manager")
    lent = [lends(BOSS, "director"), lends(CHIEF, "director")]

    assert choose(request, ada(), lent, level=None, on_behalf_of=None).on_behalf_of == CHIEF


@pytest.mark.parametrize("requester", ["boss", "key:boss"])
def test_a_delegator_whose_order_it_is_gives_way(requester: str) -> None:
    request = a_request(requesters=(requester,))
    lent = [lends(BOSS, "manager"), lends(CHIEF, "manager")]

    assert choose(request, ada(), lent, level=None, on_behalf_of=None).on_behalf_of == CHIEF


def test_the_only_delegator_asked_is_taken_even_in_vain_so_that_the_refusal_says_why() -> None:
    request = voted(a_request(), BOSS, "manager")

    assert choose(request, ada(), [lends(BOSS, "manager")], level=None, on_behalf_of=None).on_behalf_of == BOSS


def test_a_delegator_whose_order_it_is_does_not_stand_for_a_role_nobody_asks() -> None:
    request = a_request(requesters=(BOSS,))

    assert choose(request, ada(), [lends(BOSS, "vp")], level=None, on_behalf_of=None).on_behalf_of is None


def test_several_delegators_who_could_be_meant_are_named_and_one_must_be_given() -> None:
    lent = [lends(OTHER, "director"), lends(BOSS, "manager"), lends(CHIEF, "vp")]

    with pytest.raises(Problem) as refused:
        choose(a_request(), ada(), lent, level=None, on_behalf_of=None)

    assert refused.value.code == "invalid_request"
    assert [error.field for error in refused.value.errors] == ["on_behalf_of"]
    assert refused.value.detail.endswith(f"{OTHER}, {BOSS}")


def test_whoever_is_named_is_taken_though_own_roles_would_do() -> None:
    lent = [lends(BOSS, "director"), lends(CHIEF, "manager")]

    assert choose(a_request(), ada("manager"), lent, level=None, on_behalf_of=CHIEF) == lent[1]


@pytest.mark.parametrize("named", [OTHER, "key:ada", "boss", "KEY:BOSS", ""])
def test_whoever_lends_nothing_cannot_be_named(named: str) -> None:
    with pytest.raises(Problem) as refused:
        choose(a_request(), ada("manager"), [lends(BOSS, "manager")], level=None, on_behalf_of=named)

    assert [error.field for error in refused.value.errors] == ["on_behalf_of"]
    assert "boss" not in refused.value.detail


def test_on_a_closed_request_everybody_stands_for_themselves() -> None:
    request = a_request()
    request.pass_time(NOW + timedelta(days=30))

    assert choose(request, ada(), [lends(BOSS, "manager")], level=None, on_behalf_of=None).on_behalf_of is None
