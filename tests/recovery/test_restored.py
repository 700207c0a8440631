"""
Orders in a database that was put back to an earlier minute: providers remember what it has forgotten.
"""

from datetime import timedelta

import pytest

from tests.recovery.stage import NOTHING, PAID, TOTAL, Order, Stage
from tests.recovery.test_terminated import Place, authorized, awaiting_shipment, booked, captured_without_an_answer

pytestmark = pytest.mark.asyncio(loop_scope="package")

NEWER = pytest.mark.parametrize(
    "reach", [authorized, booked, captured_without_an_answer, awaiting_shipment], ids=lambda reach: reach.__name__
)


@NEWER
async def test_a_missing_row_is_written_again_and_nothing_is_done_twice(stage: Stage, reach: Place) -> None:
    order = await _left(stage, reach)
    await order.put_back(NOTHING)

    await order.recover()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert (order.done(), order.balance(), len(order.parcels())) == (PAID, (0, TOTAL, 0), 1)
    assert set((await order.operations()).values()) == {"done"}


@NEWER
async def test_what_a_missing_row_knew_of_is_undone_all_the_same(stage: Stage, reach: Place) -> None:
    order = await _left(stage, reach)
    await order.put_back(NOTHING)

    await order.recover(undo=True)
    await order.becomes("cancelled")

    authorized, captured, refunded = order.balance()
    assert (authorized, captured) == (0, refunded)
    assert set(order.parcels()) <= {"cancelled"}


async def test_a_missing_row_whose_stock_is_sold_is_undone(stage: Stage) -> None:
    order = await _left(stage, awaiting_shipment)
    await order.put_back(NOTHING)
    await stage.stocked(1)

    await order.recover()
    ended = await order.becomes("rejected")

    assert ended["failure"]["code"] == "stock_short"
    assert (order.balance(), order.parcels()) == ((0, TOTAL, TOTAL), ["cancelled"])


async def test_a_missing_row_whose_reference_was_given_away_is_undone(stage: Stage) -> None:
    order = await stage.place(reference="R-1")
    await order.becomes("awaiting_shipment")
    await order.shot()
    await order.put_back(NOTHING)
    other = await stage.place(reference="R-1")
    await other.becomes("awaiting_shipment")

    await order.recover()
    ended = await order.becomes("rejected")

    assert ended["failure"]["code"] == "reference_taken"
    assert order.balance() == (0, TOTAL, TOTAL)
    await other.hear("delivered")
    await other.becomes("delivered")


async def test_a_row_that_was_put_back_finds_what_happened_since(stage: Stage) -> None:
    stage.troubled(authorize={"down": True})
    order = await stage.place()
    await order.failed("authorize:1")
    minute = await order.minute()
    stage.troubled()
    await order.becomes("awaiting_shipment")
    await order.shot()
    await order.put_back(minute)

    await order.recover()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert (order.done(), len(order.parcels())) == (PAID, 1)


async def test_a_card_that_was_given_in_the_lost_time_is_not_asked_for_again(stage: Stage) -> None:
    order = await stage.place(payment=None)
    await order.becomes("awaiting_payment")
    minute = await order.minute()
    await order.pay()
    await order.becomes("awaiting_shipment")
    await order.shot()
    await order.put_back(minute)

    await order.recover()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert order.done() == PAID


async def test_what_providers_have_forgotten_too_is_found_out_by_an_operator(stage: Stage) -> None:
    stage.troubled(authorize={"down": True})
    order = await stage.place()
    await order.failed("authorize:1")
    await order.shot()
    await order.forgets("authorize:1")
    await order.grows_old(timedelta(hours=24))
    stage.troubled()

    await order.recover()
    for operation in ("authorize", "book", "capture"):
        await order.asks("outcome_unknown")
        assert order.done() == ([] if operation == "authorize" else PAID[:1])
        assert (await order.read())["attention"]["operation"] == f"{order.id}:{operation}:1"
        await order.ask("actions/it_did_not", reason="not in their books")
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert (order.done(), order.balance(), len(order.parcels())) == (PAID, (0, TOTAL, 0), 1)


async def test_an_undo_that_is_forgotten_is_done_again_on_paper_only(stage: Stage) -> None:
    order = await awaiting_shipment(stage)
    minute = await order.minute()
    await order.ask("cancel", reason="changed my mind")
    await order.becomes("cancelled")
    await order.put_back(minute)

    await order.recover()
    await order.becomes("cancelled")

    assert [kind for kind, _ in order.done()] == ["authorize", "capture", "refund"]
    assert (order.balance(), order.parcels()) == ((0, TOTAL, TOTAL), ["cancelled"])


async def _left(stage: Stage, reach: Place) -> Order:
    order = await reach(stage)
    await order.shot()
    stage.troubled()
    return order
