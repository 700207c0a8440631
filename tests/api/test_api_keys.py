"""
API keys over HTTP: what a good one opens, what a bad one hears, and when it stops.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import text, update

from fulfillment.api.identity.credentials import Authenticator
from fulfillment.api.identity.keys import KeyRegister
from fulfillment.api.resources import ApiResources
from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database
from fulfillment.db.tables import api_keys
from fulfillment.domain.identity import Scope
from tests.api.bodies import a_key, an_order
from tests.api.key_stand import is_used
from tests.api.writing import id_in, start_of, write
from tests.fixtures.api import serving
from tests.fixtures.identity import TESTER_KEY, a_caller, calling
from tests.fixtures.logs import LogLines
from tests.fixtures.queries import counting_queries
from tests.fixtures.waiting import until

ORDERS = "/v1/orders"
SHOP = (Scope.ORDERS_PLACE, Scope.ORDERS_READ)


async def status(api: httpx2.AsyncClient, key: ApiKey) -> int:
    """What a caller with this key is answered."""
    return (await calling(api, key).get(ORDERS)).status_code


async def rotated(database: Database, name: str, overlap: timedelta) -> ApiKey:
    key = ApiKey.new()
    async with database.transaction() as connection:
        await principals.rotate(connection, name, key, overlap=overlap)
    return key


def counted(method: str, outcome: str) -> float:
    labels = {"method": method, "outcome": outcome}
    return REGISTRY.get_sample_value("fulfillment_authentications_total", labels) or 0.0


async def test_a_revoked_caller_is_refused_from_the_next_request_on(
    api: httpx2.AsyncClient, database: Database
) -> None:
    key = await a_caller(database, "shop", *SHOP)
    before = [await status(api, key) for _ in range(2)]
    async with database.transaction() as connection:
        await principals.revoke(connection, "shop")

    assert (before, await status(api, key)) == ([200, 200], 401)


async def test_a_revoked_key_is_refused_from_the_next_request_on_and_takes_no_other_along(
    api: httpx2.AsyncClient, database: Database
) -> None:
    leaked = await a_caller(database, "shop", *SHOP)
    other = await rotated(database, "shop", timedelta(days=1))
    before = await status(api, leaked)
    async with database.transaction() as connection:
        await principals.revoke_key(connection, leaked.prefix)

    assert (before, await status(api, leaked), await status(api, other)) == (200, 401, 200)


async def test_a_key_ends_at_its_time(api: httpx2.AsyncClient, database: Database) -> None:
    key, now = await a_caller(database, "shop", *SHOP), datetime.now(UTC)
    statuses = []
    for end in (now + timedelta(hours=1), now):
        async with database.transaction() as connection:
            await connection.execute(update(api_keys).where(api_keys.c.prefix == key.prefix).values(expires_at=end))
        statuses.append(await status(api, key))

    assert statuses == [200, 401]


async def test_a_rotation_changes_nothing_for_those_who_call(
    api: httpx2.AsyncClient, resources: ApiResources, database: Database
) -> None:
    old, body, key = await a_caller(database, "shop", *SHOP), an_order(), a_key()
    first = await calling(api, old).post(ORDERS, json=body, headers=key)
    new = await rotated(database, "shop", timedelta(days=1))
    in_overlap = (await status(api, old), await status(api, new))
    await rotated(database, "shop", timedelta(0))
    newest = await rotated(database, "shop", timedelta(days=1))
    again = await calling(api, newest).post(ORDERS, json=body, headers=key)
    other = await calling(api, newest).post(ORDERS, json=body, headers=a_key())
    for answer in (first, other):
        await write(resources, await start_of(resources, answer))
    timelines = [(await api.get(f"{ORDERS}/{id_in(answer)}/events")).json()["items"] for answer in (first, other)]

    assert in_overlap == (200, 200)
    assert await status(api, old) == 401
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert [items[0]["actor"] for items in timelines] == ["key:shop", "key:shop"]


async def test_the_same_idempotency_key_of_two_callers_is_two_orders(
    api: httpx2.AsyncClient, database: Database
) -> None:
    callers = [await a_caller(database, name, *SHOP) for name in ("shop", "other")]
    key = a_key()
    answers = [await calling(api, caller).post(ORDERS, json=an_order(), headers=key) for caller in callers]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 2


GOOD = f"Bearer {TESTER_KEY.text}"
NOT_CREDENTIALS: dict[str, list[Any]] = {
    "no header": [],
    "an empty header": [""],
    "a scheme alone": ["Bearer"],
    "the key alone": [TESTER_KEY.text],
    "another scheme": [f"Basic {TESTER_KEY.text}"],
    "a scheme that only begins like ours": [f"Bearers {TESTER_KEY.text}"],
    "a scheme with a colon": [f"Bearer: {TESTER_KEY.text}"],
    "two keys in a header": [f"{GOOD} {TESTER_KEY.text}"],
    "a parameter": [f"{GOOD}, realm=api"],
    "two headers": [GOOD, GOOD],
    "two headers, one of them empty": [GOOD, ""],
    "a tab": [f"Bearer\t{TESTER_KEY.text}"],
    "bytes": [b"Bearer \xff\xfe"],
    "an accent": ["Bearer clé".encode()],
}
NOT_A_KEY = {
    "a character changed": f"{TESTER_KEY.text[:-1]}u",
    "the prefix changed": f"ful_tests235{TESTER_KEY.text[12:]}",
    "a character less": TESTER_KEY.text[:-1],
    "a character more": f"{TESTER_KEY.text}t",
    "upper case": TESTER_KEY.text.upper(),
    "the prefix alone": TESTER_KEY.prefix,
    "the digest": TESTER_KEY.digest.hex(),
    "the mark alone": "ful_",
    "a new one": ApiKey.new().text,
    "no mark": TESTER_KEY.text[4:],
    "SQL": "ful_'--",
    "very long": f"ful_{'a' * 16_000}",
    "quoted": f'"{TESTER_KEY.text}"',
    "a JWT where there are none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
}


def refusal(answer: httpx2.Response) -> dict[str, Any]:
    """A 401 in every respect, without what changes from one to the next."""
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    problem: dict[str, Any] = answer.json()
    return {name: value for name, value in problem.items() if name != "request_id"}


async def test_what_are_no_credentials_is_refused_with_what_to_send(api: httpx2.AsyncClient) -> None:
    caller = calling(api, None)
    problems = {
        name: refusal(await caller.get(ORDERS, headers=[("Authorization", value) for value in values]))
        for name, values in NOT_CREDENTIALS.items()
    }

    for name, problem in problems.items():
        assert problem["code"] == "unauthorized", name
        assert problem["detail"] == "send one header `Authorization: Bearer <API key or JWT>`", name


async def test_all_keys_that_are_not_good_hear_the_same(api: httpx2.AsyncClient, database: Database) -> None:
    revoked = await a_caller(database, "shop", *SHOP)
    async with database.transaction() as connection:
        await principals.revoke(connection, "shop")
    caller = calling(api, None)
    problems = [
        refusal(await caller.get(ORDERS, headers={"Authorization": f"Bearer {value}"}))
        for value in (*NOT_A_KEY.values(), revoked.text)
    ]

    assert all(problem == problems[0] for problem in problems)
    assert TESTER_KEY.prefix not in str(problems)


async def test_a_key_counts_in_its_header_alone(api: httpx2.AsyncClient) -> None:
    caller = calling(api, None)

    refusal(await caller.get(ORDERS, params={"access_token": TESTER_KEY.text}))
    refusal(await caller.get(ORDERS, headers={"X-Api-Key": TESTER_KEY.text}))
    refusal(await caller.get(ORDERS, headers={"Cookie": f"Authorization={GOOD}"}))


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer   "])
async def test_the_scheme_is_read_as_http_has_it(api: httpx2.AsyncClient, scheme: str) -> None:
    caller = calling(api, None)

    assert (await caller.get(ORDERS, headers={"Authorization": f"{scheme}{TESTER_KEY.text}"})).status_code == 200


async def test_a_request_asks_once_whose_its_key_is_and_its_use_is_noted_once(
    resources: ApiResources, database: Database
) -> None:
    key = await a_caller(database, "shop", *SHOP)
    # Here keys are looked up on connections of the test, which can count.
    watched = replace(resources, identity=Authenticator(KeyRegister(database), None))
    with counting_queries(database) as queries:
        async with serving(watched) as api:
            statuses = [await status(api, key)]
            await until(lambda: is_used(database, key))
            statuses.append(await status(api, key))

    assert statuses == [200, 200]
    assert sum("use_is_news" in query for query in queries) == 2
    assert sum(query.startswith("UPDATE api_keys") for query in queries) == 1


async def test_every_request_is_counted_by_how_its_credentials_fared(
    api: httpx2.AsyncClient, database: Database
) -> None:
    cases = {("key", "good"): TESTER_KEY.text, ("key", "bad"): ApiKey.new().text, ("jwt", "bad"): "e30.e30.e30"}
    before = {labels: counted(*labels) for labels in [*cases, ("none", "bad")]}
    for value in cases.values():
        await calling(api, None).get(ORDERS, headers={"Authorization": f"Bearer {value}"})
    await calling(api, None).get(ORDERS)

    assert {labels: counted(*labels) - count for labels, count in before.items()} == dict.fromkeys(before, 1.0)


async def test_the_secret_of_a_key_is_nowhere_in_database_and_log(
    api: httpx2.AsyncClient, database: Database, log_lines: LogLines
) -> None:
    key, unknown = await a_caller(database, "shop", *SHOP), ApiKey.new()
    for candidate in (key, unknown):
        await status(api, candidate)
        await calling(api, candidate).post(ORDERS, json=an_order(), headers=a_key())
        await calling(api, None).get(ORDERS, params={"key": candidate.text}, headers={"X-Request-Id": "r"})
    async with database.statement() as connection:
        rows = (await connection.execute(text("SELECT k::text, p::text FROM api_keys k, principals p"))).all()

    lines, stored = str(log_lines()), str(rows)
    assert "key:shop" in lines
    assert key.digest.hex() in stored
    for candidate in (key, unknown):
        secret = candidate.text[len(candidate.prefix) + 1 :]
        assert secret not in lines
        assert secret not in stored
        assert secret.encode().hex() not in stored


def test_a_key_is_read_as_it_was_written_and_shows_nothing_of_its_secret() -> None:
    keys = [ApiKey.new() for _ in range(500)]

    assert [ApiKey.read(key.text) for key in keys] == keys
    assert len({key.digest for key in keys}) == len({key.text[13:] for key in keys}) == 500
    for key in keys:
        assert len(key.prefix) == 12
        assert key.text[12:] not in f"{key.prefix} {key!r} {key}"
    # The whole key counts, not its prefix: nobody gains by knowing one.
    assert ApiKey(f"{keys[0].prefix}_{'a' * 43}").digest != keys[0].digest


@given(st.text() | st.from_regex(r"ful_[a-z0-9]{8}_.{40,46}"))
def test_no_text_makes_reading_a_key_fail(candidate: str) -> None:
    key = ApiKey.read(candidate)

    assert key is None or (key.text == candidate and candidate.isascii() and len(candidate) == 56)
