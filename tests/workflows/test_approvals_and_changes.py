"""
An order that waits for people is cancelled, amended or stopped: nobody decides about what is not asked any more.
"""

import asyncio
from datetime import timedelta

import pytest

from fulfillment.contracts.approvals import ApprovalResult
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.approvals import NOBODY, a_plan
from tests.fakes.orders import a_line, an_order
from tests.workflows.approving import DAY, MANAGER, OPEN, SETTLE, WRITE, Approving, awaiting
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import (
    AUTHORIZE,
    CANCELLED,
    CAPTURE,
    PLACE,
    REVERSE,
    STOCK,
    begun,
    code_of_refusal,
)
from tests.workflows.waiting import waiting

AMEND, UNDO = "amend_order", "begin_undo"
MORE, LESS = a_line(quantity=5), a_line(quantity=1)


async def is_void(approving: Approving) -> bool:
    """Whether the workflow that was asked first has ended, and knows that nobody needs it."""
    owner = approving.script.requests(OPEN)[0].owner
    client = approving.order.orders.environment.client
    result: ApprovalResult = await client.get_workflow_handle(owner, result_type=ApprovalResult).result()
    return result.status is ApprovalStatus.VOID


@row("V32")
async def test_it_is_cancelled_while_people_decide(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    await approving.order.cancel()

    assert await approving.order.ends() is OrderStatus.CANCELLED
    assert (approving.order.undone(), approving.order.closed_as) == (STOCK, CANCELLED)
    assert script.approvals.statuses == ["void"]
    assert await is_void(approving)


@row("V33")
async def test_it_is_cancelled_through_temporal_while_people_decide(orders: RunningOrders) -> None:
    approving = await awaiting(orders)
    await approving.order.cancel_through_temporal()

    assert await approving.order.ends_as_cancelled_by_temporal()
    assert (approving.order.undone(), approving.order.closed_as) == (STOCK, CANCELLED)
    assert await is_void(approving)


@row("V34")
async def test_it_is_cancelled_while_it_is_placed(orders: RunningOrders, script: Script) -> None:
    script.plan = MANAGER
    script.fail(PLACE, *[OSError("the database is away")] * 4)
    story = await begun(orders, an_order())
    await script.reached(PLACE, 4)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    # Nobody was asked at all.
    assert (OPEN in script.steps, script.approvals.statuses) == (False, ["void"])


@row("V35")
async def test_a_vote_that_comes_after_the_cancellation_is_refused(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    script.hold(WRITE)
    await approving.order.cancel()
    await script.reached(WRITE)

    assert await code_of_refusal(approving.says("ada")) == "approval_closed"
    script.release(WRITE)
    assert await approving.order.ends() is OrderStatus.CANCELLED
    assert (await is_void(approving), SETTLE in script.steps) == (True, False)


@row("V36")
async def test_a_cancellation_comes_before_the_last_vote_that_is_not_acted_on(
    orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders)
    script.hold(WRITE)
    vote = await approving.begins_to_say("ada")
    await script.reached(WRITE)
    await approving.order.cancel()
    await approving.order.rests(UNDO)
    script.release(WRITE)

    assert await approving.order.ends() is OrderStatus.CANCELLED
    assert (await vote).status is ApprovalStatus.VOID
    assert [ballot.actor for ballot in approving.row.void] == ["ada"]
    assert (script.approvals.statuses, SETTLE in script.steps) == (["void"], False)


@row("V37")
async def test_a_cancellation_comes_before_a_vote_that_waits(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    script.hold(WRITE)
    votes = [await approving.begins_to_say(name) for name in ("ada", "bob")]
    await script.reached(WRITE)
    await approving.order.cancel()
    await approving.order.rests(UNDO)
    script.release(WRITE)

    assert await approving.order.ends() is OrderStatus.CANCELLED
    assert (await votes[0]).status is ApprovalStatus.VOID
    assert await code_of_refusal(votes[1]) == "approval_closed"
    assert SETTLE not in script.steps


@row("V38")
async def test_a_cancellation_after_the_last_vote_undoes_what_was_approved(
    orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders)
    script.hold(SETTLE)
    await approving.says("ada")
    await script.reached(SETTLE)
    await approving.order.cancel()
    script.release(SETTLE)

    assert await approving.order.ends() is OrderStatus.CANCELLED
    assert (approving.order.undone(), AUTHORIZE in script.steps) == (STOCK, False)


@row("V39")
async def test_an_amendment_above_what_was_approved_is_asked_anew(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    await approving.says("ada")
    script.plan = a_plan("director")
    changed = await approving.order.amend(MORE)
    assert changed.status is OrderStatus.AWAITING_APPROVAL
    await approving.opened(2)

    assert await is_void(approving)
    await approving.says("bob", "director")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == ["void", "approved"]
    assert [request.n for request in script.requests(SETTLE)] == [2]
    assert script.requests(AUTHORIZE)[0].amount == Money(7500, "EUR")


@row("V40")
async def test_an_amendment_that_needs_no_approval_ends_the_wait(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    script.plan = NOBODY
    changed = await approving.order.amend(LESS)
    await approving.order.rests(CAPTURE)

    assert changed.status is OrderStatus.PROCESSING
    assert await is_void(approving)
    assert await approving.order.ends_delivered()
    assert (script.approvals.statuses, SETTLE in script.steps) == (["void"], False)


@row("V41")
async def test_an_amendment_to_nothing_ends_the_wait(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    await approving.order.amend(a_line(price=0))

    assert await is_void(approving)
    assert await approving.order.ends_delivered()
    assert AUTHORIZE not in script.steps


@pytest.mark.parametrize("refusal", [case("V42", "stock_short"), case("V43", "precondition_failed")])
async def test_an_amendment_that_is_refused_changes_nothing(
    refusal: str, orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders)
    script.refusals[AMEND] = refusal

    assert await code_of_refusal(approving.order.amend(MORE)) == refusal
    assert (await approving.says("ada")).status is ApprovalStatus.APPROVED
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert len(script.attempts(OPEN)) == 1


@row("V44")
async def test_another_address_changes_nothing_about_who_is_asked(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    changed = await approving.order.readdress()

    assert changed.status is OrderStatus.AWAITING_APPROVAL
    await approving.says("ada")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert len(script.attempts(OPEN)) == 1


@row("V45")
async def test_the_last_vote_meets_an_amendment_that_was_faster(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    script.hold(WRITE)
    vote = await approving.begins_to_say("ada")
    await script.reached(WRITE)
    await approving.order.amend(MORE)
    script.release(WRITE)

    assert (await vote).status is ApprovalStatus.VOID
    await approving.opened(2)
    await approving.says("ada")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == ["void", "approved"]


@pytest.mark.parametrize(
    ("lines", "asked"), [case("V46", MORE, ["approved", "approved"]), case("V47", LESS, ["approved"])]
)
async def test_an_amendment_meets_a_last_vote_that_was_faster(
    lines: object, asked: list[str], orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders)
    script.fail(AMEND, OSError("the database is away"))
    amendment = asyncio.create_task(approving.order.amend(lines))  # type: ignore[arg-type]
    await script.reached(AMEND)
    await approving.says("ada")
    changed = await amendment
    if len(asked) > 1:
        await approving.opened(2)
        await approving.says("ada")
    await approving.order.rests(CAPTURE)

    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == asked
    # What the amendment has settled is not settled again.
    assert len(script.requests(SETTLE)) == len(asked) - 1
    assert script.requests(AUTHORIZE)[0].amount == changed.total


@row("V48")
async def test_an_amendment_is_too_late_once_the_order_goes_on(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    script.hold(SETTLE)
    await approving.says("ada")
    await script.reached(SETTLE)
    amendment = asyncio.create_task(approving.order.amend(MORE))
    await approving.order.took_up(1)
    script.release(SETTLE)

    assert await code_of_refusal(amendment) == "order_not_amendable"
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()


@row("V49")
async def test_the_days_to_pay_stand_still_while_people_decide(orders: RunningOrders, script: Script) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    await story.later(5 * DAY)
    script.plan = MANAGER
    assert (await story.amend(MORE)).status is OrderStatus.AWAITING_APPROVAL
    approving = Approving(story)
    await approving.opened()
    assert await code_of_refusal(story.pay()) == "payment_not_awaited"
    await approving.later(6 * DAY)
    await approving.says("ada")
    await story.rests(SETTLE)
    await story.later(DAY)
    assert UNDO not in script.steps

    assert await orders.pass_days_until(UNDO) <= 2
    assert await story.ends() is OrderStatus.REJECTED
    assert story.closed_as == (OrderStatus.REJECTED, FailureCode.PAYMENT_EXPIRED)


@row("V50")
async def test_an_amendment_below_what_was_approved_asks_nobody(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, token=None)
    await approving.says("ada")
    await approving.order.rests(SETTLE)
    changed = await approving.order.amend(LESS)
    await approving.order.pay()
    await approving.order.rests(CAPTURE)

    assert changed.status is OrderStatus.AWAITING_PAYMENT
    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == ["approved"]


@row("V51")
async def test_a_card_that_came_with_the_amendment_is_taken_once_it_is_approved(
    orders: RunningOrders, script: Script
) -> None:
    story = await begun(orders, an_order(token=None))
    await story.rests(PLACE)
    script.plan = MANAGER
    script.fail(AMEND, OSError("the database is away"))
    amendment = asyncio.create_task(story.amend(MORE))
    await script.reached(AMEND)
    await story.pay()
    await amendment
    approving = Approving(story)
    await approving.opened()
    assert "take_payment" not in script.steps
    await approving.says("ada")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert script.requests(AUTHORIZE)[0].amount == Money(7500, "EUR")


@row("V52")
async def test_what_the_customer_was_asked_to_pay_before_is_ended_after_the_approval(
    orders: RunningOrders, script: Script
) -> None:
    story = await waiting(orders)
    script.plan = MANAGER
    await story.amend(MORE)
    approving = Approving(story)
    await approving.opened()
    assert REVERSE not in script.steps
    script.asks_customer = False
    await approving.says("ada")
    await story.rests(REVERSE)
    await story.pay("tok_another")
    await story.rests(CAPTURE)

    assert await story.ends_delivered()
    assert [request.amount.amount for request in script.requests(AUTHORIZE)] == [3000, 7500]


@row("V53")
async def test_a_dispute_and_a_parcel_s_event_are_kept_while_people_decide(orders: RunningOrders) -> None:
    approving = await awaiting(orders)
    await approving.order.hear("in_transit")
    await approving.order.tell("failed")
    await approving.order.rests(PLACE)
    await approving.says("ada")
    await approving.order.rests("record_parcel_event")

    assert await approving.order.ends_delivered()


@row("V54")
async def test_a_request_somebody_cancelled_is_asked_again_and_its_votes_are_kept(
    orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=2))
    await approving.later(4 * DAY)
    await approving.says("ada")
    await approving.handle.cancel()
    await approving.order.later(timedelta(minutes=1))
    await approving.opened(2)

    assert await code_of_refusal(approving.says("ada")) == "already_voted"
    # It has no more time than it had.
    await approving.later(4 * DAY)
    assert "approval_escalated" in approving.facts
    assert (await approving.says("bob")).status is ApprovalStatus.APPROVED
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == ["approved"]


@row("V55")
async def test_two_last_votes_at_once_and_one_of_them_is_too_late(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    votes = await asyncio.gather(approving.says("ada"), approving.says("bob"), return_exceptions=True)
    await approving.order.rests(CAPTURE)

    assert await approving.order.ends_delivered()
    assert sum(not isinstance(vote, BaseException) for vote in votes) == 1
    assert (len(approving.row.ballots), script.steps.count(SETTLE)) == (1, 1)


@row("V56")
async def test_what_costs_nothing_asks_nobody(orders: RunningOrders, script: Script) -> None:
    script.plan = MANAGER
    story = await begun(orders, an_order(a_line(price=0), token=None))
    await story.rests("book_shipment")

    assert await story.ends_delivered()
    assert OPEN not in script.steps
