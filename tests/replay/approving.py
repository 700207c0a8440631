"""
The paths of orders that wait for people, and of what these are asked.
"""

import dataclasses
from datetime import timedelta
from typing import Any

from fulfillment.contracts.orders import Resume
from fulfillment.domain.approvals import Mode, Plan, Vote
from fulfillment.domain.orders import OrderStatus
from fulfillment.workflows.approval import ApprovalWorkflow
from tests.fakes.approvals import NOBODY, a_plan
from tests.fakes.orders import a_line, an_order
from tests.fakes.recovery import LEFT_IN_PROCESSING
from tests.replay.stage import ORDER_ID, SOON, Path, Stage
from tests.workflows.approving import MANAGER, OPEN, REFUSE, SETTLE, WRITE, Approving, decision
from tests.workflows.stories import BOOK, CAPTURE, PLACE, Story, begun

MORE, LESS = a_line(quantity=5), a_line(quantity=1)
HASTY: dict[str, Any] = {"escalate_after": SOON, "expire_after": timedelta(hours=1)}


async def approved(stage: Stage) -> Story:
    approving = await _asked(stage)
    await approving.says("ada")
    return await _is_delivered(approving)


async def approved_by_two_levels(stage: Stage) -> Story:
    """With a vote that is withdrawn, one that is refused, and a level that is given to others."""
    approving = await _asked(stage, a_plan("manager", "director", quorum=2))
    await approving.says("ada", vote=Vote.ABSTAIN)
    await approving.withdraws("ada")
    await approving.says("ada")
    await approving.handle.signal(ApprovalWorkflow.approve, decision("eve", "janitor"))
    await approving.rests(REFUSE)
    await approving.says("bob")
    await approving.reassigns("director", "security")
    for name in ("cleo", "dan"):
        await approving.says(name, "security")
    return await _is_delivered(approving)


async def approved_after_an_escalation(stage: Stage) -> Story:
    approving = await _asked(stage, a_plan("manager", "director", reminders=(SOON / 2,), **HASTY))
    await approving.rests(WRITE, 2)
    await approving.says("bob", "director")
    return await _is_delivered(approving)


async def approved_then_paid(stage: Stage) -> Story:
    approving = await _asked(stage, token=None)
    await approving.says("ada")
    await approving.order.rests(SETTLE)
    await approving.order.pay()
    return await _is_delivered(approving)


async def not_approved(stage: Stage) -> Story:
    approving = await _asked(stage, a_plan("manager", "director", mode=Mode.PARALLEL))
    await approving.handle.signal(ApprovalWorkflow.reject, decision("ada", vote=Vote.REJECT))
    return approving.order


async def never_approved(stage: Stage) -> Story:
    plan = a_plan("manager", reminders=(), escalate_after=SOON, expire_after=SOON)
    return (await _asked(stage, plan)).order


async def cancelled_awaiting_approval(stage: Stage) -> Story:
    approving = await _asked(stage)
    await approving.order.cancel()
    return approving.order


async def amended_above_what_was_approved(stage: Stage) -> Story:
    """Twice: while people decide, and while a payment is awaited."""
    approving = await _asked(stage, token=None)
    for n in (2, 3):
        await approving.order.amend(a_line(quantity=2 * n))
        await approving.opened(n)
        await approving.says("ada")
        await approving.order.rests(SETTLE, n - 1)
    await approving.order.pay()
    return await _is_delivered(approving)


async def amended_to_what_needs_no_approval(stage: Stage) -> Story:
    approving = await _asked(stage)
    await approving.order.readdress()
    stage.script.plan = NOBODY
    await approving.order.amend(LESS)
    return await _is_delivered(approving)


async def amended_to_nothing_awaiting_approval(stage: Stage) -> Story:
    approving = await _asked(stage)
    await approving.order.amend(a_line(price=0))
    await approving.order.rests(BOOK)
    await approving.order.hear("delivered")
    return approving.order


async def asked_again(stage: Stage) -> Story:
    """Somebody stops what people are asked, twice."""
    approving = await _asked(stage, a_plan("manager", quorum=2))
    await approving.says("ada")
    await approving.handle.cancel()
    await approving.opened(2)
    await approving.handle.terminate()
    await approving.opened(3)
    await approving.says("bob")
    return await _is_delivered(approving)


async def asked_while_the_database_is_away(stage: Stage) -> Story:
    stage.script.fail(OPEN, *[OSError("the database is away")] * 3)
    approving = await _asked(stage)
    await approving.says("ada")
    return await _is_delivered(approving)


async def taken_over_awaiting_approval(stage: Stage) -> Story:
    stage.script.plan = MANAGER
    order = an_order(order_id=ORDER_ID)
    stage.script.placement(order)
    left = dataclasses.replace(
        LEFT_IN_PROCESSING, status=OrderStatus.AWAITING_APPROVAL, payment_due_in=timedelta(days=1)
    )
    stage.script.left = left
    resumed = dataclasses.replace(order, resume=Resume(actor="operator", reason="it was shot"))
    approving = Approving(await begun(stage.orders, resumed))
    await approving.opened()
    await approving.says("ada")
    return await _is_delivered(approving)


async def _asked(stage: Stage, plan: Plan = MANAGER, *, token: str | None = "tok_visa") -> Approving:
    stage.script.plan = plan
    approving = Approving(await stage.begins(token=token))
    await approving.order.rests(PLACE)
    await approving.opened()
    return approving


async def _is_delivered(approving: Approving) -> Story:
    await approving.order.rests(CAPTURE)
    await approving.order.hear("delivered")
    return approving.order


APPROVING: tuple[Path, ...] = (
    approved,
    approved_by_two_levels,
    approved_after_an_escalation,
    approved_then_paid,
    not_approved,
    never_approved,
    cancelled_awaiting_approval,
    amended_above_what_was_approved,
    amended_to_what_needs_no_approval,
    amended_to_nothing_awaiting_approval,
    asked_again,
    asked_while_the_database_is_away,
    taken_over_awaiting_approval,
)
