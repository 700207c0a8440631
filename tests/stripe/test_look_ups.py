"""
What is found at Stripe, by the payment and, when our ledger was lost, by the order.
"""

from collections.abc import Awaitable, Callable

import pytest

from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import FailureCode
from fulfillment.gateways.answers import Answer
from tests.stripe.stand import Stand

KINDS = (OperationKind.AUTHORIZE, OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND)
DECLINED = Answer(refusal=FailureCode.PAYMENT_DECLINED)

Found = dict[OperationKind, Answer]


async def _by_payment(stand: Stand) -> Found:
    return await _found(stand.find)


async def _by_order(stand: Stand) -> Found:
    return await _found(stand.search)


async def _found(ask: Callable[[OperationKind], Awaitable[Answer | None]]) -> Found:
    answers = {kind: await ask(kind) for kind in KINDS}
    return {kind: answer for kind, answer in answers.items() if answer is not None}


async def test_nothing_is_found_of_an_order_stripe_never_heard_of(stand: Stand) -> None:
    stand.payment = "pi_misspelt"

    assert await _by_payment(stand) == await _by_order(stand) == {}


async def test_a_payment_that_was_opened_and_never_confirmed_is_no_authorisation(stand: Stand) -> None:
    await stand.open()

    assert await _by_payment(stand) == await _by_order(stand) == {}


async def test_what_was_done_is_found_after_each_step(stand: Stand) -> None:
    done = Answer(reference=await stand.authorized())
    assert await _by_payment(stand) == await _by_order(stand) == {OperationKind.AUTHORIZE: done}
    await stand.capture()
    both = {OperationKind.AUTHORIZE: done, OperationKind.CAPTURE: done}
    assert await _by_payment(stand) == await _by_order(stand) == both
    refund = await stand.refund()
    assert await _by_payment(stand) == await _by_order(stand) == {**both, OperationKind.REFUND: refund}


async def test_a_payment_that_was_let_go_of_is_a_void_and_no_authorisation(stand: Stand) -> None:
    done = Answer(reference=await stand.authorized())
    await stand.void()
    found = {OperationKind.AUTHORIZE: DECLINED, OperationKind.VOID: done}

    assert await _by_payment(stand) == {**found, OperationKind.CAPTURE: DECLINED}
    assert await _by_order(stand) == found


async def test_a_payment_that_was_closed_for_another_one_is_found_like_one_that_was_let_go_of(stand: Stand) -> None:
    await stand.open()
    assert await stand.find(OperationKind.CLOSE) is None
    await stand.gateway.void(stand.key(OperationKind.CLOSE), stand.payment)

    assert await stand.find(OperationKind.CLOSE) == Answer(reference=stand.payment)
    assert await stand.search(OperationKind.CLOSE) == Answer(reference=stand.payment)


async def test_a_cancellation_somebody_else_made_is_found_by_the_payment_but_is_none_of_ours(stand: Stand) -> None:
    payment = await stand.authorized()
    stand.records.made(f"/v1/payment_intents/{payment}/cancel", {})

    assert await stand.find(OperationKind.VOID) == Answer(reference=payment)
    assert await stand.search(OperationKind.VOID) is None


async def test_each_number_finds_its_own_payment_and_the_next_ones_find_nothing(stand: Stand) -> None:
    await stand.open(stand.records.card("declined", "insufficient_funds"))
    await stand.authorize()
    await stand.open(n=2)
    await stand.authorize(n=2)
    await stand.capture(n=1)
    answers = {n: await stand.search(OperationKind.AUTHORIZE, n) for n in (1, 2, 3, 4)}

    assert answers == {
        1: Answer(refusal=FailureCode.INSUFFICIENT_FUNDS),
        2: Answer(reference=stand.payment),
        3: None,
        4: None,
    }
    assert await stand.search(OperationKind.CAPTURE) == Answer(reference=stand.payment)
    assert await stand.search(OperationKind.CAPTURE, 2) is None


async def test_a_capture_under_a_number_nobody_noted_is_still_known_by_the_payment(stand: Stand) -> None:
    payment = await stand.authorized()
    stand.records.made(f"/v1/payment_intents/{payment}/capture", {})

    assert await stand.find(OperationKind.CAPTURE) == Answer(reference=payment)
    assert await stand.search(OperationKind.CAPTURE) is None


@pytest.mark.parametrize("kind", [OperationKind.BOOK, OperationKind.CANCEL])
async def test_a_payment_provider_knows_nothing_of_parcels(kind: OperationKind, stand: Stand) -> None:
    await stand.captured()

    assert await stand.find(kind) is None
