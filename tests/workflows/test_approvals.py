"""
An order the rules do not let pass by itself goes on once the right people say yes, and ends once one of them says no.
"""

from dataclasses import replace

import pytest

from fulfillment.contracts.approvals import Decided
from fulfillment.domain.approvals import MOST_DECISIONS, ApprovalStatus, Missing, Mode, Vote
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.workflows.approval import ApprovalWorkflow
from tests.fakes.activities import Script
from tests.fakes.approvals import a_plan
from tests.workflows.approving import (
    BOTH_LEVELS,
    MANAGER,
    OPEN,
    REFUSE,
    SETTLE,
    WRITE,
    Approving,
    awaiting,
    decision,
    unopened,
)
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, CAPTURE, PLACE, STOCK, code_of_refusal

APPROVED = Decided(status=ApprovalStatus.APPROVED)


def missing(**votes: int) -> Decided:
    """It is still open: so many votes are missing at these levels."""
    return Decided(
        status=ApprovalStatus.PENDING, missing=tuple(Missing(level=level, votes=n) for level, n in votes.items())
    )


async def is_delivered(approving: Approving) -> bool:
    """Whether the order goes to the door from here."""
    await approving.order.rests(CAPTURE)
    return await approving.order.ends_delivered()


@row("V01")
async def test_an_order_that_is_approved_goes_on(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)

    assert await approving.says("ada") == APPROVED
    assert await is_delivered(approving)
    assert script.steps[:7] == [PLACE, OPEN, WRITE, SETTLE, AUTHORIZE, BOOK, CAPTURE]
    assert (script.approvals.statuses, approving.facts) == (["approved"], ["approval_decided"])
    assert await approving.handle.result() is not None


@row("V02")
async def test_an_approved_order_without_a_card_waits_for_one_then(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, token=None)
    assert await code_of_refusal(approving.order.pay()) == "payment_not_awaited"
    await approving.says("ada")
    await approving.order.rests(SETTLE)
    await approving.order.pay()

    assert await is_delivered(approving)
    assert script.steps[3:5] == [SETTLE, "take_payment"]


@row("V03")
async def test_the_second_level_is_asked_after_the_first(orders: RunningOrders) -> None:
    approving = await awaiting(orders, BOTH_LEVELS)

    assert await code_of_refusal(approving.says("bob", "director")) == "not_an_approver"
    assert await approving.says("ada") == missing(director=1)
    assert await approving.says("bob", "director") == APPROVED
    assert await is_delivered(approving)
    assert approving.facts == ["approval_decided", "approval_requested", "approval_decided"]


@row("V04")
async def test_levels_are_asked_side_by_side(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", "director", mode=Mode.PARALLEL))

    assert await approving.says("bob", "director") == missing(manager=1)
    assert await approving.says("ada") == APPROVED
    assert await is_delivered(approving)
    assert approving.facts == ["approval_decided", "approval_decided"]


@row("V05")
async def test_whoever_could_mean_two_levels_names_one(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", "director", mode=Mode.PARALLEL))
    both = ("manager", "director")

    assert await code_of_refusal(approving.says("ada", *both)) == "level_needed"
    assert await approving.says("ada", *both, level="director") == missing(manager=1)
    assert await code_of_refusal(approving.says("ada", *both, level="manager")) == "one_level_per_person"


@row("V06")
async def test_two_people_of_one_role_are_needed_where_the_plan_says_so(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))

    assert await approving.says("ada") == missing(manager=1)
    assert await code_of_refusal(approving.says("ada")) == "already_voted"
    assert await approving.says("bob") == APPROVED
    assert await is_delivered(approving)


@row("V07")
async def test_one_no_ends_the_order(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, a_plan("manager", "director", mode=Mode.PARALLEL))

    assert await approving.says("ada", vote=Vote.REJECT) == Decided(status=ApprovalStatus.REJECTED)
    assert await approving.order.ends() is OrderStatus.REJECTED
    assert approving.order.closed_as == (OrderStatus.REJECTED, FailureCode.APPROVAL_REJECTED)
    assert (approving.order.undone(), AUTHORIZE in script.steps) == (STOCK, False)


@row("V08")
async def test_an_abstention_is_a_vote_that_counts_for_nothing(orders: RunningOrders) -> None:
    approving = await awaiting(orders)

    assert await approving.says("ada", vote=Vote.ABSTAIN) == missing(manager=1)
    assert await code_of_refusal(approving.says("ada")) == "already_voted"
    assert await approving.says("bob") == APPROVED


@row("V09")
async def test_a_vote_is_withdrawn_and_given_anew(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    await approving.says("ada")

    assert await approving.withdraws("ada") == missing(manager=2)
    assert await code_of_refusal(approving.withdraws("ada")) == "nothing_to_withdraw"
    assert await approving.says("bob") == missing(manager=1)
    assert await approving.says("ada") == APPROVED
    assert approving.facts == ["approval_decided", "decision_withdrawn", "approval_decided", "approval_decided"]


@row("V10")
async def test_nobody_decides_on_their_own_order(orders: RunningOrders) -> None:
    approving = await awaiting(orders, requested_by="ada")

    assert await code_of_refusal(approving.says("key:ada")) == "own_order"
    assert await code_of_refusal(approving.says("bob", on_behalf_of="ada")) == "own_order"
    assert await approving.says("bob") == APPROVED


@row("V11")
async def test_a_delegate_s_vote_is_the_delegator_s(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))

    assert await approving.says("bob", on_behalf_of="ada") == missing(manager=1)
    assert await code_of_refusal(approving.says("ada")) == "already_voted"
    assert await approving.says("cleo") == APPROVED
    assert [ballot.on_behalf_of for ballot in approving.row.ballots] == ["ada", None]


@row("V12")
async def test_a_decision_on_what_was_seen_before_is_refused(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    await approving.says("ada", version=1)

    assert await code_of_refusal(approving.says("bob", version=1)) == "precondition_failed"
    assert await code_of_refusal(approving.withdraws("ada", version=1)) == "precondition_failed"
    assert await approving.says("bob", version=2) == APPROVED


@pytest.mark.parametrize(
    ("signal", "vote", "end"),
    [
        case("V13", "approve", Vote.APPROVE, OrderStatus.DELIVERED),
        case("V14", "reject", Vote.REJECT, OrderStatus.REJECTED),
    ],
)
async def test_a_signal_decides_without_an_answer(
    signal: str, vote: Vote, end: OrderStatus, orders: RunningOrders
) -> None:
    approving = await awaiting(orders)
    await approving.handle.signal(signal, decision("ada", vote=vote))
    await approving.rests()
    if vote is Vote.APPROVE:
        assert await is_delivered(approving)

    assert await approving.order.ends() is end


@row("V15")
async def test_a_signal_that_is_refused_is_kept_with_its_reason(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    await approving.handle.signal(ApprovalWorkflow.approve, decision("eve", "janitor"))
    await approving.rests(REFUSE)
    await approving.handle.signal(ApprovalWorkflow.approve, decision("key:shop"))
    await approving.rests(REFUSE, 2)

    assert [refused.code for refused in script.requests(REFUSE)] == ["not_an_approver", "own_order"]
    assert script.approvals.statuses == ["pending"]
    assert await approving.says("ada") == APPROVED


@row("V16")
async def test_a_signal_that_says_nothing_or_something_else_is_ignored(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    await approving.handle.signal("approve")
    await approving.handle.signal("approve", decision("ada", vote=Vote.REJECT))
    await approving.handle.signal("reject", decision("ada"))
    await approving.handle.signal("approve", args=[decision("ada"), "and more"])
    await approving.handle.signal("approve", "what is this")
    await approving.handle.signal("approve", decision("ada", comment="no database keeps \0"))
    await approving.handle.signal("approve", replace(decision("ada"), key="k" * 5000))
    await approving.rests(OPEN)

    assert (WRITE in script.steps, REFUSE in script.steps) == (False, False)
    assert await approving.says("ada") == APPROVED


async def test_signals_of_two_people_under_one_key_are_two_votes(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    for person in ("ada", "bob"):
        await approving.handle.signal(ApprovalWorkflow.approve, replace(decision(person), key="today"))
    await approving.rests(WRITE, 2)
    kept = [request.note.decision for request in script.requests(WRITE) if request.note is not None]

    assert len({said.key for said in kept if said is not None}) == 2
    assert await is_delivered(approving)


@row("V17")
async def test_what_is_said_before_the_request_is_opened_counts(orders: RunningOrders, script: Script) -> None:
    script.fail(OPEN, *[OSError("the database is away")] * 5)
    approving = await unopened(orders, a_plan("manager", quorum=2))
    await script.reached(OPEN, 4)
    said = [await approving.begins_to_say("ada"), await approving.begins_to_say("ada", "manager", "other")]
    await approving.handle.signal(ApprovalWorkflow.approve, decision("bob"))

    assert await said[0] == missing(manager=1)
    assert await code_of_refusal(said[1]) == "already_voted"
    assert await is_delivered(approving)


@row("V18")
async def test_what_is_said_after_the_end_is_refused(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    script.hold(WRITE)
    first = await approving.begins_to_say("ada", vote=Vote.REJECT)
    await script.reached(WRITE)
    await approving.handle.signal(ApprovalWorkflow.approve, decision("cleo"))
    assert await code_of_refusal(approving.says("bob")) == "approval_closed"
    script.release(WRITE)

    assert (await first).status is ApprovalStatus.REJECTED
    assert await approving.order.ends() is OrderStatus.REJECTED
    assert [refused.code for refused in script.requests(REFUSE)] == ["approval_closed"]


@row("V19")
async def test_a_request_takes_so_many_messages_and_no_more(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    for n in range(MOST_DECISIONS):
        await approving.handle.signal(ApprovalWorkflow.approve, decision(f"eve {n}", "janitor"))
    await approving.rests(REFUSE, MOST_DECISIONS)
    await approving.handle.signal(ApprovalWorkflow.approve, decision("ada"))

    assert await code_of_refusal(approving.says("ada")) == "too_many_changes"
    assert (len(script.requests(REFUSE)), WRITE in script.steps) == (MOST_DECISIONS, False)
    # It still ends by its deadline.
    assert await approving.order.ends() is OrderStatus.REJECTED
    assert script.plan == MANAGER
