"""
Every answer that is not a success is a problem with a code, and every code has a page.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import httpx2
import pytest

from fulfillment.api.changes import OrderChanges
from fulfillment.api.problem_pages import EXPLANATIONS
from fulfillment.api.problems import PROBLEM_TYPES, Problem
from fulfillment.api.resources import ApiResources
from fulfillment.domain.errors import DomainError, FulfillmentError, OrderNotFound, TransientError, Unavailable
from fulfillment.domain.keyring import Key
from fulfillment.fingerprint import FingerprintRing
from fulfillment.orchestrator import OrderOrchestrator
from fulfillment.settings import Settings
from tests.api.bodies import a_key, an_order
from tests.fixtures.api import serving
from tests.fixtures.logs import LogLines
from tests.fixtures.settings import MakeSettings

# Contract, section 1.
GENERAL = {
    "malformed_body": 400,
    "invalid_request": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "precondition_failed": 412,
    "body_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "precondition_required": 428,
    "rate_limited": 429,
    "headers_too_large": 431,
    "internal": 500,
    "unavailable": 503,
    "idempotency_key_missing": 400,
    "idempotency_key_reused": 422,
    "reference_taken": 409,
    "below_reserved": 409,
    "order_not_cancellable": 409,
    "order_not_amendable": 409,
    "payment_not_awaited": 409,
    "action_not_available": 409,
    "stock_short": 409,
    "unknown_sku": 409,
}
KEYS = (Key("k1", bytes(32)),)


def errors_below(kind: type[FulfillmentError]) -> Iterator[type[FulfillmentError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("fulfillment."):
            yield child
            yield from errors_below(child)


def test_every_error_of_the_domain_and_every_general_code_has_a_status() -> None:
    codes = {error.code for error in (*errors_below(DomainError), *errors_below(TransientError))}

    assert codes <= PROBLEM_TYPES.keys()
    assert {code: PROBLEM_TYPES[code].status for code in GENERAL} == GENERAL
    assert {PROBLEM_TYPES[error.code].status for error in errors_below(TransientError)} == {503}


def test_every_code_is_explained() -> None:
    assert EXPLANATIONS.keys() == PROBLEM_TYPES.keys()


async def test_every_code_has_a_page_for_people(api: httpx2.AsyncClient) -> None:
    for code, kind in PROBLEM_TYPES.items():
        page = await api.get(f"/problems/{code}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert kind.title in page.text
    assert (await api.get("/problems/none_of_ours")).json()["code"] == "not_found"


async def test_whatever_is_asked_a_refusal_is_a_problem(api: httpx2.AsyncClient, settings: Settings) -> None:
    cases = [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v1/orders/", 404, "not_found"),
        ("GET", "/v2/orders", 404, "not_found"),
        ("GET", "/%ff%fe", 404, "not_found"),
        ("GET", "/v1/orders?%ff=%fe", 422, "invalid_request"),
        ("DELETE", "/v1/orders", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/orders", 405, "method_not_allowed"),
        ("PATCH", "/v1/orders/x/events", 405, "method_not_allowed"),
        ("PROPFIND", "/v1/orders", 405, "method_not_allowed"),
        ("BREW", "/v1/orders", 400, "malformed_request"),
        ("POST", "/v1/orders", 400, "malformed_body"),
    ]
    for method, path, status, code in cases:
        answer = await api.request(method, path)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"{settings.api.public_url}/problems/{code}"
        assert problem["title"] == PROBLEM_TYPES[code].title
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["detail"]
        assert problem["instance"].startswith("/")


async def test_a_wrong_method_is_told_the_right_ones(api: httpx2.AsyncClient) -> None:
    assert (await api.delete("/v1/orders")).headers["allow"] == "GET, POST"
    head = await api.head("/v1/orders")
    assert (head.status_code, head.headers["allow"], head.content) == (405, "GET, POST", b"")
    assert head.headers["content-type"] == "application/problem+json"


async def test_query_parameters_of_a_route_without_any_are_refused(api: httpx2.AsyncClient) -> None:
    placed = await api.post("/v1/orders?dry_run=1", json=an_order(), headers=a_key())

    assert placed.status_code == 422
    assert [error["field"] for error in placed.json()["errors"]] == ["dry_run"]


class BuggyOrchestrator(OrderOrchestrator):
    """Has a bug whose text must not reach a caller."""

    async def unwritten(self, order_id: object) -> None:
        raise RuntimeError("secret of the implementation")


@pytest.fixture
def buggy(resources: ApiResources) -> ApiResources:
    orders = BuggyOrchestrator.__new__(BuggyOrchestrator)
    return replace(resources, orders=orders, changes=OrderChanges(resources.database, orders, FingerprintRing(KEYS)))


async def test_a_bug_is_logged_and_not_shown(buggy: ApiResources, log_lines: LogLines) -> None:
    async with serving(buggy) as api:
        answer = await api.get(f"/v1/orders/{UUID(int=0)}", headers={"X-Request-Id": "find-me"})

    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "internal", "find-me")
    assert not re.search("secret|RuntimeError|Traceback", answer.text)
    logged = {line["event"]: line for line in log_lines()}
    assert logged["request_failed"]["exception"][0]["exc_value"] == "secret of the implementation"
    assert logged["request_failed"]["request_id"] == "find-me"
    assert logged["http_request"]["status"] == 500


def test_a_transient_error_says_when_to_come_back() -> None:
    assert Problem.of(Unavailable("database")).headers == {"Retry-After": "2"}
    assert Problem.of(OrderNotFound("x")).headers == {}


async def test_a_request_id_is_echoed_when_it_is_sane_and_made_when_not(api: httpx2.AsyncClient) -> None:
    async def echoed(given: str) -> str:
        headers = {b"X-Request-Id": given.encode()}
        return str((await api.get("/v1/orders", headers=headers)).headers["x-request-id"])

    assert await echoed("req-42!") == "req-42!"
    assert await echoed("r" * 128) == "r" * 128
    for junk in ("", "a b", "r" * 129, "é"):
        assert re.fullmatch(r"[0-9a-f-]{36}", await echoed(junk))


async def test_documentation_is_for_the_local_profile_alone(
    make_settings: MakeSettings, resources: ApiResources
) -> None:
    settings = make_settings(profile="production")
    hidden = ApiResources.of(settings, resources.database, resources.orders._client)
    async with serving(hidden) as api:
        answers = [await api.get(path) for path in ("/docs", "/openapi.json", "/redoc", "/problems/not_found")]

    assert [answer.json()["code"] for answer in answers] == ["not_found"] * 4
