"""
One level after the other: decisions over HTTP, run by real workers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio

from fulfillment.approval_orchestrator import ApprovalOrchestrator
from fulfillment.contracts.approvals import Decision
from fulfillment.domain.approvals import Vote
from fulfillment.domain.errors import PreconditionFailed
from fulfillment.domain.identity import Scope
from fulfillment.domain.ids import update_id_for
from fulfillment.settings import Settings
from tests.api.approving import SEQUENTIAL, TWO_LEVELS, Office, an_office, office_settings
from tests.api.bodies import a_key, an_order
from tests.api.carrier import refusal
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings_of_office(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with office_settings(postgres_server, tmp_path_factory.mktemp("sandbox"), SEQUENTIAL) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(settings_of_office: Settings) -> AsyncIterator[Office]:
    async with an_office(settings_of_office) as office:
        yield office


async def test_one_yes_lets_an_order_of_one_level_go_on(office: Office) -> None:
    path, approval = await office.ask()
    waiting = await office.shopper.read(path)
    asked = await office.read(approval)

    decided = await office.decide("mia", approval, comment="within the budget")
    order = await office.shopper.becomes(path, "awaiting_shipment")
    told = await office.read(approval)

    assert (waiting["approval"]["status"], waiting["approval"]["waiting_for"]) == ("pending", ["manager"])
    assert waiting["approval"]["due_at"] == asked["due_at"]
    assert (decided.status_code, decided.json()) == (200, {"status": "approved", "missing": []})
    assert (order["approval"]["status"], order["approval"]["waiting_for"]) == ("approved", [])
    assert [(vote["actor"], vote["decision"], vote["comment"]) for vote in told["votes"]] == [
        ("key:mia", "approve", "within the budget")
    ]
    assert [event["kind"] for event in told["events"]] == ["approval_requested", "approval_decided"]
    assert "within the budget" not in str((await office.api.get(f"{path}/events")).json())


async def test_levels_are_asked_one_after_the_other(office: Office) -> None:
    path, approval = await office.ask(TWO_LEVELS)

    too_early = await office.decide("dora", approval)
    first = await office.approved("mia", approval)
    between = await office.shopper.read(path)
    second = await office.approved("dora", approval)
    await office.shopper.becomes(path, "awaiting_shipment")

    assert refusal(too_early) == (403, "not_an_approver")
    assert first == {"status": "pending", "missing": [{"level": "director", "votes": 1}]}
    assert (between["status"], between["approval"]["waiting_for"]) == ("awaiting_approval", ["director"])
    assert second == {"status": "approved", "missing": []}


async def test_one_no_ends_it(office: Office) -> None:
    path, approval = await office.ask(TWO_LEVELS)

    answer = await office.decide("mia", approval, "reject", comment="too dear")
    order = await office.shopper.becomes(path, "rejected")
    late = await office.decide("max", approval)

    assert answer.json() == {"status": "rejected", "missing": []}
    assert order["failure"]["code"] == "approval_rejected"
    assert refusal(late) == (409, "approval_closed")


async def test_an_abstention_counts_for_nothing_and_can_be_withdrawn(office: Office) -> None:
    path, approval = await office.ask()

    abstained = await office.decide("mia", approval, "abstain")
    again = await office.decide("mia", approval)
    withdrawn = await office.people["mia"].post(f"{approval}/withdraw")
    nothing = await office.people["mia"].post(f"{approval}/withdraw")
    then = await office.approved("mia", approval)
    states = [(vote["decision"], vote["state"]) for vote in (await office.read(approval))["votes"]]
    await office.shopper.becomes(path, "awaiting_shipment")

    assert abstained.json() == {"status": "pending", "missing": [{"level": "manager", "votes": 1}]}
    assert refusal(again) == (409, "already_voted")
    assert withdrawn.json() == abstained.json()
    assert refusal(nothing) == (409, "nothing_to_withdraw")
    assert then["status"] == "approved"
    assert states == [("abstain", "withdrawn"), ("approve", "counted")]


async def test_another_role_decides_where_an_operator_says_so(office: Office) -> None:
    _, approval = await office.ask()
    body = {"level": "manager", "role": "vp", "reason": "both managers are away"}

    forbidden = await office.people["vera"].post(f"{approval}/reassign", json=body)
    unknown = await office.api.post(f"{approval}/reassign", json={**body, "level": "king"})
    reassigned = await office.api.post(f"{approval}/reassign", json=body)
    refused = await office.decide("mia", approval)
    level = (await office.read(approval))["levels"][0]
    decided = await office.approved("vera", approval)

    assert (refusal(forbidden), refusal(unknown)) == ((403, "forbidden"), (422, "invalid_request"))
    assert [error["field"] for error in unknown.json()["errors"]] == ["level"]
    assert (reassigned.status_code, refusal(refused)) == (200, (403, "not_an_approver"))
    assert (level["level"], level["role"], level["roles"]) == ("manager", "vp", ["vp"])
    assert decided["status"] == "approved"


async def test_an_operator_does_not_decide_at_a_level_they_gave_to_their_own_role(office: Office) -> None:
    _, approval = await office.ask()
    scopes = (Scope.OPERATIONS, Scope.APPROVALS_READ, Scope.APPROVALS_DECIDE)
    key = await a_caller(office.callers.database, "opal", *scopes, roles=("vp",))
    opal = calling(office.api, key)
    body = {"level": "manager", "role": "vp", "reason": "both managers are away"}

    assert (await opal.post(f"{approval}/reassign", json=body)).status_code == 200
    assert refusal(await office.decide_as(opal, approval)) == (403, "own_order")
    assert (await office.approved("vera", approval))["status"] == "approved"


async def test_nobody_decides_on_what_they_asked_for(office: Office) -> None:
    _, named = await office.ask(requested_by="Mia")
    _, for_another = await office.ask(requested_by="zoe")
    body = an_order(**office.shopper.lines(3), requested_by=None)
    placed = await office.people["mia"].post("/v1/orders", json=body, headers={**a_key(), "Prefer": "wait=20"})
    own = office.approval_path(placed.json())

    answers = [await office.decide("mia", approval) for approval in (named, own)]

    assert [refusal(answer) for answer in answers] == [(403, "own_order")] * 2
    for approval in (named, own):
        assert (await office.approved("max", approval))["status"] == "approved"
    assert (await office.approved("mia", for_another))["status"] == "approved"


async def test_one_person_decides_at_one_level(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)
    await office.approved("both", approval)

    assert refusal(await office.decide("both", approval)) == (403, "one_level_per_person")
    assert (await office.approved("dora", approval))["status"] == "approved"


async def test_who_has_no_role_that_is_asked_does_not_decide(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)

    assert refusal(await office.decide("otto", approval)) == (403, "not_an_approver")
    assert refusal(await office.decide("vera", approval)) == (403, "not_an_approver")
    assert refusal(await office.decide("mia", approval, level="director")) == (403, "not_an_approver")
    unknown = await office.decide("mia", approval, level="king")
    assert (refusal(unknown), unknown.json()["errors"][0]["field"]) == ((422, "invalid_request"), "level")


async def test_somebody_decides_for_whom_it_was_delegated_to_them_by(office: Office) -> None:
    now = datetime.now(UTC)
    body = {"delegate": "key:otto", "from": now.isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    given = await office.people["max"].put("/v1/delegations", json=body)
    assert given.status_code == 200, given.text
    _, approval = await office.ask()
    _, own = await office.ask(requested_by="max")

    waiting = await office.inbox("otto")
    refused = await office.decide("otto", own)
    decided = await office.approved("otto", approval)
    vote = (await office.read(approval))["votes"][0]
    await office.people["max"].delete(f"/v1/delegations/{given.json()['id']}")
    _, later = await office.ask()

    assert (approval.rpartition("/")[2] in waiting, own.rpartition("/")[2] in waiting) == (True, False)
    assert refusal(refused) == (403, "own_order")
    assert (decided["status"], vote["actor"], vote["on_behalf_of"]) == ("approved", "key:otto", "key:max")
    assert refusal(await office.decide("otto", later)) == (403, "not_an_approver")


async def test_a_key_decides_once_and_is_remembered_after_the_end(office: Office) -> None:
    path, approval = await office.ask(TWO_LEVELS)
    key = a_key()

    first = await office.decide("mia", approval, headers=key, comment="fine")
    at_once = await office.decide("mia", approval, headers=key, comment="fine")
    other = await office.decide("mia", approval, headers=key, comment="no")
    await office.approved("dora", approval)
    await office.shopper.becomes(path, "awaiting_shipment")
    at_the_end = await office.decide("mia", approval, headers={**key, "If-Match": '"1"'}, comment="fine")
    other_at_the_end = await office.decide("mia", approval, "reject", headers=key)

    assert (first.status_code, "idempotency-replayed" in first.headers) == (200, False)
    for replay in (at_once, at_the_end):
        assert (replay.status_code, replay.content) == (200, first.content)
        assert replay.headers["idempotency-replayed"] == "true"
    assert refusal(other) == refusal(other_at_the_end) == (422, "idempotency_key_reused")
    assert len((await office.read(approval))["votes"]) == 2


async def test_a_refusal_does_not_use_a_key_up(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)
    key = a_key()

    refused = await office.decide("dora", approval, headers=key)
    await office.approved("mia", approval)
    stale = await office.decide("dora", approval, headers={**key, "If-Match": '"1"'})
    version = (await office.api.get(approval)).headers["etag"]
    done = await office.decide("dora", approval, headers={**key, "If-Match": version})

    assert (refusal(refused), refusal(stale)) == ((403, "not_an_approver"), (412, "precondition_failed"))
    assert (done.status_code, "idempotency-replayed" in done.headers) == (200, False)


async def test_a_key_whose_decision_the_workflow_refused_may_try_again(office: Office) -> None:
    _, approval = await office.ask()
    approval_id, key = UUID(approval.rpartition("/")[2]), a_key()
    owner = await office.owner(approval_id)
    name = update_id_for("decide", approval_id, "key:mia", key["Idempotency-Key"])
    stale = Decision(vote=Vote.APPROVE, actor="key:mia", roles=("manager",), key=name, expected_version=99)
    with pytest.raises(PreconditionFailed):
        await ApprovalOrchestrator(office.temporal).tell(owner, stale, name, timedelta(seconds=10))

    assert (await office.decide("mia", approval, headers=key)).json()["status"] == "approved"


async def test_a_request_sent_many_times_at_once_is_one_vote(office: Office) -> None:
    _, approval = await office.ask(TWO_LEVELS)
    key = a_key()

    answers = await asyncio.gather(*(office.decide("mia", approval, headers=key) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len((await office.read(approval))["votes"]) == 1


async def test_a_decision_at_the_moment_an_order_is_placed_waits_for_its_workflow(office: Office) -> None:
    async def place_and_decide() -> httpx2.Response:
        body = an_order(**office.shopper.lines(3))
        placed = await office.api.post("/v1/orders", json=body, headers=a_key())
        path = placed.headers["location"]

        async def is_asked() -> bool:
            return (await office.shopper.read(path))["approval"] is not None

        await until(is_asked)
        return await office.decide("mia", office.approval_path(await office.shopper.read(path)))

    answers = await asyncio.gather(*(place_and_decide() for _ in range(5)))

    assert [answer.json() for answer in answers] == [{"status": "approved", "missing": []}] * 5


async def test_a_vote_and_a_cancellation_at_the_same_moment_agree_with_each_other(office: Office) -> None:
    asked = [await office.ask() for _ in range(6)]

    async def both(path: str, approval: str) -> tuple[httpx2.Response, httpx2.Response]:
        cancel = office.api.post(f"{path}/cancel", json={"reason": "changed my mind"})
        return await asyncio.gather(office.decide("mia", approval), cancel)

    answers = await asyncio.gather(*(both(*one) for one in asked))
    for (path, approval), (vote, cancelled) in zip(asked, answers, strict=True):
        await office.shopper.becomes(path, "cancelled")
        end = (await office.read(approval))["status"]
        assert cancelled.status_code == 202
        assert end in ("approved", "void")
        told = vote.json()["status"] if vote.status_code == 200 else refusal(vote)
        assert told in (end, (409, "approval_closed"))


async def test_an_order_that_is_amended_above_what_was_asked_asks_anew(office: Office) -> None:
    path, before = await office.ask()
    await office.decide("mia", before, "abstain")

    amended = await office.api.put(f"{path}/lines", json=office.shopper.lines(TWO_LEVELS))
    after = office.approval_path(amended.json())
    late = await office.decide("max", before)

    assert (amended.json()["status"], after != before) == ("awaiting_approval", True)
    assert (await office.read(before))["status"] == "void"
    assert refusal(late) == (409, "approval_closed")
    assert (await office.read(after))["n"] == 2
    assert (await office.approved("mia", after))["status"] == "pending"
    assert (await office.approved("dora", after))["status"] == "approved"
    await office.shopper.becomes(path, "awaiting_shipment")


async def test_the_inbox_has_what_somebody_can_decide_now(office: Office) -> None:
    (path, one), (_, two) = await office.ask(), await office.ask(TWO_LEVELS)
    _, own = await office.ask(requested_by="mia")
    ids = [approval.rpartition("/")[2] for approval in (one, two, own)]
    order = path.rpartition("/")[2]

    first = set(await office.inbox("mia", limit=2))
    director = set(await office.inbox("dora"))
    of_order = await office.inbox("mia", order_id=order)
    await office.approved("mia", two)
    second, director_then = set(await office.inbox("mia")), set(await office.inbox("dora"))
    by_role = (await office.api.get("/v1/approvals", params={"role": "director", "status": "pending"})).json()
    due = (await office.api.get("/v1/approvals", params={"due_before": "2020-01-01T00:00:00Z"})).json()
    waiting = (await office.api.get("/v1/orders", params={"status": "awaiting_approval", "limit": 200})).json()

    assert first & set(ids) == set(ids[:2])
    assert ids[1] not in director
    assert of_order == ids[:1]
    assert (second & set(ids), director_then & set(ids)) == ({ids[0]}, {ids[1]})
    assert ids[1] in {item["id"] for item in by_role["items"]}
    assert (due["items"], order in {item["id"] for item in waiting["items"]}) == ([], True)
    assert await office.inbox("otto") == []


async def test_pages_of_the_inbox_lose_nothing_while_others_decide_and_order(office: Office) -> None:
    asked = [(await office.ask())[1] for _ in range(4)]
    ids = [approval.rpartition("/")[2] for approval in asked]
    parameters: dict[str, str | int] = {"status": "pending", "role": "manager", "limit": 200}
    every = [item["id"] for item in (await office.api.get("/v1/approvals", params=parameters)).json()["items"]]
    at = every.index(ids[0])

    page = (await office.api.get("/v1/approvals", params={**parameters, "limit": at + 2})).json()
    await office.approved("max", asked[0])
    _, new = await office.ask()
    rest = (await office.api.get("/v1/approvals", params={**parameters, "cursor": page["next_cursor"]})).json()

    assert [item["id"] for item in page["items"]] == every[: at + 2]
    assert [item["id"] for item in rest["items"]] == [*ids[2:], new.rpartition("/")[2]]


async def test_what_is_not_there_or_makes_no_sense_is_refused(office: Office) -> None:
    unknown, mia = f"/v1/approvals/{uuid4()}", office.people["mia"]
    _, approval = await office.ask()

    missing = [
        await mia.get(unknown),
        await office.decide("mia", unknown),
        await mia.post(f"{unknown}/withdraw"),
        await mia.get("/v1/approvals/nonsense"),
    ]
    junk = [
        await mia.get("/v1/approvals", params=parameters)
        for parameters in (
            {"status": "open"},
            {"mine": "perhaps"},
            {"due_before": "soon"},
            {"order_id": "1"},
            {"x": "1"},
        )
    ]
    bodies = [
        await office.decide("mia", approval, "perhaps"),
        await office.decide("mia", approval, comment="x" * 1001),
        await office.decide("mia", approval, roles=["director"]),
        await office.decide("mia", approval, on_behalf_of="key:max"),
    ]
    keyless = await mia.post(f"{approval}/decisions", json={"decision": "approve"})
    version = (await mia.get(approval)).headers["etag"]
    unchanged = await mia.get(approval, headers={"If-None-Match": version})

    assert [refusal(answer) for answer in missing] == [(404, "not_found")] * 4
    assert [refusal(answer) for answer in (*junk, *bodies)] == [(422, "invalid_request")] * 9
    assert (refusal(keyless), unchanged.status_code) == ((400, "idempotency_key_missing"), 304)


async def test_customers_learn_that_people_decide_and_not_who(office: Office) -> None:
    customer = f"C-{uuid4()}"
    path, approval = await office.ask(customer_id=customer)
    bound = await office.callers.bound(f"customer-{customer.lower()[:20]}", customer)

    seen = (await bound.get(path)).json()["approval"]
    forbidden = [await bound.get(approval), await office.decide_as(bound, approval), await bound.get("/v1/approvals")]
    await office.decide("mia", approval, "reject", comment="not with them")
    await office.shopper.becomes(path, "rejected")
    events = (await bound.get(f"{path}/events")).json()["items"]
    told = [event for event in events if event["kind"].startswith("approval")]

    assert (seen["status"], seen["waiting_for"], seen["due_at"]) == ("pending", [], None)
    assert [refusal(answer) for answer in forbidden] == [(403, "forbidden")] * 3
    assert [(event["kind"], event["actor"]) for event in told] == [
        ("approval_requested", "system"),
        ("approval_decided", "operator"),
    ]
    assert not {"manager", "key:mia", "not with them"} & set(str(events).split("'"))
