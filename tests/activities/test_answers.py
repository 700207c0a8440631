"""
What each way of (not) answering means: not done, nobody knows, or not in the contract; never a refusal by accident.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from fulfillment.domain.errors import OutcomeUnknown, ProviderUnavailable
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.gateways.answers import Answer, Sought
from fulfillment.gateways.carriers import HttpCarrier
from fulfillment.gateways.http import ProviderClient, UnexpectedAnswer
from fulfillment.gateways.payments import HttpPaymentGateway

ORDER = OrderId(UUID(int=1))
DEADLINE = timedelta(seconds=1)


def answer(status: str, body: str = "{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


@asynccontextmanager
async def answering(*pieces: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """A server that answers every request with these bytes, then hangs up; after a last empty piece it does not."""
    hanging = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
            if not piece:
                await hanging.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        hanging.set()
        server.close()


SOUGHT = Sought(kind=OperationKind.AUTHORIZE, key="k", order_id=ORDER)
Ask = Callable[[ProviderClient], Awaitable[object]]
EFFECTS: dict[str, Ask] = {
    "authorize": lambda client: HttpPaymentGateway(client).authorize("k", ORDER, "tok_visa", Money(1, "EUR"), None),
    "capture": lambda client: HttpPaymentGateway(client).capture("k", "auth_1", Money(1, "EUR")),
    "void": lambda client: HttpPaymentGateway(client).void("k", "auth_1"),
    "refund": lambda client: HttpPaymentGateway(client).refund("k", "auth_1", Money(1, "EUR")),
    "book": lambda client: HttpCarrier(client).book("k", ORDER, {}, []),
    "cancel": lambda client: HttpCarrier(client).cancel("k", "T"),
}
LOOK_UPS: dict[str, Ask] = {
    "payment": lambda client: HttpPaymentGateway(client).find(SOUGHT),
    "parcel": lambda client: HttpCarrier(client).find("k"),
    "cancelled parcel": lambda client: HttpCarrier(client).find_cancelled("k"),
}
AUTHORIZE, BOOK = EFFECTS["authorize"], EFFECTS["book"]

NOT_DONE = (answer("503 x"), answer("429 x"))
NOBODY_KNOWS = (answer("500 x"), answer("502 x"), answer("504 x"), b"", answer("201 x")[:-1], b"garbage\r\n\r\n")
NOT_IN_THE_CONTRACT = (
    answer("302 x", "", "Location: /elsewhere"),
    answer("200 x"),
    answer("401 x"),
    answer("409 x", '{"code": "key_reused"}'),
    answer("201 x", "<html>"),
    answer("201 x", "[]"),
    answer("201 x", '{"id": 7, "tracking_number": 7}'),
    answer("402 x", "<html>"),
    answer("422 x", '{"code": "invalid_request"}'),
    answer("404 x", '{"code": "no_route"}'),
)


async def ask(what: Ask, *pieces: bytes, pause: float = 0.0) -> object:
    async with answering(*pieces, pause=pause) as url, httpx2.AsyncClient(trust_env=False) as http:
        return await what(ProviderClient(http, provider="bank", url=url, timeout=DEADLINE))


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("said", NOT_DONE)
async def test_an_effect_was_not_made_when_the_provider_says_so(effect: str, said: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        await ask(EFFECTS[effect], said)


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("said", NOBODY_KNOWS)
async def test_nobody_knows_what_became_of_an_effect_without_an_answer(effect: str, said: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        await ask(EFFECTS[effect], *([said] if said else []))


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("said", NOT_IN_THE_CONTRACT)
async def test_an_answer_that_is_not_in_the_contract_is_neither_done_nor_refused(effect: str, said: bytes) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(EFFECTS[effect], said)


@pytest.mark.parametrize("effect", ["authorize", "capture", "refund"])
@pytest.mark.parametrize("money", ['"amount": 2, "currency": "EUR"', '"amount": 1, "currency": "JPY"', '"amount": 1'])
async def test_money_that_was_not_asked_for_is_not_in_the_contract(effect: str, money: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(EFFECTS[effect], answer("201 x", f'{{"id": "auth_1", {money}}}'))


@pytest.mark.parametrize("effect", ["authorize", "capture", "refund"])
async def test_money_as_it_was_asked_for_is_done(effect: str) -> None:
    said = answer("201 x", '{"id": "auth_1", "amount": 1, "currency": "EUR"}')
    assert await ask(EFFECTS[effect], said) == Answer(reference="auth_1")


@pytest.mark.parametrize(
    ("effect", "code", "refusal"),
    [
        ("capture", "not_capturable", "not_capturable"),
        ("void", "already_captured", "already_captured"),
        ("refund", "exceeds_captured", "exceeds_captured"),
        ("cancel", "already_picked_up", "too_late"),
        ("cancel", "cancel_refused", "cancel_refused"),
    ],
)
async def test_a_conflict_the_contract_names_is_a_refusal_of_its_effect_alone(
    effect: str, code: str, refusal: str
) -> None:
    conflict = answer("409 x", f'{{"code": "{code}"}}')
    assert await ask(EFFECTS[effect], conflict) == Answer(refusal=refusal)
    for other in set(EFFECTS) - {effect}:
        with pytest.raises(UnexpectedAnswer):
            await ask(EFFECTS[other], conflict)


@pytest.mark.parametrize(
    ("effect", "refusal"),
    [
        ("capture", "payment_declined"),
        ("void", "unknown_payment"),
        ("refund", "unknown_payment"),
        ("cancel", "cancel_refused"),
    ],
)
async def test_what_the_provider_never_heard_of_is_refused(effect: str, refusal: str) -> None:
    assert await ask(EFFECTS[effect], answer("404 x", '{"code": "not_found"}')) == Answer(refusal=refusal)


@pytest.mark.parametrize("effect", ["authorize", "book"])
async def test_where_there_is_nothing_to_hear_of_not_found_is_no_answer(effect: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(EFFECTS[effect], answer("404 x", '{"code": "not_found"}'))


async def test_a_provider_that_holds_the_line_is_given_up_in_time() -> None:
    with pytest.raises(OutcomeUnknown):
        await ask(AUTHORIZE, b"")


async def test_a_provider_that_answers_one_byte_at_a_time_is_given_up_in_time() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown):
        await ask(BOOK, *(bytes([byte]) for byte in answer("201 x", '{"tracking_number": "T"}')), pause=0.1)

    assert asyncio.get_running_loop().time() - began < 3 * DEADLINE.total_seconds()


async def test_a_provider_nobody_reaches_has_done_nothing() -> None:
    async with answering() as url, httpx2.AsyncClient(trust_env=False) as http:
        pass
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(ProviderUnavailable):
            await AUTHORIZE(ProviderClient(http, provider="bank", url=url, timeout=DEADLINE))


@pytest.mark.parametrize("look_up", LOOK_UPS)
@pytest.mark.parametrize("said", [*NOT_DONE, *NOBODY_KNOWS])
async def test_a_look_up_without_an_answer_changes_nothing(look_up: str, said: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        await ask(LOOK_UPS[look_up], *([said] if said else []))


@pytest.mark.parametrize("look_up", LOOK_UPS)
async def test_only_the_provider_itself_can_say_that_nothing_happened(look_up: str) -> None:
    assert await ask(LOOK_UPS[look_up], answer("404 x", '{"code": "not_found"}')) is None
    for somebody_else in ("<html>no such page</html>", "{}", "[]", '{"code": "no_route"}'):
        with pytest.raises(UnexpectedAnswer):
            await ask(LOOK_UPS[look_up], answer("404 x", somebody_else))


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"id": null, "status": "succeeded"}'])
@pytest.mark.parametrize("look_up", LOOK_UPS)
async def test_a_look_up_that_is_answered_with_garbage_finds_nothing_out(look_up: str, body: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await ask(LOOK_UPS[look_up], answer("200 x", body))


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("Retry-After: 7", timedelta(seconds=7)),
        ("Retry-After: 99999999999999999999", timedelta(minutes=10)),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Retry-After: -1", None),
        ("X: y", None),
    ],
)
async def test_a_provider_may_ask_for_a_pause_but_not_for_a_year(header: str, pause: timedelta | None) -> None:
    with pytest.raises(ProviderUnavailable) as unavailable:
        await ask(AUTHORIZE, answer("503 x", "{}", header))

    assert unavailable.value.retry_after == pause
