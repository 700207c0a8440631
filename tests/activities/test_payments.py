"""
Money moves once, however often a step runs and wherever it dies.
"""

import asyncio
from datetime import timedelta

import pytest

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import Reversal
from fulfillment.contracts.providers import Told
from fulfillment.db.changes import OutOfStep
from fulfillment.domain.errors import (
    CannotTell,
    DomainError,
    InsufficientFunds,
    OutcomeUnknown,
    PaymentDeclined,
    ProviderUnavailable,
)
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from tests.activities.shop import TOTAL, Shop
from tests.fixtures.logs import LogLines
from tests.fixtures.waiting import until

AUTHORIZED = [("authorize", "succeeded")]
CAPTURED = [*AUTHORIZED, ("capture", "succeeded")]


async def test_steps_that_run_twice_move_the_money_once(shop: Shop) -> None:
    order_id = await shop.placed()
    for step in (shop.authorize, shop.capture):
        await step(order_id)
        await step(order_id)
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == CAPTURED
    assert (row.status, row.payment_status) == ("awaiting_shipment", "captured")
    assert (row.authorized, row.captured, row.refunded) == shop.balance(order_id) == (0, TOTAL.amount, 0)
    assert (await shop.warehouse.events(order_id))[2:] == ["payment_authorized", "payment_captured"]


async def test_an_attempt_that_still_runs_when_the_next_begins_moves_the_money_once(shop: Shop) -> None:
    order_id = await shop.placed()
    await asyncio.gather(*(shop.authorize(order_id) for _ in range(4)))
    await asyncio.gather(*(shop.capture(order_id) for _ in range(4)))

    assert shop.ledger(order_id) == CAPTURED
    assert (await shop.warehouse.events(order_id))[2:] == ["payment_authorized", "payment_captured"]


async def test_a_worker_that_died_after_the_call_finds_what_it_did(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    assert shop.sandbox.authorize(key=key, order_id=str(order_id), amount=TOTAL.amount).status_code == 201
    shop.nothing_but_look_ups()
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == AUTHORIZED
    assert (await shop.warehouse.order(order_id)).authorized == TOTAL.amount
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "done"


async def test_a_worker_that_died_before_the_call_makes_it(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.intend(order_id, OperationKind.AUTHORIZE)
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == AUTHORIZED


async def test_an_answer_that_was_lost_is_looked_up_not_asked_for_again(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "unknown"
    shop.nothing_but_look_ups()
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == AUTHORIZED
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "done"


async def test_the_lost_answer_to_a_capture_is_looked_up_too(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    shop.control(capture={"lose_answer_rate": 1})
    with pytest.raises(OutcomeUnknown):
        await shop.capture(order_id)
    shop.nothing_but_look_ups()
    await shop.capture(order_id)

    assert shop.balance(order_id) == (0, TOTAL.amount, 0)
    assert shop.ledger(order_id) == CAPTURED


async def test_a_provider_that_fails_twice_is_asked_a_third_time(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_flaky")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await shop.authorize(order_id)
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == AUTHORIZED


async def test_a_provider_that_is_down_has_done_nothing(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_down")
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await shop.authorize(order_id)

    assert shop.ledger(order_id) == []
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "intended"


async def test_as_long_as_nobody_can_say_what_happened_nothing_more_is_asked(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    shop.control(lookup={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.authorize(order_id)

    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "unknown"


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        ("tok_declined", PaymentDeclined),
        ("tok_insufficient_funds", InsufficientFunds),
        ("tok_nobody_knows", PaymentDeclined),
    ],
)
async def test_a_refusal_keeps_its_code_and_is_asked_for_once(
    token: str, refusal: type[DomainError], shop: Shop
) -> None:
    order_id = await shop.placed(token=token)
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as refused:
            await shop.authorize(order_id)
        assert type(refused.value) is refusal
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == [("authorize", "declined")]
    assert (row.status, row.payment_status, row.authorized) == ("processing", "failed", 0)
    assert (await shop.warehouse.events(order_id)).count("payment_declined") == 1


async def test_a_refusal_whose_answer_was_lost_is_still_a_refusal(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_insufficient_funds")
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    body = {"order_id": str(order_id), "amount": TOTAL.amount}
    assert shop.sandbox.authorize("tok_insufficient_funds", key, **body).status_code == 402

    with pytest.raises(InsufficientFunds):
        await shop.authorize(order_id)


async def test_a_capture_that_is_declined_takes_nothing(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_capture_declined")
    await shop.authorize(order_id)
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await shop.capture(order_id)

    assert shop.balance(order_id)[1] == 0
    assert (await shop.warehouse.order(order_id)).status == "processing"


async def test_a_capture_that_is_declined_is_on_the_timeline_once_and_may_be_tried_under_another_number(
    shop: Shop,
) -> None:
    order_id = await shop.placed(token="tok_capture_declined")
    await shop.authorize(order_id)
    for n in (1, 1, 2):
        with pytest.raises(PaymentDeclined):
            await shop.capture(order_id, n=n)

    assert await shop.state(order_id, OperationKind.CAPTURE) == "refused"
    assert (await shop.warehouse.events(order_id)).count("payment_declined") == 2


async def test_a_parcel_that_has_left_already_is_paid_without_a_step_back(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.warehouse.become(order_id, OrderStatus.SHIPPED)
    for _ in range(2):
        await shop.capture(order_id, shipped=True)
    row = await shop.warehouse.order(order_id)

    assert (row.status, row.payment_status, row.captured) == ("shipped", "captured", TOTAL.amount)


async def test_an_answer_that_comes_after_all_is_found_and_not_asked_for_again(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_late")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await shop.authorize(order_id)
    assert shop.ledger(order_id) == []

    async def it_is_done() -> bool:
        return shop.ledger(order_id) == AUTHORIZED

    await until(it_is_done)
    shop.nothing_but_look_ups()
    await shop.authorize(order_id)

    assert shop.balance(order_id) == (TOTAL.amount, 0, 0)


async def test_after_a_declined_card_the_order_waits_for_another_one(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await shop.authorize(order_id, another_card=True)
    row = await shop.warehouse.order(order_id)

    assert (row.status, row.payment_status, row.payment_token) == ("awaiting_payment", "failed", None)
    assert (await shop.warehouse.events(order_id))[2:] == ["payment_declined", "payment_requested"]
    assert row.payment_due_at - row.updated_at == timedelta(days=7)


async def test_another_declined_card_does_not_begin_the_days_to_pay_anew(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_declined")
    with pytest.raises(PaymentDeclined):
        await shop.authorize(order_id, another_card=True)
    due = (await shop.warehouse.order(order_id)).payment_due_at
    await shop.pay(order_id, "tok_insufficient_funds")
    with pytest.raises(InsufficientFunds):
        await shop.authorize(order_id, n=2, another_card=True)
    row = await shop.warehouse.order(order_id)

    assert (row.status, row.payment_due_at) == ("awaiting_payment", due)
    assert (await shop.warehouse.events(order_id)).count("payment_requested") == 2


async def test_what_may_have_happened_too_long_ago_is_not_done_again(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_visa")
    await shop.intend(order_id, OperationKind.AUTHORIZE)
    await shop.grow_old(order_id)
    for _ in range(2):
        with pytest.raises(CannotTell):
            await shop.authorize(order_id)

    assert shop.ledger(order_id) == []


async def test_what_certainly_never_happened_is_done_however_old_it_is(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(authorize={"down": True})
    with pytest.raises(ProviderUnavailable):
        await shop.authorize(order_id)
    await shop.grow_old(order_id)
    shop.control(lookup={"down": True})
    await shop.authorize(order_id)

    assert shop.ledger(order_id) == AUTHORIZED


async def test_an_operator_can_say_that_it_happened_if_he_knows_its_name(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    reference = shop.sandbox.authorized(order_id=str(order_id), amount=TOTAL.amount).rsplit("/", 1)[1]
    with pytest.raises(CannotTell):
        await shop.authorize(order_id, told=Told(operation=key))
    for _ in range(2):
        await shop.authorize(order_id, told=Told(operation=key, reference=reference))
    await shop.capture(order_id)

    assert shop.ledger(order_id) == CAPTURED
    assert (await shop.warehouse.events(order_id))[2:] == ["payment_authorized", "payment_captured"]


async def test_an_operator_can_say_that_the_money_was_taken(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    told = Told(operation=operation_key(order_id, OperationKind.CAPTURE, 1))
    for _ in range(2):
        await shop.capture(order_id, told=told)

    assert shop.ledger(order_id) == AUTHORIZED
    assert (await shop.warehouse.order(order_id)).status == "awaiting_shipment"


async def test_what_an_operator_says_about_something_else_is_no_answer(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    await shop.capture(order_id, told=Told(operation=operation_key(order_id, OperationKind.AUTHORIZE, 1)))

    assert shop.ledger(order_id) == CAPTURED


async def test_money_that_is_not_set_aside_any_more_cannot_be_taken_which_is_final(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    reference = (await shop.entry(order_id, OperationKind.AUTHORIZE)).provider_reference
    assert shop.sandbox.void(f"/payments/authorizations/{reference}").status_code == 201

    await _is_declined(shop, order_id)


async def test_money_a_provider_never_heard_of_cannot_be_taken_which_is_final(shop: Shop) -> None:
    order_id = await shop.placed()
    key = await shop.intend(order_id, OperationKind.AUTHORIZE)
    await shop.authorize(order_id, told=Told(operation=key, reference="auth_misspelt"))

    await _is_declined(shop, order_id)


async def _is_declined(shop: Shop, order_id: OrderId) -> None:
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await shop.capture(order_id)
    assert await shop.state(order_id, OperationKind.CAPTURE) == "refused"
    assert (await shop.warehouse.order(order_id)).status == "processing"
    assert (await shop.warehouse.events(order_id))[-1] == "payment_declined"


@pytest.mark.parametrize("step", ["authorize", "capture", "book"])
async def test_an_attempt_that_comes_after_the_order_went_on_asks_nobody(step: str, shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.intend(order_id, OperationKind(step))
    await shop.begin_undo(order_id)
    with pytest.raises(OutOfStep):
        await getattr(shop, step)(order_id)

    assert (shop.ledger(order_id), shop.parcels(order_id)) == ([], [])


async def test_an_attempt_that_is_overtaken_by_the_undo_changes_nothing_of_it(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(authorize={"latency_ms": [600, 600]})
    late = asyncio.create_task(shop.authorize(order_id))

    async def it_is_intended() -> bool:
        return await shop.state(order_id, OperationKind.AUTHORIZE) == "intended"

    await until(it_is_intended)
    assert await shop.reverse(order_id) is Reversal.LOOK_AGAIN
    with pytest.raises(OutOfStep):
        await late
    assert await shop.reverse(order_id, last_look=True) is Reversal.DONE

    assert shop.balance(order_id) == (0, 0, 0)
    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "undone"


async def test_a_failure_that_is_heard_of_after_the_undo_changes_nothing_of_it(shop: Shop) -> None:
    order_id = await shop.placed()
    shop.control(authorize={"latency_ms": [600, 600], "down": True})
    late = asyncio.create_task(shop.authorize(order_id))

    async def it_is_intended() -> bool:
        return await shop.state(order_id, OperationKind.AUTHORIZE) == "intended"

    await until(it_is_intended)
    assert await shop.reverse(order_id, last_look=True) is Reversal.DONE
    with pytest.raises(ProviderUnavailable):
        await late

    assert await shop.state(order_id, OperationKind.AUTHORIZE) == "undone"


@pytest.mark.parametrize("end", ["capture", "reverse"])
async def test_the_card_is_forgotten_once_no_payment_may_need_it(end: str, shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    assert (await shop.warehouse.order(order_id)).payment_token is not None
    await getattr(shop, end)(order_id)
    row = await shop.warehouse.order(order_id)

    assert (row.payment_token, row.payment_token_key) == (None, None)


async def test_what_goes_wrong_names_no_card_and_no_address(shop: Shop, log_lines: LogLines) -> None:
    outcomes: list[object] = []
    for special in ({"token": "tok_declined"}, {"token": "tok_flaky"}, {"token": "tok_lost_answer"}):
        order_id = await shop.placed(**special)
        outcomes += await asyncio.gather(shop.authorize(order_id), return_exceptions=True)
    for postal_code in ("TEST-REFUSED", "TEST-FLAKY", "TEST-LOST-ANSWER"):
        order_id = await shop.placed(postal_code=postal_code)
        outcomes += await asyncio.gather(shop.book(order_id), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    told = f"{errors} {log_lines()}"

    assert len(errors) == 6
    assert not [secret for secret in ("tok_", "Lovelace", "Weg 1", "TEST-") if secret in told]
