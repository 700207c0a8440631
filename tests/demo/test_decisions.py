"""
Who says what about an order that waits for people; without a service.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.approvals import ApprovalDesk, SeenApproval
from fulfillment.local.demo.approvers import PEOPLE, Approvers
from fulfillment.local.demo.decisions import Approver, Decision
from fulfillment.local.demo.errors import DemoError
from fulfillment.local.demo.service import Refused, Service
from tests.demo.boards import asking, board_of, place_all
from tests.demo.files import a_line

QUORUM: Mapping[str, int] = {"compliance": 2}


class PaperDesk(ApprovalDesk):
    """Levels one after the other, `QUORUM` votes each; gives up when nobody has said anything for some looks."""

    def __init__(self, order_id: OrderId, *levels: str) -> None:
        super().__init__(Service(httpx2.AsyncClient(), "", {}))
        self.told: list[str] = []
        self.open = list(levels)
        self._order_id = order_id
        self._yes = 0
        self._looks = 0

    async def inbox(self, person: str) -> list[SeenApproval]:
        self._looks += 1
        if self._looks > 20:
            raise DemoError
        is_theirs = bool(self.open) and self.open[0] in (PEOPLE[person], _lent(person))
        return [an_approval(self._order_id)] if is_theirs else []

    async def say(self, person: str, approval: SeenApproval, decision: Decision, key: str) -> bool:
        self.told.append(f"{person} {decision}")
        self._looks = 0
        self._yes += {Decision.APPROVE: 1, Decision.WITHDRAW: -1}.get(decision, 0)
        if decision is Decision.REJECT:
            self.open.clear()
        elif self._yes == QUORUM.get(self.open[0], 1):
            self.open.pop(0)
            self._yes = 0
        return not self.open

    async def lend(self) -> None:
        self.told.append("lent")


def _lent(person: str) -> Approver | None:
    return Approver.MANAGER if person == "approver_deputy" else None


def an_approval(order_id: OrderId) -> SeenApproval:
    return SeenApproval(
        id=str(uuid4()), order_id=order_id, status=ApprovalStatus.PENDING, asked=("manager",), escalated=()
    )


async def said(folder: Path, scenario: dict[str, Any] | None, *levels: str) -> list[str]:
    """What people say about an order that waits for these levels, until they have nothing more to say."""
    board = board_of(folder, a_line(scenario=scenario))
    (order_id,) = place_all(board)
    board.saw(asking(order_id, *Approver))
    desk = PaperDesk(order_id, *levels)
    with pytest.raises(DemoError):
        await Approvers(desk, board, look_every=0).run()
    return desk.told


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (("manager",), ["approver_manager approve"]),
        (("manager", "director"), ["approver_manager approve", "approver_director approve"]),
        (("compliance",), ["approver_compliance approve", "approver_compliance_2 approve"]),
        (("night_desk",), []),
    ],
)
async def test_whoever_is_asked_says_yes_once(tmp_path: Path, levels: tuple[str, ...], told: list[str]) -> None:
    assert await said(tmp_path, None, *levels) == told


async def test_a_plan_is_followed_in_its_order_and_nobody_else_says_anything(tmp_path: Path) -> None:
    plan = [["manager", "approve"], ["director", "reject"]]

    assert await said(tmp_path, {"decisions": plan}, "manager", "director", "vp") == [
        "approver_manager approve",
        "approver_director reject",
    ]
    assert await said(tmp_path, {"decisions": [["director", "approve"]]}, "manager") == []
    assert await said(tmp_path, {"decisions": []}, "manager") == []
    assert await said(tmp_path, {"cancel_at": "awaiting_approval"}, "manager") == []


async def test_two_votes_of_a_role_are_those_of_two_people(tmp_path: Path) -> None:
    twice = {"decisions": [["compliance", "approve"], ["compliance", "approve"]]}

    told = await said(tmp_path, twice, "compliance")

    assert told == ["approver_compliance approve", "approver_compliance_2 approve"]


async def test_a_vote_is_taken_back_by_whoever_gave_it_and_may_be_given_again(tmp_path: Path) -> None:
    plan = [["compliance", "approve"], ["compliance", "withdraw"], ["compliance", "reject"]]

    told = await said(tmp_path, {"decisions": plan}, "compliance")

    assert [word.split()[1] for word in told] == ["approve", "withdraw", "reject"]
    assert told[0].split()[0] == told[1].split()[0]


async def test_a_deputy_decides_after_the_role_was_lent_to_them(tmp_path: Path) -> None:
    told = await said(tmp_path, {"decisions": [["deputy", "approve"]]}, "manager")

    assert told == ["lent", "approver_deputy approve"]


async def test_what_the_service_does_not_take_is_told_and_ends_the_plan(tmp_path: Path) -> None:
    class ClosedDesk(PaperDesk):
        async def say(self, person: str, approval: SeenApproval, decision: Decision, key: str) -> bool:
            raise Refused("approval_closed", "it is expired")

    plan = {"decisions": [["manager", "approve"]], "expect": {"status": "rejected", "code": "approval_expired"}}
    board = board_of(tmp_path, a_line(scenario=plan))
    (order_id,) = place_all(board)
    board.saw(asking(order_id, "manager"))

    with pytest.raises(DemoError):
        await Approvers(ClosedDesk(order_id, "manager"), board, look_every=0).run()

    assert board.all[0].script.remarks == ["decisions: manager approve was refused, approval_closed: it is expired"]


async def test_nobody_looks_while_no_order_waits_for_them(tmp_path: Path) -> None:
    looked: list[str] = []

    class Watched(PaperDesk):
        async def inbox(self, person: str) -> list[SeenApproval]:
            looked.append(person)
            return await super().inbox(person)

    board = board_of(tmp_path, a_line())
    (order_id,) = place_all(board)
    board.saw(asking(order_id, "director", "vp"))

    with pytest.raises(DemoError):
        await Approvers(Watched(order_id), board, look_every=0).run()

    assert set(looked) == {"approver_director", "approver_vp"}


def test_an_order_whose_people_have_all_spoken_waits_for_nobody(tmp_path: Path) -> None:
    plan = {"decisions": [["compliance", "approve"]]}
    progress = board_of(tmp_path, a_line(scenario=plan)).all[0]
    waiting = asking(OrderId(uuid4()), "compliance")
    progress.saw(waiting)
    decisions = progress.script.decisions

    assert progress.waits_for == "a yes of compliance"
    decisions.speaks()
    assert not progress.is_over
    decisions.heard(Approver.COMPLIANCE, "approver_compliance", Decision.APPROVE, is_decided=False)
    assert progress.is_over
    assert progress.disappointment == "line 1, R-1: expected delivered, is awaiting_approval"


def test_a_decision_nobody_asked_for_is_told(tmp_path: Path) -> None:
    progress = board_of(tmp_path, a_line(scenario={"decisions": [["vp", "approve"]]})).all[0]
    progress.saw(asking(OrderId(uuid4()), status=OrderStatus.DELIVERED))

    assert progress.disappointment == "line 1, R-1: decisions: nobody was asked for vp approve"
