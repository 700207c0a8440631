"""
What time does to a request: people are reminded, somebody higher may decide, and it ends by its deadline.
"""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from fulfillment.domain.approvals import Mode
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.approvals import a_plan
from tests.workflows.approving import BOTH_LEVELS, DAY, OPEN, WRITE, Approving, awaiting
from tests.workflows.rows import row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import CAPTURE, STOCK, code_of_refusal

HOUR = timedelta(hours=1)
REMINDED, ESCALATED, EXPIRED = "approval_reminded", "approval_escalated", "approval_expired"


async def days(approving: Approving, number: int) -> dict[int, list[str]]:
    """What each of the next days brings, without those that bring nothing."""
    counts = [len(approving.facts)]
    for _ in range(number):
        await approving.later(DAY)
        counts.append(len(approving.facts))
    brought = (approving.facts[before:after] for before, after in pairwise(counts))
    return {day: facts for day, facts in enumerate(brought, 1) if facts}


@row("V20")
async def test_people_are_reminded_then_somebody_higher_may_decide_as_well(
    orders: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders)
    await approving.later(HOUR)

    assert await days(approving, 7) == {3: [REMINDED], 6: [REMINDED], 7: [ESCALATED]}
    assert approving.row.waiting_for == ("manager", "director")
    await approving.says("bob", "director")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()
    assert script.approvals.statuses == ["approved"]


@row("V21")
async def test_who_was_asked_first_may_still_decide_after_that(orders: RunningOrders) -> None:
    approving = await awaiting(orders)
    await approving.later(8 * DAY)
    await approving.says("ada")
    await approving.order.rests(CAPTURE)

    assert await approving.order.ends_delivered()


@row("V22")
async def test_nobody_decides_for_ten_days(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders)
    await approving.later(HOUR)
    brought = await days(approving, 10)

    assert brought[10] == [EXPIRED]
    assert await approving.order.ends() is OrderStatus.REJECTED
    assert approving.order.closed_as == (OrderStatus.REJECTED, FailureCode.APPROVAL_EXPIRED)
    assert (approving.order.undone(), script.approvals.statuses) == (STOCK, ["expired"])


@row("V23")
async def test_a_level_nobody_decides_is_merged_into_the_higher_one(orders: RunningOrders) -> None:
    approving = await awaiting(orders, BOTH_LEVELS)
    await approving.later(HOUR)

    assert await days(approving, 10) == {
        3: [REMINDED],
        6: [REMINDED],
        7: [ESCALATED, "approval_requested"],
        10: [REMINDED],
    }
    assert await code_of_refusal(approving.says("ada")) == "not_an_approver"
    await approving.says("bob", "director")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()


@row("V24")
async def test_the_highest_role_is_only_reminded(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("vp"))
    await approving.later(HOUR)

    assert await days(approving, 10) == {3: [REMINDED], 6: [REMINDED], 10: [EXPIRED]}


@row("V25")
async def test_two_levels_together_have_fourteen_days(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, BOTH_LEVELS)
    await approving.later(HOUR)
    await approving.later(6 * DAY)
    await approving.says("ada")
    brought = await days(approving, 8)

    # Nobody higher is asked for the second level before its seventh day, which is the thirteenth of all.
    assert brought == {3: [REMINDED], 6: [REMINDED], 7: [ESCALATED], 8: [EXPIRED]}
    assert script.requests(WRITE)[-1].facts[0].data == {"level": None}
    assert await approving.order.ends() is OrderStatus.REJECTED
    assert approving.order.closed_as == (OrderStatus.REJECTED, FailureCode.APPROVAL_EXPIRED)


@row("V26")
async def test_levels_side_by_side_have_ten_days(orders: RunningOrders) -> None:
    approving = await awaiting(orders, a_plan("manager", "vp", mode=Mode.PARALLEL))
    await approving.later(HOUR)
    await approving.says("ada")
    brought = await days(approving, 10)

    assert brought == {3: [REMINDED], 6: [REMINDED], 10: [EXPIRED]}


@row("V27")
async def test_a_level_that_is_reassigned_has_its_whole_time(orders: RunningOrders) -> None:
    approving = await awaiting(orders)
    await approving.later(HOUR)
    await approving.later(6 * DAY)
    answer = await approving.reassigns("manager", "security")

    assert [missing.level for missing in answer.missing] == ["manager"]
    assert approving.row.waiting_for == ("security",)
    assert await code_of_refusal(approving.says("ada")) == "not_an_approver"
    assert await code_of_refusal(approving.reassigns("ceo", "security")) == "level_needed"
    assert await days(approving, 8) == {3: [REMINDED], 6: [REMINDED], 7: [ESCALATED], 8: [EXPIRED]}
    assert await approving.order.ends() is OrderStatus.REJECTED


@row("V28")
async def test_messages_change_nothing_about_what_is_due(orders: RunningOrders, script: Script) -> None:
    approving = await awaiting(orders, a_plan("manager", quorum=3))
    await approving.later(HOUR)
    await approving.later(2 * DAY)
    await approving.says("ada")
    await approving.withdraws("ada")
    await approving.says("ada")

    assert await days(approving, 5) == {1: [REMINDED], 4: [REMINDED], 5: [ESCALATED]}
    assert len(script.attempts(OPEN)) == 1


# On a server that skips no time: the other one skips none while a step is in flight.
SOON: dict[str, Any] = {
    "reminders": (timedelta(seconds=1), timedelta(seconds=2)),
    "escalate_after": timedelta(seconds=3),
    "expire_after": timedelta(minutes=1),
}


@row("V29")
async def test_what_was_missed_while_nobody_worked_is_made_up_for_at_once(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    script.fail(WRITE, *[OSError("the database is away")] * 2)
    approving = await awaiting(orders_in_real_time, a_plan("manager", "director", **SOON))
    await approving.rests(WRITE, 4)

    assert approving.facts == [REMINDED, REMINDED, ESCALATED, "approval_requested"]
    assert approving.row.version == 3
    await approving.says("bob", "director")
    await approving.order.rests(CAPTURE)
    assert await approving.order.ends_delivered()


@row("V30")
async def test_a_vote_that_comes_as_somebody_higher_is_asked_counts(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, a_plan("manager", **SOON))
    await script.reached(WRITE, 2)
    script.hold(WRITE)
    await script.reached(WRITE, 3)
    vote = await approving.begins_to_say("ada")
    script.release(WRITE)

    assert (await vote).status.value == "approved"
    await approving.order.rests(CAPTURE)
    assert (await approving.order.ends_delivered(), ESCALATED in approving.facts) == (True, True)


@row("V31")
async def test_nobody_higher_is_asked_once_the_last_vote_is_being_written(
    orders_in_real_time: RunningOrders, script: Script
) -> None:
    approving = await awaiting(orders_in_real_time, a_plan("manager", **SOON))
    await approving.rests(WRITE, 2)
    script.hold(WRITE)
    vote = await approving.begins_to_say("ada")
    await script.reached(WRITE, 3)
    await approving.order.later(timedelta(seconds=2))
    script.release(WRITE)

    assert (await vote).status.value == "approved"
    await approving.order.rests(CAPTURE)
    assert (await approving.order.ends_delivered(), ESCALATED in approving.facts) == (True, False)
