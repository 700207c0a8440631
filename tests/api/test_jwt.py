"""
JWTs as credentials, over real HTTP: which are refused, and what the others may do.

The database is away in the tests of refusals: none of them needs it.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from temporalio.client import Client

from fulfillment.api.identity.tokens import TokenVerifier
from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database, connect
from fulfillment.domain.identity import Scope
from fulfillment.settings import Jwt, Settings
from tests.api.bodies import a_key, an_order
from tests.api.jwt_attacks import ATTACKS, HEAD, SKEW, forged, now, sign
from tests.api.writing import start_of, write
from tests.fixtures.api import serving
from tests.fixtures.identity import calling
from tests.fixtures.issuer import AUDIENCE, KID, Issuer, claims, compact, jwk, leaked, running_issuer, signer, token
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import settings_for

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"
DETAIL = "the API key or JWT is not valid here: unknown, expired, revoked or meant for others"
LASTING = token(exp=now() + 86_400)
ORDER = "/v1/orders/00000000-0000-4000-8000-000000000000"
CLAIM = st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "scope", "roles", "customer_id"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def trusted() -> AbstractAsyncContextManager[Issuer]:
    unusable = (jwk("rsa-enc", use="enc"), jwk("rsa1024-1"), leaked("rsa-leaked"))
    return running_issuer(jwk(KID), jwk("p256-1"), jwk("ed25519-1"), *unusable)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with trusted() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API that has its issuer and nothing else: to refuse, it needs neither database nor Temporal."""
    async with trusted() as issuer:
        settings = settings_for(NOWHERE, jwt=issuer.settings)
        database = connect(settings.database, application="tests")
        temporal = await Client.connect("127.0.0.1:9", lazy=True)
        async with serving(ApiResources.of(settings, database, temporal)) as client:
            yield client
        await database.close()


@pytest.fixture
def settings(request: pytest.FixtureRequest, issuer: Issuer) -> Settings:
    """A service that trusts the issuer; on a database where a test asks for one, else on none."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else NOWHERE
    return settings_for(url, jwt=issuer.settings)


def bearing(api: httpx2.AsyncClient, credentials: str) -> httpx2.AsyncClient:
    """Another client of the same API, with a token."""
    client = calling(api, None)
    client.headers["Authorization"] = f"Bearer {credentials}"
    return client


async def refusal(api: httpx2.AsyncClient, credentials: str) -> tuple[int, str, str, str]:
    """All that an answer says about why."""
    answer = await bearing(api, credentials).get(ORDER)
    problem = answer.json()
    assert problem["code"] == "unauthorized"
    media = answer.headers["content-type"]
    return answer.status_code, media, answer.headers["www-authenticate"], problem["detail"]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_token_is_refused_and_not_told_why(refusing: httpx2.AsyncClient, attack: Callable[[], str]) -> None:
    assert await refusal(refusing, attack()) == (401, "application/problem+json", "Bearer", DETAIL)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_place_a_token_points_to_is_never_asked(refusing: httpx2.AsyncClient) -> None:
    async with running_issuer(jwk("rsa-9")) as attacker:
        for pointer in ("jku", "x5u", "iss", "kid"):
            await refusal(refusing, forged(**{pointer: attacker.url}))
        await refusal(refusing, compact({**HEAD, "kid": "rsa-9"}, claims(iss=attacker.url), signer("rsa-9", "RS256")))

        assert attacker.requests == []


async def test_a_header_of_forty_kilobytes_is_refused_before_anything_looks_at_it(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    answer = await bearing(api, "a" * 40_000).get(ORDER)

    assert answer.status_code in {400, 401, 431}
    assert issuer.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {LASTING}"), ("Authorization", f"Bearer {LASTING}")],
        [("Authorization", f"Bearer {LASTING}, Bearer {LASTING}")],
        [("Authorization", f"Bearer {LASTING} {LASTING}")],
        [("Authorization", LASTING)],
        [("Authorization", f"JWT {LASTING}")],
        [("Cookie", f"access_token={LASTING}")],
        [("X-Access-Token", LASTING)],
    ],
    ids=["header twice", "two in a list", "two in a header", "no scheme", "another scheme", "cookie", "other header"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_good_token_counts_in_its_place_alone(
    refusing: httpx2.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    answer = await calling(refusing, None).get(ORDER, headers=headers)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("name", ["access_token", "token", "authorization"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_good_token_in_the_address_does_not_count(refusing: httpx2.AsyncClient, name: str) -> None:
    answer = await calling(refusing, None).get(ORDER, params={name: token()})

    assert answer.status_code == 401


GOOD = {
    "RS256": token,
    "ES256": lambda: token("p256-1", "ES256"),
    "expired, but within the skew": lambda: token(exp=now() - SKEW + 10),
    "nbf within the skew": lambda: token(nbf=now() + SKEW - 10),
    "iat within the skew": lambda: token(iat=now() + SKEW - 10),
    "no iat": lambda: token(iat=None),
    "audience list": lambda: token(aud=["billing", AUDIENCE]),
    "scopes as a list": lambda: token(scope=["orders:place", "email"]),
    "scopes unknown beside ours": lambda: token(scope="openid orders:place admin:everything"),
    "typ missing": lambda: compact({"alg": "RS256", "kid": KID}, claims(), sign),
    "typ at+jwt": lambda: token(header={"typ": "at+jwt"}),
    "pointers nobody follows": lambda: token(header={"jku": "https://evil.example", "x5u": "x", "jwk": {}}),
    "claims for others": lambda: token(email="ada@example.com", groups=[1, {}], azp=None),
    "the longest subject": lambda: token(sub="s" * 200),
}


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD)
async def test_a_good_token_places_orders_while_the_database_is_away(
    api: httpx2.AsyncClient, good: Callable[[], str]
) -> None:
    answer = await bearing(api, good()).post("/v1/orders", json=an_order(), headers=a_key())

    assert answer.status_code == 202


async def test_an_algorithm_that_is_configured_is_accepted(issuer: Issuer) -> None:
    trusting = Jwt(**issuer.settings, algorithms=("EdDSA", "PS256"))
    verifier = TokenVerifier(trusting)

    assert await verifier.principal(token("ed25519-1", "EdDSA"))
    assert await verifier.principal(token(algorithm="PS256"))
    assert await verifier.principal(token()) is None


@pytest.mark.parametrize("scope", [None, "", "orders", "ORDERS:READ", "orders:read,orders:place", []])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_token_without_the_scope_may_do_nothing(refusing: httpx2.AsyncClient, scope: object) -> None:
    answer = await bearing(refusing, token(scope=scope)).get(ORDER)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_mapping_replaces_our_own_names(issuer: Issuer) -> None:
    mapping = {"shop": [Scope.ORDERS_PLACE, Scope.ORDERS_READ], "desk": [Scope.OPERATIONS]}
    trusting = Jwt(**issuer.settings, scope_claim="permissions", scopes=mapping, roles={"grp-7": ["manager"]})
    verifier = TokenVerifier(trusting)

    caller = await verifier.principal(token(permissions=["shop", "admin"], roles="grp-7 director"))

    assert caller is not None
    assert caller.scopes == {"orders:place", "orders:read"}
    assert caller.roles == {"manager"}


async def test_roles_count_as_they_are_without_a_mapping(issuer: Issuer) -> None:
    verifier = TokenVerifier(Jwt(**issuer.settings))

    caller = await verifier.principal(token(roles=["manager", "Manager", "two words", "\ud800", "r" * 64, ""]))

    assert caller is not None
    assert caller.roles == {"manager"}


async def test_a_token_of_a_customer_reaches_the_orders_of_that_customer_alone(
    api: httpx2.AsyncClient, resources: ApiResources, database_url: str
) -> None:
    shop, ada = bearing(api, token()), bearing(api, token(sub="ada", customer_id=" C-1 ", scope="orders:read admin"))
    placed = {}
    for customer in ("C-1", "C-2"):
        answer = await shop.post("/v1/orders", json=an_order(customer_id=customer), headers=a_key())
        await write(resources, await start_of(resources, answer))
        placed[customer] = answer

    own = await ada.get(placed["C-1"].headers["location"])
    foreign = await ada.get(placed["C-2"].headers["location"])
    listed = (await ada.get("/v1/orders")).json()["items"]

    assert own.status_code == 200
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert [order["id"] for order in listed] == [own.json()["id"]]


async def test_tokens_of_one_subject_are_one_caller_and_other_subjects_are_others(
    api: httpx2.AsyncClient, database_url: str
) -> None:
    key = a_key()

    async def place(credentials: str) -> httpx2.Response:
        return await bearing(api, credentials).post("/v1/orders", json=an_order(), headers=key)

    first, again, other = await place(token()), await place(token(exp=now() + 200)), await place(token(sub="shop-8"))

    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert other.json()["id"] != first.json()["id"]


async def test_a_new_key_of_the_issuer_works_at_once(api: httpx2.AsyncClient, issuer: Issuer) -> None:
    assert (await bearing(api, token()).post("/v1/orders", json=an_order(), headers=a_key())).status_code == 202
    issuer.keys[:] = [jwk("rsa-2")]

    answer = await bearing(api, token("rsa-2")).post("/v1/orders", json=an_order(), headers=a_key())

    assert answer.status_code == 202


async def test_an_issuer_that_was_never_reached_makes_tokens_unavailable(
    api: httpx2.AsyncClient, issuer: Issuer
) -> None:
    await issuer.stop()

    answer = await bearing(api, token()).get(ORDER)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_why_a_token_was_refused_is_counted_and_the_token_logged_nowhere(
    api: httpx2.AsyncClient, log_lines: LogLines
) -> None:
    def refused() -> float:
        return REGISTRY.get_sample_value("fulfillment_jwt_refused_total", {"reason": "expired"}) or 0

    before, expired, good = refused(), token(exp=1), token(sub="jane.doe")
    await refusal(api, expired)
    await bearing(api, good).post("/v1/orders", json=an_order(), headers=a_key())
    lines = log_lines()

    assert refused() == before + 1
    assert [line["caller"] for line in lines if line.get("caller")] != []
    for secret in ("jane.doe", *expired.split(".")[1:], *good.split(".")[1:]):
        assert secret not in json.dumps(lines)


async def test_without_an_issuer_no_token_is_good(temporal: Client, database: Database) -> None:
    plain = ApiResources.of(settings_for(NOWHERE), database, temporal)
    async with serving(plain) as api:
        assert await refusal(api, token()) == (401, "application/problem+json", "Bearer", DETAIL)


@examples(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
        st.from_regex(r"[A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{0,60}){0,5}", fullmatch=True),
        st.builds(
            lambda header, payload: compact({**HEAD, **header}, {**claims(), **payload}, sign),
            st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit"]), ANYTHING, min_size=1),
            st.dictionaries(st.sampled_from(["exp", "aud", "sub", "scope", "customer_id"]), ANYTHING),
        ),
        st.builds(lambda payload: compact(HEAD, {**claims(), **payload}, sign), st.dictionaries(CLAIM, ANYTHING)),
    )
)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_text_makes_the_service_fail(refusing: httpx2.AsyncClient, text: str) -> None:
    credentials = f"Bearer {text}".strip().encode()

    answer = await calling(refusing, None).get(ORDER, headers=[(b"Authorization", credentials)])

    # A good token without the right scope is forbidden, one with it finds the database away.
    assert answer.status_code in {401, 403} or answer.json()["code"] == "unavailable"
