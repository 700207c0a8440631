"""
`/v1/delegations`: who may decide for whom, and for how long.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from fulfillment.db import delegations, principals
from fulfillment.db.engine import Database
from fulfillment.domain.approvals import Authority
from fulfillment.domain.identity import Scope
from tests.api.lending import FROM, JWT, PATH, UNTIL, put, wrong
from tests.fixtures.identity import a_caller, calling


@pytest.fixture
async def boss(api: httpx2.AsyncClient, database: Database) -> httpx2.AsyncClient:
    """Somebody with two roles to lend."""
    return calling(api, await a_caller(database, "boss", Scope.APPROVALS_DECIDE, roles=("director", "manager")))


@pytest.fixture
async def ada(api: httpx2.AsyncClient, database: Database) -> httpx2.AsyncClient:
    """Somebody who may decide, and has no role of their own."""
    return calling(api, await a_caller(database, "ada", Scope.APPROVALS_DECIDE))


async def listed(caller: httpx2.AsyncClient, direction: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = await caller.get(PATH, params={"direction": direction, **parameters})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_both_sides_see_a_delegation(boss: httpx2.AsyncClient, ada: httpx2.AsyncClient) -> None:
    given = await put(boss)

    assert given.status_code == 200
    assert given.json() == {
        "id": given.json()["id"],
        "delegator": "key:boss",
        "delegate": "key:ada",
        "roles": ["director", "manager"],
        "from": FROM,
        "until": UNTIL,
        "revoked_at": None,
    }
    assert await listed(boss, "given") == await listed(ada, "received") == [given.json()]
    assert await listed(boss, "received") == await listed(ada, "given") == []


async def test_times_may_have_any_zone_and_are_answered_in_utc(
    boss: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    given = await put(boss, **{"from": "2126-12-01T09:00:00+02:00", "until": "2126-12-01T09:00:01+01:00"})

    assert (given.json()["from"], given.json()["until"]) == ("2126-12-01T07:00:00Z", "2126-12-01T08:00:01Z")


@pytest.mark.usefixtures("ada")
async def test_the_same_again_changes_nothing_and_another_takes_its_place(boss: httpx2.AsyncClient) -> None:
    first, again = await put(boss), await put(boss)
    other = await put(boss, roles=["manager"], until="2126-12-16T00:00:00Z")

    assert again.json() == first.json()
    assert other.json() == {**first.json(), "roles": ["manager"], "until": "2126-12-16T00:00:00Z"}
    assert await listed(boss, "given") == [other.json()]


async def test_what_is_revoked_says_so_and_can_be_given_again(
    boss: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    path = f"{PATH}/{(await put(boss)).json()['id']}"
    revoked, again = await boss.delete(path), await boss.delete(path)

    assert revoked.status_code == 200
    assert datetime.fromisoformat(revoked.json()["revoked_at"]) - datetime.now(UTC) < timedelta(minutes=1)
    assert again.json() == revoked.json()
    assert await listed(ada, "received") == [revoked.json()]
    assert (await put(boss)).json()["revoked_at"] is None


async def test_only_the_delegator_and_operators_can_revoke(
    api: httpx2.AsyncClient, boss: httpx2.AsyncClient, ada: httpx2.AsyncClient, database: Database
) -> None:
    path = f"{PATH}/{(await put(boss)).json()['id']}"
    operator = calling(api, await a_caller(database, "operator", Scope.OPERATIONS))

    refused = await ada.delete(path)
    revoked = await operator.delete(path)

    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert revoked.json()["revoked_at"] is not None


@pytest.mark.parametrize("delegate", ["key:nobody", "key:old"])
async def test_a_caller_that_is_not_there_cannot_be_a_delegate(
    boss: httpx2.AsyncClient, database: Database, delegate: str
) -> None:
    await a_caller(database, "old")
    async with database.transaction() as connection:
        await principals.revoke(connection, "old")

    assert wrong(await put(boss, delegate)) == (422, ["delegate"])
    assert await listed(boss, "given") == []


async def test_a_caller_who_may_not_decide_cannot_be_a_delegate(boss: httpx2.AsyncClient, database: Database) -> None:
    await a_caller(database, "shop", Scope.APPROVALS_READ, Scope.ORDERS_PLACE, roles=("manager",))

    assert wrong(await put(boss, "key:shop")) == (422, ["delegate"])


async def test_roles_that_were_delegated_to_somebody_are_not_theirs_to_delegate(
    boss: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    now = datetime.now(UTC)
    given = await put(boss, **{"from": now.isoformat(), "until": (now + timedelta(days=1)).isoformat()})

    assert given.status_code == 200

    assert wrong(await put(ada, JWT)) == (422, ["roles"])
    assert wrong(await put(ada, JWT, roles=["manager"])) == (422, ["roles"])


async def test_the_list_goes_on_where_a_page_ended(boss: httpx2.AsyncClient) -> None:
    names = [f"jwt:i#{n}" for n in range(3)]
    for name in names:
        await put(boss, name)

    first = (await boss.get(PATH, params={"limit": 2})).json()
    rest = (await boss.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [one["delegate"] for one in (*first["items"], *rest["items"])] == names
    assert rest["next_cursor"] is None


async def test_what_the_api_wrote_lends_its_roles(
    boss: httpx2.AsyncClient, ada: httpx2.AsyncClient, database: Database
) -> None:
    await put(boss, roles=["director"])

    async with database.statement() as connection:
        (lent,) = await delegations.active_for(connection, "key:ada", datetime.fromisoformat(FROM))

    assert lent == Authority(roles=frozenset({"director"}), on_behalf_of="key:boss")
