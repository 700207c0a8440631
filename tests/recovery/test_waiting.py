"""
Orders that wait for their customer, or are disputed: on the real books, with and without a run that is lost meanwhile.
"""

import pytest

from tests.recovery.stage import NOTHING, PAID, TOTAL, Order, Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")

shot_or_not = pytest.mark.parametrize("shot", [False, True], ids=["undisturbed", "shot"])
NO_MONEY = (0, 0, 0)


async def waiting(stage: Stage, *, shot: bool = False) -> Order:
    order = await stage.place_with_a_bank_that_asks()
    if shot:
        await order.shot()
    return order


async def delivered(order: Order) -> None:
    await order.becomes("awaiting_shipment")
    await order.hear("delivered")
    await order.becomes("delivered")


@shot_or_not
async def test_what_the_customer_agrees_to_is_captured(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage, shot=shot)
    assert (await order.read())["payment"]["next_action"]["url"]
    assert await order.customer_acts() == 200
    if shot:
        # Nobody says it again: whoever takes the order over looks at once.
        await order.recover()
    else:
        await order.told("authorized")
    await delivered(order)

    assert (order.done(), order.balance()) == (PAID, (0, TOTAL, 0))
    assert set(await order.operations()) == {"authorize:1", "book:1", "capture:1"}


@shot_or_not
async def test_after_a_refusal_another_card_is_asked_for(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage, shot=shot)
    await order.customer_acts(agree=False)
    await (order.recover() if shot else order.told("failed"))
    await order.knows("authorize:1", "refused")
    assert (await order.read())["payment"]["next_action"] is None
    await order.pay()
    await delivered(order)

    assert [row for row in order.done() if row[1] == "succeeded"] == PAID


@shot_or_not
async def test_another_card_ends_the_payment_that_waits(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage, shot=shot)
    if shot:
        await order.recover()
    await order.pay()
    await delivered(order)

    assert order.balance() == (0, TOTAL, 0)
    assert await order.operations() == {
        "authorize:1": "undone",
        "close:1": "done",
        "authorize:2": "done",
        "book:1": "done",
        "capture:1": "done",
    }


@shot_or_not
async def test_nobody_agrees_to_an_old_total(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage)
    await order.amend(500)
    await order.knows("close:1", "done")
    assert await order.customer_acts() == 409
    assert (await order.read())["payment"]["next_action"] is None
    if shot:
        await order.shot()
        await order.recover()
    await order.pay()
    await delivered(order)

    assert order.balance() == (0, 500, 0)


@shot_or_not
async def test_what_costs_nothing_any_more_lets_go_of_its_payment(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage)
    if shot:
        stage.troubled(void={"down": True})
    await order.amend(0)
    if shot:
        await order.failed("close:1")
        await order.shot()
        stage.troubled()
        await order.recover()
    await order.becomes("awaiting_shipment")
    assert await order.customer_acts() == 409
    await delivered(order)

    assert order.balance() == NO_MONEY
    assert await order.operations() == {"authorize:1": "undone", "close:1": "done", "book:1": "done"}


@shot_or_not
async def test_a_refusal_that_is_found_when_the_payment_is_ended_is_told(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage)
    await order.customer_acts(agree=False)
    await order.amend(500)
    await order.knows("authorize:1", "refused")
    if shot:
        await order.shot()
        await order.recover()
    read = await order.becomes("awaiting_payment")
    assert (read["payment"]["status"], read["payment"]["next_action"]) == ("failed", None)
    assert "payment_declined" in await order.events()
    await order.pay()
    await delivered(order)

    assert order.balance() == (0, 500, 0)


@shot_or_not
async def test_it_is_cancelled_while_somebody_looks_again(stage: Stage, *, shot: bool) -> None:
    order = await waiting(stage)
    stage.troubled(lookup={"down": True})
    await order.customer_acts()
    await order.told("authorized")
    await order.failed("authorize:1")
    if shot:
        await order.shot()
    else:
        await order.ask("cancel", reason="changed my mind")
    stage.troubled()
    if shot:
        await order.recover(undo=True)
    await order.becomes("cancelled")

    assert order.balance() == NO_MONEY
    assert order.done() == [("authorize", "succeeded"), ("void", "succeeded")]


async def test_another_card_is_not_taken_before_the_payment_is_ended(stage: Stage) -> None:
    order = await waiting(stage)
    stage.troubled(void={"down": True})
    await order.pay()
    await order.failed("close:1")
    await order.shot()
    stage.troubled()

    await order.recover()
    assert (await order.read())["status"] == "awaiting_payment"
    await order.pay()
    await delivered(order)

    assert (order.balance(), (await order.operations())["authorize:1"]) == ((0, TOTAL, 0), "undone")


@pytest.mark.parametrize("everything", [False, True], ids=["its entry", "its row"])
async def test_a_payment_the_books_have_lost_is_found_and_waited_for(stage: Stage, *, everything: bool) -> None:
    order = await waiting(stage, shot=True)
    if everything:
        await order.put_back(NOTHING)
    else:
        await order.forgets("authorize:1")

    await order.recover()
    await order.customer_acts()
    await order.told("authorized")
    await delivered(order)

    assert (order.done(), order.balance()) == (PAID, (0, TOTAL, 0))


async def test_an_ended_payment_the_books_have_lost_is_not_waited_for(stage: Stage) -> None:
    order = await waiting(stage)
    await order.amend(500)
    await order.knows("close:1", "done")
    await order.shot()
    await order.forgets("authorize:1", "close:1")

    await order.recover()
    await order.becomes("awaiting_payment")
    await order.pay()
    await delivered(order)

    assert order.balance() == (0, 500, 0)


async def disputed(stage: Stage) -> Order:
    order = await stage.place()
    await order.becomes("awaiting_shipment")
    await order.told("disputed")
    await order.asks("provider_dispute")
    return order


@shot_or_not
async def test_a_dispute_stays_until_it_is_answered(stage: Stage, *, shot: bool) -> None:
    order = await disputed(stage)
    if shot:
        await order.shot()
        await order.recover()
    await order.asks("provider_dispute")
    await order.ask("actions/resolved_by_hand", reason="sent them the papers")
    await delivered(order)

    assert (await order.events()).count("attention_needed") == 1 + shot


@shot_or_not
async def test_a_dispute_nobody_answers_is_not_lost(stage: Stage, *, shot: bool) -> None:
    """Neither with the pick-up, nor with the run, nor with the delivery."""
    order = await disputed(stage)
    await order.hear("picked_up")
    await order.attends("provider_dispute", ["resolved_by_hand"])
    if shot:
        await order.shot()
        await order.recover()
    await order.hear("delivered")
    await order.becomes("delivered")

    await order.attends("provider_dispute", ["resolved_by_hand"])
    await order.ask("actions/resolved_by_hand", reason="sent them the papers")


async def test_a_dispute_that_was_answered_is_not_asked_about_again(stage: Stage) -> None:
    order = await disputed(stage)
    await order.ask("actions/resolved_by_hand", reason="sent them the papers")
    await order.becomes("awaiting_shipment")
    await order.shot()

    await order.recover()
    await delivered(order)

    assert (await order.events()).count("attention_needed") == 1


async def test_a_dispute_while_another_question_is_open_survives_the_run(stage: Stage) -> None:
    order = await disputed(stage)
    await order.hear("lost")
    await order.attends("lost", ["found", "refund", "reship"])
    await order.shot()

    await order.recover()
    await order.asks("lost")
    await order.ask("actions/found", reason="seen in the yard")
    await order.asks("provider_dispute")
    await order.ask("actions/resolved_by_hand", reason="sent them the papers")
    await order.hear("delivered")
    await order.becomes("delivered")


async def test_a_dispute_is_a_reason_to_cancel(stage: Stage) -> None:
    order = await disputed(stage)
    await order.ask("actions/cancel", reason="we do not want their money")
    await order.becomes("cancelled")

    assert (order.balance(), order.parcels()) == ((0, TOTAL, TOTAL), ["cancelled"])
