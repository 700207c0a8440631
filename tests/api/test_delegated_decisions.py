"""
Decisions on behalf of somebody else, over HTTP, run by real workers: they count as the delegator's and as the
delegate's, for every rule that knows people.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import pytest_asyncio

from fulfillment.settings import Settings
from tests.api.approving import TOGETHER, TWO_LEVELS, Office, an_office, office_settings
from tests.api.carrier import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELEGATIONS = "/v1/delegations"
CLOSED, VOTED = (403, "own_order"), (409, "already_voted")
STRANGER, TWICE = (403, "not_an_approver"), (403, "one_level_per_person")


@pytest.fixture(scope="module")
def settings_of_office(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with office_settings(postgres_server, tmp_path_factory.mktemp("sandbox"), TOGETHER) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(settings_of_office: Settings) -> AsyncIterator[Office]:
    async with an_office(settings_of_office) as office:
        yield office


async def revoke(office: Office, delegator: str, delegation: str) -> None:
    assert (await office.people[delegator].delete(f"{DELEGATIONS}/{delegation}")).status_code == 200


@asynccontextmanager
async def lent(office: Office, delegator: str, delegate: str) -> AsyncIterator[str]:
    """The id of a delegation that is valid until its block ends."""
    now = datetime.now(UTC)
    times = {"from": now.isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    given = await office.people[delegator].put(DELEGATIONS, json={"delegate": f"key:{delegate}", **times})
    assert given.status_code == 200, given.text
    yield given.json()["id"]
    await revoke(office, delegator, given.json()["id"])


def wrong_field(answer: httpx2.Response) -> tuple[int, list[str]]:
    return answer.status_code, [error["field"] for error in answer.json()["errors"]]


async def test_a_decision_on_behalf_is_the_one_vote_of_both(office: Office) -> None:
    path, approval = await office.ask()
    async with lent(office, "mia", "otto"):
        first = await office.approved("otto", approval)
        again, herself = await office.decide("otto", approval), await office.decide("mia", approval)
        second = await office.approved("max", approval)
    told = await office.read(approval)

    assert first == {"status": "pending", "missing": [{"level": "manager", "votes": 1}]}
    assert (refusal(again), refusal(herself)) == (VOTED, VOTED)
    assert second == {"status": "approved", "missing": []}
    assert [(vote["actor"], vote["on_behalf_of"]) for vote in told["votes"]] == [
        ("key:otto", "key:mia"),
        ("key:max", None),
    ]
    assert [event["data"].get("on_behalf_of") for event in told["events"] if event["kind"] == "approval_decided"] == [
        "key:mia",
        None,
    ]
    await office.shopper.becomes(path, "awaiting_shipment")


async def test_a_delegation_helps_with_what_is_open_already_and_not_once_it_is_revoked(office: Office) -> None:
    _, approval = await office.ask()
    before, empty = await office.decide("otto", approval), await office.inbox("otto")
    async with lent(office, "mia", "otto") as delegation:
        filled = await office.inbox("otto")
        await revoke(office, "mia", delegation)
        after, named = (
            await office.decide("otto", approval),
            await office.decide("otto", approval, on_behalf_of="key:mia"),
        )

    assert (refusal(before), empty) == (STRANGER, [])
    assert approval.rpartition("/")[2] in filled
    assert await office.inbox("otto") == []
    assert refusal(after) == STRANGER
    assert wrong_field(named) == (422, ["on_behalf_of"])


async def test_a_decision_counts_although_its_delegation_is_revoked_later(office: Office) -> None:
    _, approval = await office.ask()
    key = {"Idempotency-Key": "otto-once"}
    async with lent(office, "mia", "otto"):
        first = await office.decide("otto", approval, headers=key)
    replayed = await office.decide("otto", approval, headers=key)

    assert (replayed.status_code, replayed.content) == (200, first.content)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert await office.approved("max", approval) == {"status": "approved", "missing": []}


@pytest.mark.parametrize("requester", ["mia", "otto"])
async def test_neither_a_delegate_nor_a_delegator_decides_on_their_own_order(office: Office, requester: str) -> None:
    _, approval = await office.ask(requested_by=requester)
    async with lent(office, "mia", "otto"):
        assert refusal(await office.decide("otto", approval)) == CLOSED
        assert refusal(await office.decide("otto", approval, on_behalf_of="key:mia")) == CLOSED


async def test_whoever_could_decide_for_several_says_for_whom(office: Office) -> None:
    _, approval = await office.ask()
    async with lent(office, "mia", "otto"), lent(office, "max", "otto"):
        unclear = await office.decide("otto", approval)
        named = await office.approved("otto", approval, on_behalf_of="key:max")

    assert wrong_field(unclear) == (422, ["on_behalf_of"])
    assert "key:max, key:mia" in unclear.json()["detail"]
    assert named["status"] == "pending"
    assert (await office.read(approval))["votes"][0]["on_behalf_of"] == "key:max"


async def test_of_several_delegators_the_one_who_can_still_vote_is_meant(office: Office) -> None:
    _, approval = await office.ask()
    await office.approved("mia", approval)
    async with lent(office, "mia", "otto"), lent(office, "max", "otto"):
        assert (await office.approved("otto", approval))["status"] == "approved"

    assert (await office.read(approval))["votes"][1]["on_behalf_of"] == "key:max"


async def test_nobody_decides_at_two_levels_by_way_of_a_delegation(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)
    async with lent(office, "dora", "mia"), lent(office, "both", "otto"):
        await office.approved("mia", approval)
        second = await office.decide("mia", approval, level="director")
        await office.approved("otto", approval, level="director")
        delegator = await office.decide("both", approval, level="manager")

    assert (refusal(second), refusal(delegator)) == (TWICE, TWICE)
    assert await office.approved("max", approval) == {"status": "approved", "missing": []}


async def test_what_was_lent_is_not_lent_on(office: Office) -> None:
    _, approval = await office.ask()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lent(office, "mia", "vera"))
        await stack.enter_async_context(lent(office, "vera", "otto"))
        assert refusal(await office.decide("otto", approval)) == STRANGER
        assert (await office.approved("vera", approval))["status"] == "pending"


async def test_two_people_who_stand_in_for_each_other_have_a_vote_each(office: Office) -> None:
    _, approval = await office.ask()
    async with lent(office, "mia", "max"), lent(office, "max", "mia"):
        await office.approved("mia", approval)
        twice = await office.decide("mia", approval, on_behalf_of="key:max")
        last = await office.approved("max", approval)

    assert refusal(twice) == VOTED
    assert last["status"] == "approved"
    assert [vote["on_behalf_of"] for vote in (await office.read(approval))["votes"]] == [None, None]
