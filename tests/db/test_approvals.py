"""
A request for approval is written down step by step, each once, whoever else is at work.
"""

import pytest

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.db.engine import Database
from fulfillment.domain.approvals import ApprovalStatus, LevelStatus, Vote
from tests.db.approval_stage import BEGUN_AT, ONE_LEVEL, Stage, a_decision

PENDING, VOID = ApprovalStatus.PENDING, ApprovalStatus.VOID


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database, SqlApprovalActivities(database))


async def test_the_first_workflow_owns_a_request_whose_time_begins_with_it(stage: Stage) -> None:
    order_id = await stage.order()
    approval_id = await stage.asked(order_id)
    standing = await stage.open(order_id)
    row = await stage.row(approval_id)

    assert (standing.status, standing.version, standing.started_at) == (PENDING, 1, BEGUN_AT)
    assert [(level.name, level.status, level.opened_at) for level in standing.levels] == [
        ("manager", LevelStatus.OPEN, BEGUN_AT),
        ("director", LevelStatus.WAITING, None),
    ]
    assert (row.owner, row.started_at, row.waiting_for) == ("child-1", BEGUN_AT, ["manager"])
    assert await stage.open(order_id) == standing


async def test_a_vote_is_written_with_its_fact_and_what_it_opens(stage: Stage) -> None:
    asked = await stage.waiting()
    before = await stage.order_row(asked.order_id)
    decision = a_decision(on_behalf_of="key:max")

    assert await asked.tell(decision) is PENDING
    row, (vote,) = await stage.row(asked.id), await stage.votes(asked.id)
    events = await stage.events(asked.order_id)

    assert (row.status, row.version, row.waiting_for, row.closed_at) == ("pending", 2, ["director"], None)
    assert row.due_at == asked.request.due_at
    assert [level["status"] for level in row.levels] == ["approved", "open"]
    assert (vote.key, vote.level, vote.vote, vote.actor, vote.on_behalf_of) == (
        decision.key,
        "manager",
        "approve",
        "key:mia",
        "key:max",
    )
    assert (vote.state, vote.roles, vote.comment) == ("counted", ["manager"], "fine by me")
    assert (vote.fingerprint, vote.fingerprint_key) == ("f1", "fingerprints")
    assert vote.result == {"status": "pending", "missing": [{"level": "director", "votes": 1}]}
    assert [(event.kind, event.key, event.actor) for event in events[1:]] == [
        ("approval_decided", "approval:1:2:1", "key:mia"),
        ("approval_requested", "approval:1:2:2", "system"),
    ]
    assert events[1].data == {
        "approval": str(asked.id),
        "n": 1,
        "level": "manager",
        "decision": "approve",
        "on_behalf_of": "key:max",
        "status": "pending",
    }
    assert (await stage.order_row(asked.order_id)).version == before.version + 1


async def test_what_is_approved_is_approved_with_its_total(stage: Stage) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    assert await asked.tell(a_decision()) is ApprovalStatus.APPROVED
    row, order = await stage.row(asked.id), await stage.order_row(asked.order_id)

    assert (order.approved_total, order.approved_currency, order.status) == (3000, "EUR", "awaiting_approval")
    assert (row.status, row.waiting_for, row.due_at) == ("approved", [], None)
    assert row.closed_at is not None


async def test_what_is_rejected_approves_nothing(stage: Stage) -> None:
    asked = await stage.waiting()
    assert await asked.tell(a_decision(vote=Vote.REJECT)) is ApprovalStatus.REJECTED
    row, order = await stage.row(asked.id), await stage.order_row(asked.order_id)

    assert (order.approved_total, row.status, row.waiting_for) == (None, "rejected", [])
    assert row.closed_at is not None
    assert (await stage.votes(asked.id))[0].result == {"status": "rejected", "missing": []}
