"""
A request for approval is written down step by step, each once, whoever else is at work.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.contracts.approvals import Withdraw
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Database
from fulfillment.db.tables import approvals, orders
from fulfillment.domain.approvals import ApprovalStatus, Ballot, LevelStatus, Vote
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.approval_steps import Step, happened
from tests.db.approval_stage import BEGUN_AT, ONE_LEVEL, Asked, Stage, a_decision

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


async def test_the_same_step_twice_is_one_step(stage: Stage) -> None:
    asked = await stage.waiting()
    step = asked.telling(a_decision())
    assert await stage.steps.write_approval(step) is PENDING
    row, order, votes = await snapshot(stage, asked)
    assert await stage.steps.write_approval(step) is PENDING

    assert await snapshot(stage, asked) == (row, order, votes)


async def test_a_step_that_comes_again_after_the_next_tells_where_the_request_is_now(stage: Stage) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    first = asked.telling(a_decision("key:ben", Vote.ABSTAIN))
    await stage.steps.write_approval(first)
    await asked.tell(a_decision())
    before = await snapshot(stage, asked)

    assert await stage.steps.write_approval(first) is ApprovalStatus.APPROVED
    assert await snapshot(stage, asked) == before


async def test_twins_at_the_same_moment_write_a_step_once(stage: Stage) -> None:
    asked = await stage.waiting()
    step = asked.telling(a_decision())
    answers = await asyncio.gather(*(stage.steps.write_approval(step) for _ in range(4)))

    assert answers == [PENDING] * 4
    assert len(await stage.votes(asked.id)) == 1
    assert await stage.kinds(asked.order_id) == ["approval_decided", "approval_requested"]
    assert (await stage.row(asked.id)).version == 2


async def test_two_workflows_that_open_a_request_at_once_leave_it_to_one_of_them(stage: Stage) -> None:
    order_id = await stage.order()
    approval_id = await stage.asked(order_id)
    standings = await asyncio.gather(*(stage.open(order_id, f"child-{n}") for n in (1, 2)))

    assert standings[0] == standings[1]
    assert (await stage.row(approval_id)).owner in {"child-1", "child-2"}


async def test_what_another_workflow_has_taken_over_is_not_written_by_the_first(stage: Stage) -> None:
    asked = await stage.waiting()
    await stage.opened(asked.order_id, owner="child-2")
    before = await snapshot(stage, asked)

    assert await asked.tell(a_decision()) is VOID
    assert await snapshot(stage, asked) == before


async def test_who_takes_over_goes_on_from_the_votes_that_count(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision(on_behalf_of="key:max"))
    await asked.tell(a_decision("key:dan", Vote.ABSTAIN, roles=("director",)))
    await asked.tell(Withdraw(actor="key:dan"))
    second = await stage.opened(asked.order_id, owner="child-2")

    assert (second.version, second.request.levels) == (4, asked.request.levels)
    assert second.request.ballots == (
        Ballot(level="manager", vote=Vote.APPROVE, actor="key:mia", on_behalf_of="key:max"),
    )
    assert await second.tell(a_decision("key:dan", roles=("director",))) is ApprovalStatus.APPROVED
    assert await asked.tell(a_decision("key:eve", roles=("director",))) is VOID


async def test_a_vote_on_what_nobody_needs_any_more_is_kept_as_it_was_answered(stage: Stage) -> None:
    asked, decision = await stage.waiting(ONE_LEVEL), a_decision()
    await stage.make_void(asked.id)
    step = asked.telling(decision)
    row, order, _ = await snapshot(stage, asked)
    assert await stage.steps.write_approval(step) is VOID
    assert await stage.steps.write_approval(step) is VOID

    (vote,) = await stage.votes(asked.id)
    assert (vote.key, vote.state, vote.result) == (decision.key, "void", {"status": "void", "missing": []})
    assert (await snapshot(stage, asked))[:2] == (row, order)
    assert order.approved_total is None


async def test_a_step_that_skips_a_version_changes_nothing(stage: Stage) -> None:
    asked = await stage.waiting()
    asked.version += 1
    before = await snapshot(stage, asked)

    assert await asked.tell(a_decision()) is VOID
    assert await snapshot(stage, asked) == before


async def test_a_vote_that_is_taken_back_no_longer_counts_and_can_be_given_again(stage: Stage) -> None:
    asked, decision = await stage.waiting(), a_decision(vote=Vote.ABSTAIN)
    await asked.tell(decision)
    assert await asked.tell(Withdraw(actor="key:mia")) is PENDING
    (vote,) = await stage.votes(asked.id)
    assert (vote.state, vote.withdrawn_at is None) == ("withdrawn", False)

    # A signal may come a second time: then its vote, which the workflow counts again, must count here.
    await asked.tell(decision)
    (vote,) = await stage.votes(asked.id)
    assert (vote.state, vote.withdrawn_at) == ("counted", None)
    assert await stage.kinds(asked.order_id) == ["approval_decided", "decision_withdrawn", "approval_decided"]


async def test_a_request_whose_workflow_was_stopped_is_asked_again_while_its_order_waits(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision())
    asked.request.make_void()
    assert await stage.steps.write_approval(asked.stepping(Step())) is VOID
    row = await stage.row(asked.id)
    assert (row.status, row.waiting_for, row.due_at, row.closed_at is None) == ("void", [], None, False)

    second = await stage.opened(asked.order_id, owner="child-2")
    row = await stage.row(asked.id)
    assert (second.request.status, second.version, len(second.request.ballots)) == (PENDING, 4, 1)
    assert (row.status, row.version, row.owner, row.closed_at) == ("pending", 4, "child-2", None)
    assert (row.waiting_for, row.due_at, row.started_at) == (["director"], second.request.due_at, BEGUN_AT)


async def test_a_request_that_was_void_before_anybody_ran_it_begins_anew(stage: Stage) -> None:
    order_id = await stage.order()
    await stage.make_void(await stage.asked(order_id))

    assert (await stage.open(order_id)).started_at == BEGUN_AT


async def test_a_request_that_is_not_needed_any_more_stays_void(stage: Stage) -> None:
    cancelled, replaced = await stage.waiting(), await stage.waiting()
    await stage.become(cancelled.order_id, OrderStatus.CANCELLING)
    for asked in (cancelled, replaced):
        await stage.make_void(asked.id)
    await stage.asked(replaced.order_id, n=2)

    assert (await stage.open(cancelled.order_id, "child-2")).status is VOID
    assert (await stage.open(replaced.order_id, "child-2")).status is VOID


@pytest.mark.parametrize("vote", [Vote.APPROVE, Vote.REJECT])
async def test_what_is_decided_stays_decided_whoever_opens_it(vote: Vote, stage: Stage) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    status = await asked.tell(a_decision(vote=vote))

    assert (await stage.open(asked.order_id, "child-2")).status is status
    assert (await stage.row(asked.id)).owner == "child-1"


@pytest.mark.parametrize("status", [OrderStatus.AWAITING_APPROVAL, OrderStatus.CANCELLED, OrderStatus.DELIVERED])
async def test_a_refused_decision_is_kept_once_even_when_all_is_over(status: OrderStatus, stage: Stage) -> None:
    asked, decision = await stage.waiting(), a_decision(level=None, on_behalf_of="key:max")
    await stage.become(asked.order_id, status)
    await asyncio.gather(*(asked.refuse(decision, "approval_closed") for _ in range(3)))
    await asked.refuse(decision, "approval_closed")

    (vote,), (_, fact) = await stage.votes(asked.id), await stage.events(asked.order_id)
    assert (vote.state, vote.refusal, vote.level, vote.result) == ("refused", "approval_closed", None, None)
    assert (fact.kind, fact.key, fact.actor) == ("decision_refused", f"decision_refused:{decision.key}", "key:mia")
    assert fact.data == {
        "approval": str(asked.id),
        "n": 1,
        "code": "approval_closed",
        "level": None,
        "decision": "approve",
        "on_behalf_of": "key:max",
    }


async def test_a_signal_that_comes_twice_counts_once_and_is_not_refused(stage: Stage) -> None:
    asked, decision = await stage.waiting(), a_decision()
    await asked.tell(decision)
    before = await snapshot(stage, asked)
    await asked.refuse(decision)

    assert await snapshot(stage, asked) == before
    assert "decision_refused" not in await stage.kinds(asked.order_id)


async def test_the_same_key_in_another_request_is_another_vote(stage: Stage) -> None:
    one, other = await stage.waiting(), await stage.waiting()
    await one.tell(a_decision(key="k"))
    await other.tell(a_decision(key="k"))

    assert [len(await stage.votes(asked.id)) for asked in (one, other)] == [1, 1]


async def test_what_people_comment_is_nowhere_but_with_their_vote(stage: Stage) -> None:
    asked = await stage.waiting()
    await asked.tell(a_decision(comment="Ada is broke"))
    await asked.refuse(a_decision(comment="Ada is broke"))

    assert [vote.comment for vote in await stage.votes(asked.id)] == ["Ada is broke"] * 2
    assert "broke" not in str([event.data for event in await stage.events(asked.order_id)])


async def test_what_time_does_is_written_with_its_facts(stage: Stage) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    happenings = asked.request.pass_time(BEGUN_AT + timedelta(days=10))
    status = await stage.steps.write_approval(asked.stepping(Step(facts=tuple(map(happened, happenings)))))

    assert status is ApprovalStatus.EXPIRED
    assert (await stage.row(asked.id)).closed_at is not None
    assert await stage.kinds(asked.order_id) == ["approval_reminded", "approval_reminded", "approval_expired"]


async def test_a_vote_and_a_cancellation_that_locks_its_order_first_do_not_wait_for_each_other(stage: Stage) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    async with stage.database.transaction() as connection:
        await connection.execute(orders.update().where(orders.c.id == asked.order_id).values(status="cancelling"))
        vote = asyncio.create_task(asked.tell(a_decision()))
        await asyncio.wait([vote], timeout=0.5)
        gone = approvals.update().where(approvals.c.id == asked.id)
        await connection.execute(gone.values(status="void", waiting_for=[], due_at=None))

    assert await vote is VOID
    assert (await stage.order_row(asked.order_id)).approved_total is None


async def test_a_step_of_a_request_that_is_not_there_is_out_of_step(stage: Stage) -> None:
    order_id = await stage.order()

    with pytest.raises(OutOfStep):
        await stage.open(order_id)


async def snapshot(stage: Stage, asked: Asked) -> tuple[Any, Any, Any]:
    return await stage.row(asked.id), await stage.order_row(asked.order_id), await stage.votes(asked.id)
