"""
Whatever became of a payment, undoing it gives the money back once, or says that it cannot.
"""

import asyncio

import pytest

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import Reversal
from fulfillment.contracts.providers import Told
from fulfillment.domain.errors import (
    CannotTell,
    OutcomeUnknown,
    PaymentDeclined,
    PaymentUnavailable,
    ProviderUnavailable,
    UndoRefused,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from tests.activities.shop import TOTAL, Shop, patient_for
from tests.fixtures.waiting import until

AUTHORIZED = [("authorize", "succeeded")]
VOIDED = [*AUTHORIZED, ("void", "succeeded")]
REFUNDED = [*AUTHORIZED, ("capture", "succeeded"), ("refund", "succeeded")]
ALL_BACK = (0, TOTAL.amount, TOTAL.amount)


async def authorized(shop: Shop, token: str = "tok_visa") -> OrderId:
    order_id = await shop.placed(token=token)
    await shop.authorize(order_id)
    return order_id


async def captured(shop: Shop, token: str = "tok_visa") -> OrderId:
    order_id = await authorized(shop, token)
    await shop.capture(order_id)
    return order_id


async def capture_unheard(shop: Shop) -> OrderId:
    """The money was taken, but the answer was lost."""
    order_id = await authorized(shop)
    shop.control(capture={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await shop.capture(order_id)
    shop.control()
    return order_id


async def states(shop: Shop, order_id: OrderId, *kinds: str) -> list[str | None]:
    return [await shop.state(order_id, OperationKind(kind)) for kind in kinds]


async def test_money_that_is_set_aside_is_let_go_of_once(shop: Shop) -> None:
    order_id = await authorized(shop)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == VOIDED
    assert (row.payment_status, row.authorized) == ("voided", 0)
    assert (await shop.warehouse.events(order_id)).count("payment_voided") == 1
    assert await states(shop, order_id, "authorize", "void") == ["undone", "done"]


async def test_money_that_was_taken_is_given_back_once(shop: Shop) -> None:
    order_id = await captured(shop)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == REFUNDED
    assert (row.payment_status, row.authorized, row.captured, row.refunded) == ("refunded", *ALL_BACK)
    assert (await shop.warehouse.events(order_id)).count("payment_refunded") == 1
    assert await states(shop, order_id, "authorize", "capture", "void", "refund") == [*["undone"] * 3, "done"]


@pytest.mark.parametrize("happened", [authorized, captured])
async def test_attempts_that_run_side_by_side_give_the_money_back_once(happened: object, shop: Shop) -> None:
    order_id = await happened(shop)  # type: ignore[operator]
    await shop.begin_undo(order_id)
    await asyncio.gather(*(shop.reverse(order_id) for _ in range(4)))

    assert shop.ledger(order_id) == (VOIDED if happened is authorized else REFUNDED)


async def test_of_what_was_never_asked_nothing_is_undone(shop: Shop) -> None:
    order_id = await shop.placed()
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE

    assert shop.ledger(order_id) == []
    assert await states(shop, order_id, "authorize", "void") == [None, "undone"]
    assert "payment_voided" not in await shop.warehouse.events(order_id)


@pytest.mark.parametrize(("token", "error"), [("tok_down", ProviderUnavailable), ("tok_declined", PaymentDeclined)])
async def test_what_certainly_never_happened_is_not_even_looked_up(
    token: str, error: type[Exception], shop: Shop
) -> None:
    order_id = await shop.placed(token=token)
    for _ in range(2):
        with pytest.raises(error):
            await shop.authorize(order_id)
    shop.control(lookup={"down": True}, void={"down": True})

    assert await shop.reverse(order_id) is Reversal.DONE


async def test_an_authorisation_nobody_told_us_of_is_found_and_undone(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE

    assert shop.ledger(order_id) == VOIDED
    assert (await shop.warehouse.events(order_id))[-2:] == ["payment_authorized", "payment_voided"]


async def test_a_refusal_nobody_told_us_of_leaves_nothing_to_undo(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    shop.sandbox.authorize("tok_declined", key, order_id=str(order_id))

    assert await shop.reverse(order_id) is Reversal.DONE
    assert await states(shop, order_id, "authorize", "void") == ["refused", "undone"]


async def test_a_late_authorisation_is_undone_on_the_second_look(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_late")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    assert await shop.reverse(order_id) is Reversal.LOOK_AGAIN

    async def it_is_done() -> bool:
        return shop.ledger(order_id) == AUTHORIZED

    await until(it_is_done)
    for _ in range(2):
        assert await shop.reverse(order_id, last_look=True) is Reversal.DONE

    assert shop.ledger(order_id) == VOIDED


async def test_what_is_not_found_on_the_second_look_never_happened(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.intend(order_id, OperationKind.AUTHORIZE)
    assert await shop.reverse(order_id) is Reversal.LOOK_AGAIN
    for _ in range(2):
        assert await shop.reverse(order_id, last_look=True) is Reversal.DONE

    assert shop.ledger(order_id) == []
    assert await states(shop, order_id, "authorize", "void") == ["undone", "undone"]


async def unknown_for_too_long(shop: Shop) -> tuple[OrderId, str]:
    """The authorisation may have been made, and the question about it names it."""
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    await shop.grow_old(order_id)
    for last_look in (False, True):
        with pytest.raises(CannotTell) as cannot_tell:
            await shop.reverse(order_id, last_look=last_look)
        assert cannot_tell.value.details == (key,)
    return order_id, key


async def test_what_may_have_happened_too_long_ago_is_undone_under_the_name_an_operator_finds(shop: Shop) -> None:
    order_id, key = await unknown_for_too_long(shop)
    reference = shop.sandbox.authorized(order_id=str(order_id), amount=TOTAL.amount).rsplit("/", 1)[1]
    with pytest.raises(CannotTell):
        await shop.reverse(order_id, told=Told(operation=key))
    for _ in range(2):
        assert await shop.reverse(order_id, told=Told(operation=key, reference=reference)) is Reversal.DONE

    assert shop.ledger(order_id) == VOIDED
    assert await states(shop, order_id, "authorize", "void") == ["undone", "done"]


async def test_what_may_have_happened_too_long_ago_never_did_if_an_operator_says_so(shop: Shop) -> None:
    order_id, key = await unknown_for_too_long(shop)
    shop.control(lookup={"down": True}, void={"down": True})
    for _ in range(2):
        assert await shop.reverse(order_id, told=Told(operation=key, happened=False)) is Reversal.DONE

    assert await states(shop, order_id, "authorize", "void") == ["undone", "undone"]
    assert shop.ledger(order_id) == []


async def test_a_reversal_in_doubt_is_the_question_and_is_made_under_the_next_number(shop: Shop) -> None:
    order_id = await authorized(shop)
    await shop.begin_undo(order_id)
    key = await shop.intend(order_id, OperationKind.VOID)
    await shop.grow_old(order_id)
    with pytest.raises(CannotTell) as cannot_tell:
        await shop.reverse(order_id)
    assert cannot_tell.value.details == (key,)
    for _ in range(2):
        assert await shop.reverse(order_id, n=2) is Reversal.DONE

    assert shop.ledger(order_id) == VOIDED


@pytest.mark.parametrize("happened", [authorized, captured])
async def test_money_a_provider_does_not_know_of_is_somebodys_affair(happened: object, shop: Shop) -> None:
    order_id = await happened(shop)  # type: ignore[operator]
    effect = OperationKind.VOID if happened is authorized else OperationKind.REFUND
    await shop.misspell(order_id, OperationKind.AUTHORIZE)
    for _ in range(2):
        with pytest.raises(UndoRefused):
            await shop.reverse(order_id)

    assert await shop.state(order_id, effect) == "parked"


async def test_money_that_was_taken_without_our_knowing_is_given_back(shop: Shop) -> None:
    order_id = await capture_unheard(shop)
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == REFUNDED
    assert (row.authorized, row.captured, row.refunded) == ALL_BACK
    assert (await shop.warehouse.events(order_id))[-2:] == ["payment_captured", "payment_refunded"]


async def test_money_that_was_taken_under_a_forgotten_key_is_given_back(shop: Shop) -> None:
    order_id = await authorized(shop)
    reference = (await shop.entry(order_id, OperationKind.AUTHORIZE)).provider_reference
    assert shop.sandbox.capture(f"/payments/authorizations/{reference}", TOTAL.amount).status_code == 201
    for _ in range(2):
        assert await shop.reverse(order_id) is Reversal.DONE
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == REFUNDED
    assert (row.payment_status, row.authorized, row.captured, row.refunded) == ("refunded", *ALL_BACK)


async def test_a_capture_that_never_happened_does_not_keep_the_money(shop: Shop) -> None:
    order_id = await authorized(shop)
    await shop.intend(order_id, OperationKind.CAPTURE)

    assert await shop.reverse(order_id) is Reversal.DONE
    assert shop.ledger(order_id) == VOIDED
    assert await states(shop, order_id, "authorize", "capture", "void") == ["undone", "undone", "done"]


async def test_a_capture_that_was_declined_without_our_knowing_stays_declined(shop: Shop) -> None:
    order_id = await authorized(shop, "tok_capture_declined")
    reference = (await shop.entry(order_id, OperationKind.AUTHORIZE)).provider_reference
    key = await shop.intend(order_id, OperationKind.CAPTURE)
    declined = shop.sandbox.capture(f"/payments/authorizations/{reference}", TOTAL.amount, key)
    assert declined.status_code == 402

    assert await shop.reverse(order_id) is Reversal.DONE
    assert shop.balance(order_id) == (0, 0, 0)
    assert await states(shop, order_id, "authorize", "capture", "void") == ["undone", "refused", "done"]


@pytest.mark.parametrize("effect", ["void", "refund"])
async def test_a_reversal_whose_answer_was_lost_is_looked_up(effect: str, shop: Shop) -> None:
    order_id = await (authorized(shop) if effect == "void" else captured(shop))
    shop.control(**{effect: {"lose_answer_rate": 1}})
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    shop.nothing_but_look_ups()

    assert await shop.reverse(order_id) is Reversal.DONE
    assert shop.ledger(order_id) == (VOIDED if effect == "void" else REFUNDED)
    assert await states(shop, order_id, "authorize", effect) == ["undone", "done"]


@pytest.mark.parametrize("effect", ["void", "refund"])
async def test_a_reversal_of_another_number_that_happened_after_all_is_not_made_twice(effect: str, shop: Shop) -> None:
    order_id = await (authorized(shop) if effect == "void" else captured(shop))
    shop.control(**{effect: {"lose_answer_rate": 1}})
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    shop.control()
    for _ in range(2):
        assert await shop.reverse(order_id, n=2) is Reversal.DONE

    assert shop.ledger(order_id) == (VOIDED if effect == "void" else REFUNDED)
    assert (await shop.warehouse.events(order_id))[-1] == f"payment_{effect}ed"
    assert await states(shop, order_id, "authorize", effect) == ["undone", "done"]


@pytest.mark.parametrize("happened", [authorized, captured])
async def test_a_reversal_that_is_refused_is_never_taken_for_done(happened: object, shop: Shop) -> None:
    order_id = await happened(shop, "tok_undo_fails")  # type: ignore[operator]
    effect = OperationKind.VOID if happened is authorized else OperationKind.REFUND
    before = await shop.warehouse.order(order_id)
    for n in (1, 1, 2):
        with pytest.raises(UndoRefused):
            await shop.reverse(order_id, n=n)
    row = await shop.warehouse.order(order_id)

    assert (row.status, row.payment_status) == ("cancelling", before.payment_status)
    assert (row.authorized, row.captured, row.refunded) == shop.balance(order_id)
    assert [await shop.state(order_id, effect, n) for n in (1, 2)] == ["parked", "parked"]


@pytest.mark.parametrize("happened", [authorized, captured])
async def test_an_operator_can_say_that_the_money_is_back(happened: object, shop: Shop) -> None:
    order_id = await happened(shop, "tok_undo_fails")  # type: ignore[operator]
    with pytest.raises(UndoRefused):
        await shop.reverse(order_id)
    effect = OperationKind.VOID if happened is authorized else OperationKind.REFUND
    told = Told(operation=operation_key(order_id, effect, 1))
    for _ in range(2):
        assert await shop.reverse(order_id, told=told) is Reversal.DONE
    row = await shop.warehouse.order(order_id)

    assert (row.payment_status, row.authorized) == ("voided" if happened is authorized else "refunded", 0)
    assert row.captured == row.refunded


@pytest.mark.parametrize("effect", ["void", "refund"])
async def test_patience_with_an_undo_ends_and_an_operator_may_lengthen_it(effect: str, shop: Shop) -> None:
    order_id = await (authorized(shop) if effect == "void" else captured(shop))
    shop.control(**{effect: {"down": True}})
    with pytest.raises(ProviderUnavailable):
        await shop.reverse(order_id, patience=patient_for(2))
    with pytest.raises(PaymentUnavailable):
        await shop.reverse(order_id, patience=patient_for(2))
    with pytest.raises(ProviderUnavailable):
        await shop.reverse(order_id, patience=patient_for(4))
    shop.control()

    assert await shop.reverse(order_id, patience=patient_for(4)) is Reversal.DONE
    assert shop.ledger(order_id) == (VOIDED if effect == "void" else REFUNDED)


async def test_look_ups_nobody_answers_use_patience_up_and_move_nothing(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    shop.control(lookup={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.reverse(order_id, patience=patient_for(2))
    with pytest.raises(PaymentUnavailable):
        await shop.reverse(order_id, patience=patient_for(2))
    shop.control()

    assert await shop.reverse(order_id) is Reversal.DONE
    assert shop.ledger(order_id) == VOIDED


async def test_what_an_authorisation_gave_up_on_is_undone(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(PaymentUnavailable):
        await shop.authorize(order_id, patience=patient_for(1))
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "unknown"

    assert await shop.reverse(order_id) is Reversal.DONE
    assert shop.balance(order_id) == (0, 0, 0)


async def test_another_card_is_undone_under_its_own_number(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    with pytest.raises(PaymentDeclined):
        await shop.authorize(order_id, another_card=True)
    await shop.pay(order_id, "tok_visa")
    await shop.authorize(order_id, n=2)
    await shop.capture(order_id, authorization=2)

    assert await shop.reverse(order_id, authorization=2) is Reversal.DONE
    assert shop.balance(order_id) == ALL_BACK
    assert [await shop.state(order_id, OperationKind.AUTHORIZE, n) for n in (1, 2)] == ["refused", "undone"]
