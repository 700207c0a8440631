"""
Orders whose workflow was terminated, wherever they were: taken over, they go on, or are undone.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.recovery.stage import PAID, TOTAL, Order, Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")

Place = Callable[[Stage], Awaitable[Order]]


async def awaiting_payment(stage: Stage) -> Order:
    order = await stage.place(payment=None)
    await order.becomes("awaiting_payment")
    return order


async def authorizing(stage: Stage) -> Order:
    stage.troubled(authorize={"lose_answer_rate": 1}, lookup={"down": True})
    order = await stage.place()
    await order.failed("authorize:1")
    return order


async def authorized(stage: Stage) -> Order:
    stage.troubled(book={"down": True})
    order = await stage.place()
    await order.failed("book:1")
    return order


async def booked(stage: Stage) -> Order:
    stage.troubled(capture={"down": True})
    order = await stage.place()
    await order.failed("capture:1")
    return order


async def captured_without_an_answer(stage: Stage) -> Order:
    stage.troubled(capture={"lose_answer_rate": 1}, lookup={"down": True})
    order = await stage.place()
    await order.failed("capture:1")
    return order


async def capture_overdue(stage: Stage) -> Order:
    order = await booked(stage)
    await order.asks("capture_overdue")
    return order


async def awaiting_shipment(stage: Stage) -> Order:
    order = await stage.place()
    await order.becomes("awaiting_shipment")
    return order


BEFORE_THE_PICK_UP: tuple[Place, ...] = (
    awaiting_payment,
    authorizing,
    authorized,
    booked,
    captured_without_an_answer,
    capture_overdue,
    awaiting_shipment,
)
anywhere_before_the_pick_up = pytest.mark.parametrize("reach", BEFORE_THE_PICK_UP, ids=lambda reach: reach.__name__)


@anywhere_before_the_pick_up
async def test_a_terminated_order_goes_on_to_the_door(stage: Stage, reach: Place) -> None:
    order = await reach(stage)
    await order.shot()
    stage.troubled()

    await order.recover()
    if reach is awaiting_payment:
        await order.pay()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert (order.done(), order.balance(), len(order.parcels())) == (PAID, (0, TOTAL, 0), 1)


@anywhere_before_the_pick_up
async def test_a_terminated_order_is_undone_if_that_is_wanted(stage: Stage, reach: Place) -> None:
    order = await reach(stage)
    await order.shot()
    stage.troubled()

    await order.recover(undo=True)
    ended = await order.becomes("cancelled")

    authorized, captured, refunded = order.balance()
    assert (authorized, captured) == (0, refunded)
    assert set(order.parcels()) <= {"cancelled"}
    assert ended["failure"]["code"] == "cancelled"


@pytest.mark.parametrize("undo", [False, True])
async def test_an_undo_that_was_terminated_is_finished(stage: Stage, *, undo: bool) -> None:
    order = await awaiting_shipment(stage)
    stage.troubled(refund={"down": True})
    await order.ask("cancel", reason="changed my mind")
    await order.failed("refund:1")
    await order.shot()
    stage.troubled()

    await order.recover(undo=undo)
    await order.becomes("cancelled")

    assert (order.balance(), order.parcels()) == ((0, TOTAL, TOTAL), ["cancelled"])
    assert [kind for kind, _ in order.done()] == ["authorize", "capture", "refund"]


async def test_an_undo_that_was_refused_is_tried_once_more_and_then_asks_again(stage: Stage) -> None:
    order = await stage.place(payment={"method": "card", "token": "tok_undo_fails"})
    await order.becomes("awaiting_shipment")
    await order.ask("cancel", reason="changed my mind")
    await order.asks("undo_failed")
    await order.shot()

    await order.recover()
    await order.asks("undo_failed")
    assert (await order.operations())["refund:2"] == "parked"
    await order.ask("actions/resolved_by_hand", reason="wired the money")
    await order.becomes("cancelled")


async def test_a_shipped_order_goes_on_and_is_not_undone(stage: Stage) -> None:
    order = await awaiting_shipment(stage)
    await order.hear("picked_up")
    await order.becomes("shipped")
    await order.shot()

    await order.recover(undo=True)
    await order.hear("delivered")
    await order.becomes("delivered")

    assert "cancellation_refused" in await order.events()
    assert order.done() == PAID


@pytest.mark.parametrize(("answer", "end"), [("found", "delivered"), ("refund", "cancelled")])
async def test_what_was_asked_about_a_lost_parcel_is_asked_again(stage: Stage, answer: str, end: str) -> None:
    order = await _lost(stage)
    await order.shot()

    await order.recover()
    await order.asks("lost")
    await order.ask(f"actions/{answer}", reason="seen in the yard")
    if answer == "found":
        await order.hear("delivered")
    await order.becomes(end)

    assert order.balance() == (0, TOTAL, 0 if end == "delivered" else TOTAL)


async def test_the_second_parcel_of_a_paid_order_is_booked_without_another_payment(stage: Stage) -> None:
    order = await _lost(stage)
    stage.troubled(book={"down": True})
    await order.ask("actions/reship", reason="send another one")
    await order.failed("book:2")
    await order.shot()
    stage.troubled()

    await order.recover()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert (order.done(), len(order.parcels())) == (PAID, 2)


@pytest.mark.parametrize("undo", [False, True])
async def test_the_lost_parcel_is_not_taken_for_the_second_one_that_nobody_has_asked_for_yet(
    stage: Stage, *, undo: bool
) -> None:
    order = await _lost(stage)
    stage.troubled(book={"down": True})
    await order.ask("actions/reship", reason="send another one")
    await order.failed("book:2")
    await order.shot()
    await order.forgets("book:2")
    stage.troubled()

    await order.recover(undo=undo)
    if undo:
        await order.becomes("cancelled")
        assert (order.balance(), len(order.parcels())) == ((0, TOTAL, TOTAL), 1)
        return
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")
    assert (order.done(), len(order.parcels())) == (PAID, 2)


async def test_a_second_parcel_that_was_asked_for_is_kept_back(stage: Stage) -> None:
    order = await _lost(stage)
    stage.troubled(book={"lose_answer_rate": 1}, lookup={"down": True})
    await order.ask("actions/reship", reason="send another one")
    await order.failed("book:2")
    await order.shot()
    stage.troubled()

    await order.recover(undo=True)
    await order.becomes("cancelled")

    assert order.parcels()[1:] == ["cancelled"]
    assert order.balance() == (0, TOTAL, TOTAL)


async def test_what_a_carrier_said_while_nobody_listened_is_heard(stage: Stage) -> None:
    order = await awaiting_shipment(stage)
    await order.shot()
    await order.hear("picked_up")
    await order.hear("delivered")

    await order.recover()

    await order.becomes("delivered")
    assert order.done() == PAID
    assert [(await order.events()).count(kind) for kind in ("order_shipped", "order_delivered")] == [1, 1]


async def test_an_order_is_recovered_as_often_as_it_is_shot(stage: Stage) -> None:
    order = await _lost(stage)

    for _ in range(3):
        await order.shot()
        await order.recover()
    await order.asks("lost")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert order.done() == PAID


async def test_a_running_order_cannot_be_taken_over(stage: Stage) -> None:
    order = await awaiting_shipment(stage)

    refused = await order.ask("recover", 409, reason="impatience")
    await order.shot()
    await order.recover()
    again = await order.ask("recover", 409, reason="impatience")

    assert [refused["code"], again["code"]] == ["order_is_running"] * 2
    await order.hear("delivered")
    await order.becomes("delivered")


async def test_an_order_that_has_ended_is_left_alone(stage: Stage) -> None:
    order = await stage.place(payment={"method": "card", "token": "tok_declined"})
    before = await order.becomes("rejected")

    assert await order.ask("recover", 200, reason="impatience", undo=True) == before


async def test_an_order_nobody_placed_cannot_be_recovered(stage: Stage) -> None:
    nobody = "/v1/orders/00000000-0000-4000-8000-000000000000/recover"

    answer = await stage.api.post(nobody, json={"reason": "a slip of the pen"})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_order_whose_history_is_gone_goes_on_from_its_row(stage: Stage) -> None:
    order = await stage.known_to_the_database_alone()

    await order.recover()
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")

    assert order.done() == PAID


async def _lost(stage: Stage) -> Order:
    order = await awaiting_shipment(stage)
    await order.hear("picked_up")
    await order.becomes("shipped")
    await order.hear("lost")
    await order.asks("lost")
    return order
