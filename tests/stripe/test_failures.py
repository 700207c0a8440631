"""
What each way of failing means, and that none of them says anything of a card or a key.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from fulfillment.domain.errors import OutcomeUnknown, ProviderUnavailable
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.http import UnexpectedAnswer
from fulfillment.settings import Log
from fulfillment.telemetry.logging import configure
from tests.stripe.local_stripe import Records
from tests.stripe.proxy import Fault, Proxy
from tests.stripe.stand import SECRET_KEY, Stand, gateway_at

Step = Callable[[Stand], Awaitable[object]]

EFFECTS: list[tuple[str, Step]] = [
    ("confirm", Stand.authorize),
    ("capture", Stand.capture),
    ("cancel", Stand.void),
    ("refund", Stand.refund),
]
HARMLESS: list[tuple[str, Step]] = [
    ("create", Stand.open),
    ("retrieve", lambda stand: stand.find(OperationKind.CAPTURE)),
    ("search", lambda stand: stand.search(OperationKind.CAPTURE)),
    ("refunds", lambda stand: stand.find(OperationKind.REFUND)),
]


async def _ready_for(call: str, stand: Stand) -> None:
    await stand.open()
    if call in ("capture", "cancel"):
        await stand.authorize()
    if call in ("refund", "refunds"):
        await stand.authorize()
        await stand.capture()


@pytest.mark.parametrize(("call", "step"), EFFECTS + HARMLESS)
async def test_a_busy_stripe_has_done_nothing_and_may_say_for_how_long(call: str, step: Step, stand: Stand) -> None:
    await _ready_for(call, stand)
    before = stand.effects()
    stand.proxy.fails(call, Fault.BUSY_BEFORE, Fault.LOCKED_BEFORE)
    pauses = []
    for _ in range(2):
        with pytest.raises(ProviderUnavailable) as busy:
            await step(stand)
        pauses.append(busy.value.retry_after)

    assert pauses == [timedelta(seconds=7), None]
    assert stand.effects() == before
    await step(stand)


@pytest.mark.parametrize(("call", "step"), EFFECTS)
@pytest.mark.parametrize("fault", [Fault.DOWN_BEFORE, Fault.IN_PROGRESS_BEFORE, Fault.NONSENSE_BEFORE])
async def test_a_call_that_moves_money_is_unknown_when_stripe_does_not_say(
    fault: Fault, call: str, step: Step, stand: Stand
) -> None:
    await _ready_for(call, stand)
    stand.proxy.fails(call, fault)
    with pytest.raises(OutcomeUnknown):
        await step(stand)


@pytest.mark.parametrize(("call", "step"), HARMLESS)
@pytest.mark.parametrize("fault", [Fault.DOWN_BEFORE, Fault.IN_PROGRESS_BEFORE, Fault.HANG_UP_AFTER])
async def test_a_call_that_moves_nothing_is_just_made_again(fault: Fault, call: str, step: Step, stand: Stand) -> None:
    await _ready_for(call, stand)
    stand.proxy.fails(call, fault)
    with pytest.raises(ProviderUnavailable):
        await step(stand)


@pytest.mark.parametrize(("call", "step"), EFFECTS)
async def test_a_connection_that_was_never_made_has_done_nothing(call: str, step: Step, stand: Stand) -> None:
    async with gateway_at("http://127.0.0.1:9") as nowhere:
        stand.gateway = nowhere
        stand.payment = "pi_any"
        with pytest.raises(ProviderUnavailable):
            await step(stand)


@pytest.mark.parametrize(("call", "step"), EFFECTS + HARMLESS)
async def test_a_call_stripe_does_not_take_is_a_bug_of_ours_and_says_nothing_secret(
    call: str, step: Step, stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    await _ready_for(call, stand)
    stand.proxy.fails(call, Fault.UNAUTHORIZED_BEFORE, Fault.FORBIDDEN_BEFORE, Fault.BAD_BEFORE)
    said = ""
    for status in (401, 403, 400):
        with pytest.raises(UnexpectedAnswer, match=f"{status}$") as refused:
            await step(stand)
        said += "".join(traceback.format_exception(refused.value))

    assert "req_of_the_proxy" in said
    assert "parameter_unknown" in said
    assert "4242" not in said
    assert SECRET_KEY not in said


async def test_the_same_call_at_the_same_time_is_not_made_twice(stand: Stand) -> None:
    await stand.captured()
    answers = await asyncio.gather(*(stand.refund() for _ in range(4)), return_exceptions=True)

    assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {OutcomeUnknown}
    assert stand.effects() == ["captured 3000 eur", "refunded 3000 eur"]


async def test_a_key_used_for_something_else_is_a_bug_of_ours(stand: Stand) -> None:
    await stand.open()
    with pytest.raises(UnexpectedAnswer):
        await stand.open(token="pm_card_chargeCustomerFail")


async def test_stripe_is_asked_once_per_attempt(proxy: Proxy, records: Records) -> None:
    async with gateway_at(proxy.url) as gateway:
        stand = Stand(gateway, proxy, records)
        proxy.fails("create", *[Fault.DOWN_BEFORE] * 5)
        with pytest.raises(ProviderUnavailable):
            await stand.open()

    assert proxy.calls == ["create"]


async def test_no_token_of_a_card_reaches_the_log(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    handlers, level = logging.root.handlers[:], logging.root.level
    configure(Log(level="debug"), "test")
    logging.root.addHandler(caplog.handler)
    try:
        token = stand.records.card("declined", "stolen_card")
        await stand.open(token)
        await stand.authorize()
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level

    assert token not in caplog.text
    assert SECRET_KEY not in caplog.text
