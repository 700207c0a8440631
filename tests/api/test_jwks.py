"""
The keys of an issuer: when they are fetched, which of them count, and what happens while it is away.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from fulfillment.api.identity import jwks
from fulfillment.api.identity.jwks import IssuerKeys, KeysUnavailable, read_keys
from fulfillment.settings import Jwt
from tests.fixtures.issuer import KID, Issuer, jwk, leaked, running_issuer
from tests.fixtures.waiting import until

ALL = ("RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA")
LIFETIME = 300
LATEST = LIFETIME + jwks.RENEWAL.total_seconds()
"""From then on nobody relies on keys without asking."""


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> IssuerKeys:
    return IssuerKeys(Jwt(**issuer.settings), clock)


async def knows(keys: IssuerKeys, kid: str = KID) -> bool:
    return await keys.find(kid, "RS256") is not None


async def test_keys_are_fetched_once_per_lifetime(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    for _ in range(10):
        assert await knows(keys)
    assert issuer.requests == ["GET /jwks.json HTTP/1.1"]

    clock.pass_by(LIFETIME + 1)
    for _ in range(10):
        assert await knows(keys)
        await asyncio.sleep(0.05)
    assert len(issuer.requests) == 2


async def test_many_at_once_share_one_fetch(keys: IssuerKeys, issuer: Issuer) -> None:
    issuer.delay = 0.2

    assert all(await asyncio.gather(*(knows(keys) for _ in range(50))))
    assert len(issuer.requests) == 1


async def test_a_new_key_is_used_at_once_by_everybody_who_asks(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await knows(keys)
    issuer.keys.append(jwk("rsa-2"))
    issuer.delay = 0.2
    clock.pass_by(1)

    assert all(await asyncio.gather(*(knows(keys, "rsa-2") for _ in range(20))))
    assert len(issuer.requests) == 2


async def test_made_up_keys_cause_one_fetch_in_thirty_seconds(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await knows(keys)

    async def flood(start: int) -> int:
        before = len(issuer.requests)
        answers = await asyncio.gather(*(knows(keys, f"made-up-{start + n}") for n in range(100)))
        assert not any(answers)
        return len(issuer.requests) - before

    assert await flood(0) == 1
    clock.pass_by(29)
    assert await flood(100) == 0
    clock.pass_by(2)
    assert await flood(200) == 1


async def test_a_withdrawn_key_stops_with_the_first_fetch_after_the_lifetime(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await knows(keys)
    issuer.keys[:] = [jwk("rsa-2")]

    clock.pass_by(LIFETIME - 1)
    assert await knows(keys)
    assert len(issuer.requests) == 1
    clock.pass_by(2)
    assert await knows(keys)

    async def is_withdrawn() -> bool:
        return not await knows(keys)

    await until(is_withdrawn)
    assert await knows(keys, "rsa-2")


async def test_a_withdrawn_key_is_not_used_once_more_after_a_pause(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await knows(keys)
    issuer.keys[:] = [jwk("rsa-2")]
    issuer.delay = 0.2

    clock.pass_by(LATEST)
    assert await asyncio.gather(*(knows(keys) for _ in range(10))) == [False] * 10
    assert len(issuer.requests) == 2


async def test_an_empty_key_set_withdraws_all_keys(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    await knows(keys)
    issuer.keys.clear()
    clock.pass_by(LATEST)

    assert not await knows(keys)


async def test_the_last_keys_stay_good_for_a_day_while_the_issuer_is_away(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await knows(keys)
    await issuer.stop()

    clock.pass_by(24 * 3600 - 1)
    assert await knows(keys)
    clock.pass_by(2)
    with pytest.raises(KeysUnavailable):
        await knows(keys)


async def test_keys_are_fetched_again_as_soon_as_the_issuer_is_back(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await issuer.stop()
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await knows(keys)
    await issuer.start()

    clock.pass_by(jwks.RETRY_PAUSE.total_seconds())
    assert await knows(keys)


async def test_an_issuer_that_fails_is_left_alone_for_a_while(keys: IssuerKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.status = "503 Service Unavailable"

    for waiting in (0, 1, 5):
        clock.pass_by(waiting)
        for kid in (KID, "rsa-2", KID):
            with pytest.raises(KeysUnavailable):
                await knows(keys, kid)
    assert len(issuer.requests) == 2


async def test_a_key_nobody_can_look_up_is_not_called_bad(keys: IssuerKeys, issuer: Issuer) -> None:
    await knows(keys)
    await issuer.stop()

    with pytest.raises(KeysUnavailable):
        await knows(keys, "rsa-2")
    assert await knows(keys)


async def test_an_issuer_that_never_answers_delays_nobody_whose_key_is_known(issuer: Issuer, clock: Clock) -> None:
    keys = IssuerKeys(Jwt(**issuer.settings), clock, patience=timedelta(seconds=0.7))
    await knows(keys)
    issuer.delay = 30

    clock.pass_by(LIFETIME + 1)
    for attempt in (2, 3):
        stranger = asyncio.create_task(knows(keys, "made-up"))
        await asyncio.sleep(0.05)
        assert all(await asyncio.gather(*(knows(keys) for _ in range(50))))
        assert not stranger.done()
        with pytest.raises(KeysUnavailable):
            await stranger
        assert len(issuer.requests) == attempt
        clock.pass_by(jwks.RETRY_PAUSE.total_seconds())


async def test_after_a_pause_an_issuer_that_never_answers_is_waited_for_once(issuer: Issuer, clock: Clock) -> None:
    keys = IssuerKeys(Jwt(**issuer.settings), clock, patience=timedelta(seconds=0.7))
    await knows(keys)
    issuer.delay = 30

    clock.pass_by(LATEST)
    assert all(await asyncio.gather(*(knows(keys) for _ in range(10))))
    assert len(issuer.requests) == 2
    clock.pass_by(jwks.RETRY_PAUSE.total_seconds())
    stranger = asyncio.create_task(knows(keys, "made-up"))
    await asyncio.sleep(0.05)
    assert await knows(keys)
    assert not stranger.done()
    stranger.cancel()


async def test_a_request_that_is_given_up_does_not_keep_others_from_fetching(keys: IssuerKeys, issuer: Issuer) -> None:
    issuer.delay = 0.2
    impatient = asyncio.create_task(knows(keys))
    await asyncio.sleep(0.05)
    impatient.cancel()

    assert await knows(keys)
    assert len(issuer.requests) == 1


RUBBISH = {
    "no JSON": {"body": b"<html>"},
    "not UTF-8": {"body": b"\xff\xfe\xff"},
    "no object": {"body": b"[]"},
    "no keys": {"body": b'{"kees": []}'},
    "keys are no list": {"body": b'{"keys": {"kid": 1}}'},
    "nested without end": {"body": b"[" * 100_000},
    "larger than any key set": {"body": b'{"keys": []}' + b" " * jwks.LARGEST_SET},
    "compressed": {"headers": {"Content-Encoding": "gzip"}, "body": b"\x1f\x8b\x08\x00"},
    "an error": {"status": "500 Internal Server Error"},
    "a key set that is called missing": {"status": "404 Not Found"},
    "no HTTP": {"status": "\0\0"},
    "less than promised": {"headers": {"Content-Length": "100000"}},
}


@pytest.mark.parametrize("answer", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_does_not_replace_the_last_keys(
    keys: IssuerKeys, issuer: Issuer, clock: Clock, answer: dict[str, Any]
) -> None:
    await knows(keys)
    for name, value in answer.items():
        setattr(issuer, name, value)
    clock.pass_by(LATEST)

    assert await knows(keys)
    assert len(issuer.requests) == 2


async def test_a_redirect_is_not_followed(keys: IssuerKeys, issuer: Issuer) -> None:
    async with running_issuer() as elsewhere:
        issuer.status, issuer.headers = "302 Found", {"Location": elsewhere.url}

        with pytest.raises(KeysUnavailable):
            await knows(keys)
        assert elsewhere.requests == []


UNUSABLE = {
    "for encryption": jwk(KID, use="enc"),
    "for signing only": jwk(KID, key_ops=["sign"]),
    "key_ops of the wrong type": jwk(KID, key_ops="verify"),
    "a shared secret": {"kty": "oct", "kid": KID, "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
    "a private key": leaked(KID),
    "a private key of a curve": {**leaked("p256-1"), "kid": KID},
    "1024 bits": jwk("rsa1024-1", kid=KID),
    "no kid": jwk(KID, kid=None),
    "an empty kid": jwk(KID, kid=""),
    "a kid that is no text": jwk(KID, kid=7),
    "a kid without end": jwk(KID, kid="k" * 201),
    "no kty": jwk(KID, kty=None),
    "an unknown kty": jwk(KID, kty="RSA2"),
    "kty in small letters": jwk(KID, kty="rsa"),
    "kty of another type": jwk(KID, kty="EC"),
    "an algorithm that is not configured": jwk(KID, alg="RS384"),
    "an algorithm of another type": jwk(KID, alg="ES256"),
    "a symmetric algorithm": jwk(KID, alg="HS256"),
    "no modulus": jwk(KID, n=None),
    "a modulus that is a number": jwk(KID, n=12345),
    "a modulus that is not base64": jwk(KID, n="!"),
    "a modulus of zero": jwk(KID, n="AA"),
    "an even exponent": jwk(KID, e="Ag"),
    "an unknown curve": jwk("p256-1", kid=KID, crv="P-257"),
    "a curve that is a list": jwk("p256-1", kid=KID, crv=["P-256"]),
    "a point of another curve": jwk("p384-1", kid=KID, crv="P-256"),
    "a point beside the curve": jwk("p256-1", kid=KID, x="A" * 43),
    "a short Edwards key": jwk("ed25519-1", kid=KID, x="AAAA"),
    "no object": 7,
    "nothing": None,
}


@pytest.mark.parametrize("entry", UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_is_not_for_checking_is_not_used_and_harms_no_other(entry: object) -> None:
    body = json.dumps({"keys": [entry, jwk("rsa-2")]}).encode()

    assert set(read_keys(body, ALL)) == {"rsa-2"}


@pytest.mark.parametrize(
    ("entry", "algorithms"),
    [
        (jwk("rsa-1"), {"RS256", "RS512", "PS256"}),
        (jwk("rsa-1", alg="PS256"), {"PS256"}),
        (jwk("rsa-1", use="sig", key_ops=["verify"]), {"RS256", "RS512", "PS256"}),
        (jwk("p256-1"), {"ES256"}),
        (jwk("p384-1"), {"ES384"}),
        (jwk("ed25519-1"), {"EdDSA"}),
    ],
)
def test_a_key_checks_what_its_type_is_for(entry: dict[str, Any], algorithms: set[str]) -> None:
    body = json.dumps({"keys": [entry]}).encode()

    assert set(read_keys(body, ALL)[entry["kid"]]) == algorithms
