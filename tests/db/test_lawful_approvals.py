"""
I8: each way in which a decision can be somebody else's, or made twice, is found when it is planted.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from fulfillment.activities.approvals import SqlApprovalActivities
from fulfillment.contracts.approvals import Reassign
from fulfillment.db.engine import Database
from fulfillment.db.lawful_approvals import unlawful_approvals
from fulfillment.domain.approvals import ApprovalStatus, Mode, Plan, PlannedLevel, Vote
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.approval_steps import Step, happened
from tests.db.approval_stage import BEGUN_AT, ONE_LEVEL, TWO_LEVELS, Asked, Stage, a_decision

TWO_PEOPLE = Plan(policy="v1", levels=(PlannedLevel(role="manager", quorum=2),), mode=Mode.PARALLEL)
LATER = timedelta(days=1)


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database, SqlApprovalActivities(database))


async def found(stage: Stage, *, after: timedelta = LATER) -> list[str]:
    """The offenders among what changed until now, as seen so much later."""
    async with stage.database.statement() as connection:
        offenders = await unlawful_approvals(connection, changed_before=datetime.now(UTC) + after)
    assert offenders.count == len(offenders.examples)
    return list(offenders.examples)


async def plant(stage: Stage, *statements: str) -> None:
    async with stage.database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def approved(stage: Stage, plan: Plan = TWO_PEOPLE) -> Asked:
    """Approved by Mia and by Ben, who does it for Max, each with the role that is asked; the order has gone on."""
    asked = await stage.waiting(plan)
    await asked.tell(a_decision())
    role = plan.levels[-1].role
    status = await asked.tell(a_decision("key:ben", on_behalf_of="key:max", roles=(role,)))
    assert status is ApprovalStatus.APPROVED
    await stage.become(asked.order_id, OrderStatus.PROCESSING)
    return asked


async def settled(stage: Stage) -> None:
    """One of each that is as it should be."""
    await approved(stage)
    await approved(stage, TWO_LEVELS)
    await stage.waiting()
    rejected = await stage.waiting()
    await rejected.tell(a_decision(vote=Vote.REJECT))
    await stage.become(rejected.order_id, OrderStatus.REJECTED)
    void = await stage.waiting()
    await stage.make_void(void.id)
    await stage.become(void.order_id, OrderStatus.CANCELLED)
    await stage.order(OrderStatus.DELIVERED)
    await stage.order(OrderStatus.DELIVERED, assessment={}, approved_total=3000, approved_currency="EUR")
    await stage.order(OrderStatus.PROCESSING, assessment={}, total=0)
    await stage.order(OrderStatus.PROCESSING, assessment={}, test=True)


async def test_lawful_decisions_are_no_violations(stage: Stage) -> None:
    await settled(stage)

    assert await found(stage) == []


async def test_votes_from_before_a_level_was_given_to_others_are_lawful(stage: Stage) -> None:
    asked = await stage.waiting(TWO_PEOPLE)
    await asked.tell(Reassign(level="manager", role="board", actor="key:op", reason="away"))
    await asked.tell(a_decision(roles=("board",)))
    await asked.tell(Reassign(level="manager", role="cfo", actor="key:op", reason="away"))
    await asked.tell(a_decision("key:bo", roles=("cfo",)))
    await stage.become(asked.order_id, OrderStatus.PROCESSING)

    assert (await stage.row(asked.id)).status == "approved"
    assert await found(stage) == []


PLANTED = {
    "a vote less": "DELETE FROM approval_votes WHERE actor = 'key:ben'",
    "a vote that was taken back": "UPDATE approval_votes SET state = 'withdrawn' WHERE actor = 'key:ben'",
    "an abstention": "UPDATE approval_votes SET vote = 'abstain' WHERE actor = 'key:ben'",
    "one person twice": "UPDATE approval_votes SET actor = 'key:mia' WHERE actor = 'key:ben'",
    "in person and by somebody else": "UPDATE approval_votes SET on_behalf_of = 'key:mia' WHERE actor = 'key:ben'",
    "by who asked": "UPDATE approval_votes SET actor = 'key:shop' WHERE actor = 'key:ben'",
    "by who asked, under another name": "UPDATE approvals SET requesters = '{\" BEN\"}'",
    "by the subject of a token": "UPDATE approval_votes SET actor = 'https://login#Key:Shop' WHERE actor = 'key:ben'",
    "by the subject of a token, with its issuer": """
        WITH named AS (UPDATE approvals SET requesters = '{https://login#Ben}')
        UPDATE approval_votes SET actor = 'jwt:https://login#ben' WHERE actor = 'key:ben'
    """,
    "by a subject with a # of its own": """
        WITH named AS (UPDATE approvals SET requesters = '{a#b}')
        UPDATE approval_votes SET actor = 'jwt:https://login#a#b' WHERE actor = 'key:ben'
    """,
    "for who asked": "UPDATE approval_votes SET on_behalf_of = 'key:shop' WHERE actor = 'key:ben'",
    "without a role": "UPDATE approval_votes SET roles = '{}' WHERE actor = 'key:ben'",
    "with a foreign role": "UPDATE approval_votes SET roles = '{director}' WHERE actor = 'key:ben'",
    "at no level": "UPDATE approval_votes SET level = 'board' WHERE actor = 'key:ben'",
    "although somebody said no": "UPDATE approval_votes SET vote = 'reject' WHERE actor = 'key:ben'",
    "rejected by nobody": "UPDATE approvals SET status = 'rejected'",
    "merged, and nobody said yes": """
        WITH gone AS (DELETE FROM approval_votes)
        UPDATE approvals SET levels = jsonb_set(levels, '{0,status}', '"merged"')
    """,
}


@pytest.mark.parametrize("statement", PLANTED.values(), ids=PLANTED.keys())
async def test_a_decision_that_is_not_lawful_is_found(statement: str, stage: Stage) -> None:
    asked = await approved(stage)
    indexes = [f"DROP INDEX uq_approval_votes_{name}" for name in ("actor", "on_behalf_of")]
    await plant(stage, *indexes, statement)

    assert await found(stage) == [str(asked.id)]


async def test_a_level_that_nobody_decided_in_time_needs_no_vote_of_its_own(stage: Stage) -> None:
    asked = await stage.waiting()
    happenings = asked.request.pass_time(BEGUN_AT + timedelta(days=7))
    await stage.steps.write_approval(asked.stepping(Step(facts=tuple(map(happened, happenings)))))
    await asked.tell(a_decision(roles=("director",), level="director"))
    await stage.become(asked.order_id, OrderStatus.PROCESSING)

    assert (await stage.row(asked.id)).status == "approved"
    assert await found(stage) == []


async def test_two_requests_at_once_are_found(stage: Stage) -> None:
    order_id = await stage.order()
    await stage.asked(order_id)
    await plant(stage, "DROP INDEX uq_approvals_pending")
    await stage.asked(order_id, n=2)

    assert await found(stage) == [str(order_id)]


async def test_a_request_of_an_order_that_waits_for_none_is_found(stage: Stage) -> None:
    order_id = await stage.order(OrderStatus.CANCELLED)
    approval_id = await stage.asked(order_id)

    assert await found(stage) == [str(approval_id)]
    assert await found(stage, after=-LATER) == []


@pytest.mark.parametrize("status", [None, "void", "approved", "rejected", "expired"])
async def test_an_order_that_waits_for_no_request_is_found_once_it_had_time_to_hear_of_its_end(
    status: str | None, stage: Stage
) -> None:
    asked = await stage.waiting(ONE_LEVEL)
    match status:
        case None:
            await plant(stage, "DELETE FROM approvals")
        case "approved" | "rejected":
            await asked.tell(a_decision(vote=Vote.APPROVE if status == "approved" else Vote.REJECT))
        case _:
            await plant(stage, f"UPDATE approvals SET status = '{status}', closed_at = now()")  # noqa: S608

    assert await found(stage) == [str(asked.order_id)]
    assert await found(stage, after=-LATER) == []


@pytest.mark.parametrize("status", ["processing", "awaiting_payment", "awaiting_shipment", "shipped", "delivered"])
@pytest.mark.parametrize(
    "columns",
    [
        {"approved_total": 2999, "approved_currency": "EUR"},
        {"approved_total": 9999, "approved_currency": "USD"},
        {"approved_total": None, "approved_currency": None},
    ],
    ids=["cheaper", "another currency", "never"],
)
async def test_an_order_worth_more_than_was_approved_is_found(
    columns: dict[str, object], status: str, stage: Stage
) -> None:
    order_id: UUID = await stage.order(OrderStatus(status), assessment={}, **columns)

    assert await found(stage) == [str(order_id)]
