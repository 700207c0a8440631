"""
What is no delegation: every mistake is refused by the name of its field.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from fulfillment.domain.identity import Scope
from tests.api.lending import FROM, JWT, put, wrong
from tests.fixtures.api import an_api
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.settings import settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def boss(shared_database_url: str, temporal_server: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with two roles to lend, one for all tests here."""
    async with an_api(settings_for(shared_database_url), temporal_server) as service:
        database, roles = service.resources.database, ("director", "manager")
        yield calling(service.api, await a_caller(database, "boss", Scope.APPROVALS_DECIDE, roles=roles))


@pytest.mark.parametrize(
    "delegate",
    [
        "",
        "ada",
        "key:",
        "key:Ada",
        "key:a b",
        " key:ada",
        "jwt:ada",
        "jwt:#ada",
        f"jwt:https://i#{'a' * 300}",
        "jwt:i#ä",
    ],
)
async def test_what_no_caller_can_be_called_is_no_delegate(boss: httpx2.AsyncClient, delegate: str) -> None:
    assert wrong(await put(boss, delegate)) == (422, ["delegate"])


async def test_nobody_delegates_to_themselves(boss: httpx2.AsyncClient) -> None:
    assert wrong(await put(boss, "key:boss")) == (422, ["delegate"])


@pytest.mark.parametrize(
    ("times", "field"),
    [
        ({"until": FROM}, "until"),
        ({"until": "2126-11-30T23:59:59Z"}, "until"),
        ({"until": "2127-12-02T00:00:01Z"}, "until"),
        ({"until": "2126-12-15T00:00:00"}, "until"),
        ({"until": "2126-12-15"}, "until"),
        ({"until": 1797292800}, "until"),
        ({"from": "2020-01-01T00:00:00Z", "until": "2020-12-01T00:00:00Z"}, "until"),
        ({"from": "tomorrow"}, "from"),
    ],
)
async def test_a_delegation_is_for_some_time_and_at_most_a_year(
    boss: httpx2.AsyncClient, times: dict[str, Any], field: str
) -> None:
    assert wrong(await put(boss, JWT, **times)) == (422, [field])


async def test_a_whole_leap_year_is_possible(boss: httpx2.AsyncClient) -> None:
    assert (await put(boss, JWT, until="2127-12-02T00:00:00Z")).status_code == 200


@pytest.mark.parametrize("roles", [["vp"], ["manager", "vp"], [], ["Manager"], "manager"])
async def test_only_own_roles_can_be_delegated(boss: httpx2.AsyncClient, roles: object) -> None:
    status, fields = wrong(await put(boss, JWT, roles=roles))

    assert (status, fields[0].partition("[")[0]) == (422, "roles")
