"""
What is only trouble (a database or a provider that is away, a bug) delays an order and never ends it.
"""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from fulfillment.domain.errors import (
    CarrierRefused,
    OrderNotFound,
    OutcomeUnknown,
    PaymentDeclined,
    ProviderUnavailable,
    SkuNotFound,
)
from fulfillment.domain.orders import FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import an_order
from tests.fixtures.waiting import until
from tests.workflows.rows import case, row
from tests.workflows.running import RunningOrders
from tests.workflows.stories import AUTHORIZE, BOOK, BOTH, CAPTURE, GATE, PLACE, REVERSE, begun

AWAY = OSError("the database is away")
BUGS = (KeyError("id"), ValueError("not JSON"), RuntimeError(FailureCode.CARRIER_REFUSED))


@row("X01")
async def test_a_database_step_that_fails_locally_goes_on_remotely(orders: RunningOrders, script: Script) -> None:
    script.fail(PLACE, *[AWAY] * 4)
    story = await begun(orders, an_order())

    assert await story.ends_delivered()
    where = [call.is_local for call in script.attempts(PLACE)]
    assert where == [True, True, True, False, False]
    assert script.steps.count(PLACE) == 1


@row("X02")
async def test_a_database_that_stays_away_ends_no_order(orders: RunningOrders, script: Script) -> None:
    script.always_fail("close_order", AWAY)
    script.fail(AUTHORIZE, PaymentDeclined())
    story = await begun(orders, an_order())
    await script.reached("close_order", times=4)
    await story.later(timedelta(minutes=20))
    assert len(script.attempts("close_order")) > 20
    script.fail("close_order")

    assert await story.ends() is OrderStatus.REJECTED
    assert script.steps[-1] == "close_order"


@pytest.mark.parametrize("step", [case("X03", AUTHORIZE), case("X04", BOOK), case("X05", CAPTURE)])
async def test_a_bug_in_a_step_is_retried_and_refuses_nothing(step: str, orders: RunningOrders, script: Script) -> None:
    script.fail(step, *BUGS)
    story = await begun(orders, an_order())

    assert await story.ends_delivered()
    assert "begin_undo" not in script.steps
    assert len(script.attempts(step)) == 1 + len(BUGS)


@pytest.mark.parametrize("step", [case("X06", GATE), case("X07", REVERSE)])
async def test_a_bug_in_an_undo_is_retried_until_it_is_done(step: str, orders: RunningOrders, script: Script) -> None:
    script.fail(step, *BUGS, ProviderUnavailable("provider"))
    story = await begun(orders, an_order())
    await story.rests(CAPTURE)
    await story.cancel()

    assert await story.ends() is OrderStatus.CANCELLED
    assert (story.undone(), script.requests("request_attention")) == (BOTH, [])


@pytest.mark.parametrize(
    "trouble", [case("X08", ProviderUnavailable("carrier")), case("X09", OutcomeUnknown("carrier POST parcels"))]
)
async def test_a_provider_that_is_away_for_a_while_delays_the_order(
    trouble: Exception, orders: RunningOrders, script: Script
) -> None:
    script.fail(BOOK, *[trouble] * 30)
    story = await begun(orders, an_order())

    assert await story.ends_delivered()
    attempts = script.attempts(BOOK)
    assert [call.attempt for call in attempts] == list(range(1, 32))


@row("X10")
async def test_a_provider_says_when_it_is_to_be_asked_again(orders: RunningOrders, script: Script) -> None:
    script.fail(AUTHORIZE, ProviderUnavailable("payment provider", timedelta(hours=5)))
    began = await orders.environment.get_current_time()
    story = await begun(orders, an_order())

    assert await story.ends_delivered()
    assert await orders.environment.get_current_time() - began >= timedelta(hours=5)


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        case("X11", AUTHORIZE, CarrierRefused()),
        case("X12", REVERSE, SkuNotFound("LAMP")),
        case("X13", "close_order", OrderNotFound("order")),
    ],
)
async def test_a_refusal_nobody_thought_of_holds_the_order_up_and_moves_nothing(
    step: str, refusal: Exception, orders: RunningOrders, script: Script
) -> None:
    script.always_fail(step, refusal)
    if step != AUTHORIZE:
        script.fail(BOOK, CarrierRefused())
    story = await begun(orders, an_order())

    async def is_held_up() -> bool:
        history = await story.handle.fetch_history()
        return any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)

    await until(is_held_up, seconds=10)
    assert (await story.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert "close_order" not in script.steps
    assert step != AUTHORIZE or "begin_undo" not in script.steps
