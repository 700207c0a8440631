"""
An answer that is lost is looked up, then asked for again: the money moves once.
"""

import pytest

from fulfillment.domain.errors import OutcomeUnknown, ProviderUnavailable
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.answers import Answer
from tests.stripe.local_stripe import Records
from tests.stripe.proxy import SLOW, Fault, Proxy
from tests.stripe.stand import Stand, gateway_at

LOST = [
    pytest.param(Fault.HANG_UP_BEFORE, False, id="lost on the way there"),
    pytest.param(Fault.HANG_UP_AFTER, True, id="lost on the way back"),
    pytest.param(Fault.ERROR_BEFORE, False, id="500, not done"),
    pytest.param(Fault.ERROR_AFTER, True, id="500, done"),
]


@pytest.mark.parametrize(("fault", "done"), LOST)
async def test_a_lost_confirmation(fault: Fault, done: bool, stand: Stand) -> None:
    await stand.open()
    stand.proxy.fails("confirm", fault)
    with pytest.raises(OutcomeUnknown):
        await stand.authorize()

    assert await stand.find(OperationKind.AUTHORIZE) == (Answer(reference=stand.payment) if done else None)
    assert await stand.authorize() == Answer(reference=stand.payment)
    assert stand.effects() == ["succeeded 3000 eur"]


@pytest.mark.parametrize(("fault", "done"), LOST)
async def test_a_lost_capture(fault: Fault, done: bool, stand: Stand) -> None:
    await stand.authorized()
    stand.proxy.fails("capture", fault)
    with pytest.raises(OutcomeUnknown):
        await stand.capture()

    assert await stand.find(OperationKind.CAPTURE) == (Answer(reference=stand.payment) if done else None)
    assert await stand.capture() == Answer(reference=stand.payment)
    assert stand.effects() == ["captured 3000 eur"]


@pytest.mark.parametrize("call", ["update", "cancel"])
@pytest.mark.parametrize(("fault", "done"), LOST)
async def test_a_lost_cancellation(call: str, fault: Fault, done: bool, stand: Stand) -> None:
    await stand.authorized()
    stand.proxy.fails(call, fault)
    with pytest.raises(OutcomeUnknown):
        await stand.void()
    cancelled = done and call == "cancel"

    assert await stand.find(OperationKind.VOID) == (Answer(reference=stand.payment) if cancelled else None)
    assert await stand.void() == Answer(reference=stand.payment)
    assert stand.effects() == ["released 3000 eur"]


@pytest.mark.parametrize(("fault", "done"), LOST)
async def test_a_lost_refund(fault: Fault, done: bool, stand: Stand) -> None:
    await stand.captured()
    stand.proxy.fails("refund", fault)
    with pytest.raises(OutcomeUnknown):
        await stand.refund()
    found = await stand.find(OperationKind.REFUND)

    assert (found is not None) is done
    if fault is Fault.ERROR_BEFORE:
        return  # what comes of it is a test of its own
    if found is None:
        found = await stand.refund()
    assert found.reference is not None
    assert stand.effects() == ["captured 3000 eur", "refunded 3000 eur"]


async def test_the_remembered_error_of_a_refund_that_was_not_made_stays_unknown_until_stripe_forgets_the_key(
    stand: Stand,
) -> None:
    await stand.captured()
    stand.proxy.fails("refund", Fault.ERROR_BEFORE)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await stand.refund()
    assert stand.effects() == ["captured 3000 eur"]

    stand.proxy.forget_keys()
    assert (await stand.refund()).reference is not None
    assert stand.effects() == ["captured 3000 eur", "refunded 3000 eur"]


async def test_a_refund_asked_for_again_although_it_was_made_is_the_same_refund(stand: Stand) -> None:
    await stand.captured()
    stand.proxy.fails("refund", Fault.HANG_UP_AFTER)
    with pytest.raises(OutcomeUnknown):
        await stand.refund()

    assert await stand.refund() == await stand.find(OperationKind.REFUND)
    assert stand.effects() == ["captured 3000 eur", "refunded 3000 eur"]


@pytest.mark.parametrize(("fault", "done"), LOST)
async def test_a_lost_opening_has_done_nothing_that_counts_and_is_repeated(
    fault: Fault, done: bool, stand: Stand
) -> None:
    stand.proxy.fails("create", fault)
    with pytest.raises(ProviderUnavailable):
        await stand.open()
    assert await stand.search(OperationKind.AUTHORIZE) is None
    await stand.open()
    await stand.authorize()

    # Only after an error that Stripe would repeat all day there may be a second one, which nobody ever confirms.
    assert len(stand.records.payments(stand.order_id)) == (2 if fault is Fault.ERROR_AFTER else 1)
    assert stand.effects() == ["succeeded 3000 eur"]
    assert await stand.search(OperationKind.AUTHORIZE) == Answer(reference=stand.payment)


async def test_a_step_ends_when_its_time_is_over_and_its_outcome_is_unknown(proxy: Proxy, records: Records) -> None:
    async with gateway_at(proxy.url) as patient:
        stand = Stand(patient, proxy, records)
        await stand.open()
        async with gateway_at(proxy.url, seconds=0.3) as hasty:
            stand.gateway = hasty
            proxy.fails("confirm", Fault.SILENCE_AFTER)
            proxy.fails("retrieve", Fault.SILENCE_AFTER)
            with pytest.raises(OutcomeUnknown):
                await stand.authorize()
            with pytest.raises(ProviderUnavailable):
                await stand.find(OperationKind.AUTHORIZE)
        stand.gateway = patient

        assert await stand.find(OperationKind.AUTHORIZE) == Answer(reference=stand.payment)
        assert stand.effects() == ["succeeded 3000 eur"]


async def test_the_time_of_a_step_is_for_all_its_calls_together(proxy: Proxy, records: Records) -> None:
    async with gateway_at(proxy.url, seconds=SLOW * 1.5) as gateway:
        stand = Stand(gateway, proxy, records)
        await stand.open()
        for call in ("update", "cancel"):
            proxy.fails(call, Fault.SLOW_AFTER)
        with pytest.raises(OutcomeUnknown):
            await stand.void()


@pytest.mark.parametrize("fault", [Fault.HANG_UP_BEFORE, Fault.BUSY_BEFORE])
async def test_a_repeated_step_stripe_says_nothing_of_is_never_taken_for_not_done(fault: Fault, stand: Stand) -> None:
    await stand.authorized()
    stand.proxy.fails("retrieve", fault)
    with pytest.raises(OutcomeUnknown):
        await stand.authorize()

    assert await stand.authorize() == Answer(reference=stand.payment)
