"""
Money moves once, however often a step runs and wherever it dies.
"""

import asyncio

import pytest

from fulfillment.activities.payments import ReversalRefused
from fulfillment.domain.errors import (
    DomainError,
    InsufficientFunds,
    OutcomeUnknown,
    PaymentDeclined,
    ProviderUnavailable,
)
from fulfillment.domain.operations import OperationKind
from tests.activities.shop import TOTAL, Shop
from tests.fixtures.logs import LogLines

AUTHORIZED = [("authorize", "succeeded")]
CAPTURED = [*AUTHORIZED, ("capture", "succeeded")]
VOIDED = [*AUTHORIZED, ("void", "succeeded")]


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
    shop.sandbox.put("/control", json={"capture": {"lose_answer_rate": 1}})
    with pytest.raises(OutcomeUnknown):
        await shop.capture(order_id)
    shop.nothing_but_look_ups()
    await shop.capture(order_id)

    assert shop.balance(order_id) == (0, TOTAL.amount, 0)
    assert shop.ledger(order_id) == CAPTURED


async def test_a_provider_that_fails_twice_is_asked_a_third_time(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_flaky")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable) as unavailable:
            await shop.authorize(order_id)
        assert unavailable.value.retry_after is not None
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
    shop.sandbox.put("/control", json={"lookup": {"down": True}})
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


async def test_a_reversal_lets_go_of_the_money_once(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    for _ in range(2):
        await shop.reverse(order_id)
    row = await shop.warehouse.order(order_id)

    assert shop.ledger(order_id) == VOIDED
    assert (row.payment_status, row.authorized) == ("voided", 0)
    assert (await shop.warehouse.events(order_id)).count("payment_voided") == 1


async def test_a_reversal_of_what_never_happened_does_nothing(shop: Shop) -> None:
    order_id = await shop.placed()
    for _ in range(2):
        await shop.reverse(order_id)

    assert shop.ledger(order_id) == []
    assert await shop.state(order_id, OperationKind.VOID) == "undone"
    assert "payment_voided" not in await shop.warehouse.events(order_id)


async def test_a_reversal_finds_the_authorisation_nobody_told_us_of(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_lost_answer")
    with pytest.raises(OutcomeUnknown):
        await shop.authorize(order_id)
    await shop.reverse(order_id)

    assert shop.ledger(order_id) == VOIDED
    assert shop.balance(order_id) == (0, 0, 0)


async def test_a_reversal_whose_answer_was_lost_is_looked_up(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.authorize(order_id)
    shop.sandbox.put("/control", json={"void": {"lose_answer_rate": 1}})
    with pytest.raises(OutcomeUnknown):
        await shop.reverse(order_id)
    shop.nothing_but_look_ups()
    await shop.reverse(order_id)

    assert shop.ledger(order_id) == VOIDED
    assert (await shop.warehouse.order(order_id)).payment_status == "voided"


async def test_a_reversal_that_is_refused_is_never_taken_for_done(shop: Shop) -> None:
    order_id = await shop.placed(token="tok_undo_fails")
    await shop.authorize(order_id)
    for _ in range(2):
        with pytest.raises(ReversalRefused):
            await shop.reverse(order_id)
    row = await shop.warehouse.order(order_id)

    assert (row.status, row.payment_status, row.authorized) == ("cancelling", "authorized", TOTAL.amount)
    assert "payment_voided" not in await shop.warehouse.events(order_id)


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
