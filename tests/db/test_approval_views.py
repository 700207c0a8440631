"""
Requests for approval as people find them: what waits for whom, and what was said.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.contracts.approvals import Decided, Withdraw
from fulfillment.db import approval_views as views
from fulfillment.db.approval_records import ApprovalSummary
from fulfillment.db.approval_views import ApprovalFilter, ApprovalView, Mine
from fulfillment.db.engine import Database
from fulfillment.db.views import order
from fulfillment.domain.approvals import ApprovalStatus, Authority, LevelStatus, Missing, Mode, Vote
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from tests.db.approval_stage import ASKED_AT, BEGUN_AT, ONE_LEVEL, TWO_LEVELS, Asked, Stage, a_decision

MANAGER = Authority(roles=frozenset({"manager"}))


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database, SqlApprovalActivities(database))


async def found(stage: Stage, after: Any = None, limit: int = 100, **wanted: Any) -> list[UUID]:
    async with stage.database.statement() as connection:
        rows = await views.approvals(connection, ApprovalFilter(**wanted), after=after, limit=limit)
    return [row.id for row in rows]


async def read(stage: Stage, asked: Asked) -> ApprovalView:
    async with stage.database.statement() as connection:
        view = await views.approval(connection, asked.id)
    assert view is not None
    return view


async def test_a_request_shows_what_is_asked_and_what_was_said(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision(on_behalf_of="key:max"))
    view = await read(stage, asked)

    assert (view.order_id, view.n, view.status, view.version) == (asked.order_id, 1, ApprovalStatus.PENDING, 2)
    assert (view.total, view.customer_id, view.requested_by) == (Money(3000, "EUR"), "customer-1", None)
    assert (view.policy, view.mode, view.score, view.points) == ("v1", Mode.SEQUENTIAL, 10, {"first_order": 10})
    assert [(level.name, level.status, level.votes, level.missing) for level in view.levels] == [
        ("manager", LevelStatus.APPROVED, 1, 0),
        ("director", LevelStatus.OPEN, 0, 1),
    ]
    assert (view.waiting_for, view.request.waiting_for, view.owner) == (("director",), ("director",), "child-1")
    assert (view.requested_at, view.due_at) == (ASKED_AT, asked.request.due_at)
    assert view.expires_at == BEGUN_AT + timedelta(days=14)
    (vote,) = view.votes
    assert (vote.level, vote.vote, vote.actor, vote.on_behalf_of) == ("manager", Vote.APPROVE, "key:mia", "key:max")
    assert (vote.comment, vote.state) == ("fine by me", "counted")


async def test_its_timeline_has_the_facts_of_this_request_alone(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision())
    async with stage.database.statement() as connection:
        facts = await views.events(connection, await read(stage, asked))

    assert [(fact.sequence, fact.kind) for fact in facts] == [(2, "approval_decided"), (3, "approval_requested")]


async def test_a_vote_is_found_by_its_key_with_what_it_was_answered(stage: Stage) -> None:
    asked, taken, refused = await stage.waiting(), a_decision(), a_decision()
    await asked.tell(taken)
    await asked.refuse(refused)

    async with stage.database.statement() as connection:
        assert await views.voted(connection, asked.id, taken.key) == Decided(
            status=ApprovalStatus.PENDING,
            missing=(Missing(level="director", votes=1),),
            fingerprint="f1",
            fingerprint_key="fingerprints",
        )
        assert await views.voted(connection, asked.id, refused.key) is None
        assert await views.voted(connection, asked.id, "another") is None


async def test_the_list_begins_with_the_oldest_and_goes_on_after_a_position(stage: Stage) -> None:
    ids = []
    for hour in (2, 0, 1):
        order_id = await stage.order()
        ids.append(await stage.asked(order_id, requested_at=ASKED_AT + timedelta(hours=hour)))

    assert await found(stage) == [ids[1], ids[2], ids[0]]
    assert await found(stage, limit=1) == [ids[1]]
    assert await found(stage, after=(ASKED_AT, ids[1])) == [ids[2], ids[0]]


async def test_the_list_is_narrowed_down(stage: Stage) -> None:
    open_one, further, closed = await stage.waiting(), await stage.waiting(), await stage.waiting(ONE_LEVEL)
    await further.tell(a_decision())
    await closed.tell(a_decision())

    assert await found(stage, role="manager") == [open_one.id]
    assert await found(stage, role="manager", status=ApprovalStatus.PENDING) == [open_one.id]
    assert await found(stage, role="manager", status=ApprovalStatus.APPROVED) == []
    assert await found(stage, role="director") == [further.id]
    assert await found(stage, status=ApprovalStatus.APPROVED) == [closed.id]
    assert await found(stage, order_id=further.order_id) == [further.id]
    due = open_one.request.due_at
    assert due is not None
    assert open_one.id in await found(stage, due_before=due + timedelta(seconds=1))
    assert await found(stage, due_before=due) == []


async def test_an_inbox_has_what_somebody_can_decide_and_nothing_else(stage: Stage) -> None:
    asked = await stage.waiting()

    async def inbox(actor: str, *rights: Authority) -> list[UUID]:
        return await found(stage, mine=Mine(actor=actor, rights=rights))

    lent = Authority(roles=frozenset({"manager"}), on_behalf_of="key:max")
    assert await inbox("key:mia", MANAGER) == [asked.id]
    assert await inbox("key:mia", lent) == [asked.id]
    assert await inbox("key:mia") == []
    assert await inbox("key:mia", Authority(roles=frozenset({"director"}))) == []
    assert await inbox("key:shop", MANAGER) == [], "their own order"
    assert await inbox("https://login#SHOP", MANAGER) == [asked.id]
    own = Authority(roles=frozenset({"manager"}), on_behalf_of="key:shop")
    assert await inbox("key:mia", own) == [], "on behalf of whose order it is"
    assert await inbox("key:mia", own, MANAGER) == [asked.id]


async def test_requesters_are_recognised_by_their_bare_name(stage: Stage) -> None:
    order_id = await stage.order()
    asked = await stage.asked(order_id, requesters=[" Ada "])

    assert await found(stage, mine=Mine(actor="key:ada", rights=(MANAGER,))) == []
    assert await found(stage, mine=Mine(actor="https://login#ada", rights=(MANAGER,))) == []
    assert await found(stage, mine=Mine(actor="key:adam", rights=(MANAGER,))) == [asked]


async def test_requesters_are_recognised_by_every_name_they_are_known_by(stage: Stage) -> None:
    order_id = await stage.order()
    asked = await stage.asked(order_id, requesters=["a#b", "https://login#ada"])

    assert await found(stage, mine=Mine(actor="jwt:https://login#a#b", rights=(MANAGER,))) == []
    assert await found(stage, mine=Mine(actor="jwt:https://login#ada", rights=(MANAGER,))) == []
    assert await found(stage, mine=Mine(actor="jwt:https://login#b", rights=(MANAGER,))) == [asked]


async def test_who_has_voted_has_nothing_left_to_decide_until_they_take_it_back(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision(vote=Vote.ABSTAIN, on_behalf_of="key:max"))
    for person in ("key:mia", "key:max"):
        assert await found(stage, mine=Mine(actor=person, rights=(MANAGER,))) == []
    await asked.tell(Withdraw(actor="key:mia"))

    assert await found(stage, mine=Mine(actor="key:mia", rights=(MANAGER,))) == [asked.id]


async def test_an_order_shows_its_newest_request(stage: Stage) -> None:
    order_id = await stage.order()
    assert await summary(stage, order_id) is None
    await stage.make_void(await stage.asked(order_id))
    newer = await stage.asked(order_id, TWO_LEVELS, n=2)
    row = await stage.row(newer)

    assert await summary(stage, order_id) == ApprovalSummary(
        id=newer, status=ApprovalStatus.PENDING, waiting_for=("manager",), since=ASKED_AT, due_at=row.due_at
    )
    async with stage.database.statement() as connection:
        view = await views.newest(connection, order_id)
    assert view is not None
    assert view.id == newer


async def summary(stage: Stage, order_id: OrderId) -> ApprovalSummary | None:
    async with stage.database.statement() as connection:
        view = await order(connection, order_id)
    assert view is not None
    assert view.status is OrderStatus.AWAITING_APPROVAL
    return view.approval
