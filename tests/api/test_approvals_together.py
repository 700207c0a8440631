"""
Levels that are asked all at once, and two people at one of them: decisions over HTTP, run by real workers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fulfillment.settings import Settings
from tests.api.approving import TOGETHER, TWO_LEVELS, Office, an_office, office_settings
from tests.api.carrier import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings_of_office(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with office_settings(postgres_server, tmp_path_factory.mktemp("sandbox"), TOGETHER) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(settings_of_office: Settings) -> AsyncIterator[Office]:
    async with an_office(settings_of_office) as office:
        yield office


async def test_all_levels_are_asked_at_once_and_every_one_is_needed(office: Office) -> None:
    path, approval = await office.ask(TWO_LEVELS)
    waiting = (await office.shopper.read(path))["approval"]["waiting_for"]

    answers = [await office.approved(person, approval) for person in ("dora", "max", "mia")]
    await office.shopper.becomes(path, "awaiting_shipment")

    assert waiting == ["manager", "director"]
    assert answers == [
        {"status": "pending", "missing": [{"level": "manager", "votes": 2}]},
        {"status": "pending", "missing": [{"level": "manager", "votes": 1}]},
        {"status": "approved", "missing": []},
    ]


async def test_two_people_are_needed_and_one_may_take_a_yes_back(office: Office) -> None:
    path, approval = await office.ask()

    first = await office.approved("mia", approval)
    twice = await office.decide("mia", approval)
    taken_back = await office.people["mia"].post(f"{approval}/withdraw")
    second = await office.approved("max", approval)
    third = await office.approved("mia", approval)
    decided = await office.people["mia"].post(f"{approval}/withdraw")
    level = (await office.read(approval))["levels"][0]
    await office.shopper.becomes(path, "awaiting_shipment")

    assert first == second == {"status": "pending", "missing": [{"level": "manager", "votes": 1}]}
    assert refusal(twice) == (409, "already_voted")
    assert taken_back.json() == {"status": "pending", "missing": [{"level": "manager", "votes": 2}]}
    assert (third["status"], refusal(decided)) == ("approved", (409, "approval_closed"))
    assert (level["quorum"], level["votes"], level["missing"], level["status"]) == (2, 2, 0, "approved")


async def test_who_may_decide_at_two_levels_says_at_which(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)

    unclear = await office.decide("both", approval)
    clear = await office.decide("both", approval, level="director")
    other = await office.decide("both", approval, level="manager")

    assert (refusal(unclear), unclear.json()["errors"][0]["field"]) == ((422, "invalid_request"), "level")
    assert clear.json()["missing"] == [{"level": "manager", "votes": 2}]
    assert refusal(other) == (403, "one_level_per_person")


async def test_a_no_at_one_level_ends_all(office: Office) -> None:
    path, approval = await office.ask(TWO_LEVELS)
    await office.approved("mia", approval)

    assert (await office.decide("dora", approval, "reject")).json() == {"status": "rejected", "missing": []}
    assert (await office.shopper.becomes(path, "rejected"))["failure"]["code"] == "approval_rejected"


async def test_of_many_votes_at_the_same_moment_each_person_has_one(office: Office) -> None:
    path, approval = await office.ask()

    answers = await asyncio.gather(*(office.decide(person, approval) for _ in range(10) for person in ("mia", "max")))
    votes = (await office.read(approval))["votes"]
    await office.shopper.becomes(path, "awaiting_shipment")

    found = Counter("counted" if answer.status_code == 200 else refusal(answer)[1] for answer in answers)
    assert found.keys() <= {"counted", "already_voted", "approval_closed"}
    assert found["counted"] == 2
    assert sorted((vote["actor"], vote["state"]) for vote in votes) == [("key:max", "counted"), ("key:mia", "counted")]
    assert sorted(answer.json()["status"] for answer in answers if answer.status_code == 200) == ["approved", "pending"]


async def test_the_two_last_votes_at_the_same_moment_approve_once(office: Office) -> None:
    asked = [await office.ask() for _ in range(3)]

    answers = await asyncio.gather(
        *(office.decide(person, approval) for _, approval in asked for person in ("mia", "max"))
    )

    for (path, approval), pair in zip(asked, zip(answers[::2], answers[1::2], strict=True), strict=True):
        assert sorted(answer.json()["status"] for answer in pair) == ["approved", "pending"]
        kinds = [event["kind"] for event in (await office.read(approval))["events"]]
        await office.shopper.becomes(path, "awaiting_shipment")
        assert (kinds.count("approval_decided"), (await office.shopper.kinds(path)).count("order_approved")) == (2, 1)
