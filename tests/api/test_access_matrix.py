"""
Who gets in where, for every operation there is: generated from the OpenAPI document of the running service.
"""

from dataclasses import replace
from itertools import product
from uuid import uuid4

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from starlette.staticfiles import StaticFiles

from fulfillment.api.access import GuardedRoute, Open, Unguarded, requires
from fulfillment.api.app import create_app
from fulfillment.api.resources import ApiResources
from fulfillment.api_key import ApiKey
from fulfillment.db.engine import Database
from fulfillment.domain.identity import CUSTOMER_SCOPES, Scope
from fulfillment.domain.ids import OrderId
from tests.api.access import (
    CALLS,
    CUSTOMERS_MAY,
    FORBIDDEN,
    OPEN,
    UNAUTHORIZED,
    Callers,
    Operation,
    a_test_order,
    addresses,
    as_seen,
    calls_of,
    operations_in,
    refusal,
    unguarded,
)
from tests.api.bodies import a_key, an_order
from tests.api.writing import change, id_in, start_of, write
from tests.fixtures.identity import bearing, calling
from tests.fixtures.settings import MakeSettings

BAD_CREDENTIALS: dict[str, dict[str, str]] = {
    "none": {},
    "an empty header": {"Authorization": ""},
    "a scheme alone": {"Authorization": "Bearer"},
    "garbage": {"Authorization": "Bearer garbage"},
    "a key nobody was given": bearing(ApiKey.new()),
    "a key with something behind it": {"Authorization": f"Bearer {ApiKey.new().text} x"},
    "another scheme": {"Authorization": "Basic YWxhZGRpbjpvcGVuc2VzYW1l"},
    "what looks like a JWT": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
}


@pytest.fixture
async def operations(api: httpx2.AsyncClient) -> list[Operation]:
    """All of them."""
    return operations_in((await api.get("/openapi.json")).json())


@pytest.fixture
def guarded(operations: list[Operation]) -> list[Operation]:
    """Those that need credentials."""
    return [operation for operation in operations if operation.alternatives]


@pytest.fixture
def callers(api: httpx2.AsyncClient, database: Database) -> Callers:
    return Callers(api, database)


@pytest.fixture
async def delivered(api: httpx2.AsyncClient, resources: ApiResources) -> OrderId:
    """An order of customer C-1 that has ended; it and its articles are written down."""
    placed = await api.post("/v1/orders", json=an_order(customer_id="C-1"), headers=a_key())
    await write(resources, await start_of(resources, placed))
    await change(resources, id_in(placed), status="delivered")
    return id_in(placed)


async def test_without_good_credentials_nothing_is_answered(api: httpx2.AsyncClient, guarded: list[Operation]) -> None:
    stranger, wrong = calling(api, None), []
    for operation, (name, headers) in product(guarded, BAD_CREDENTIALS.items()):
        answer = await operation.nonsense(stranger, headers=headers)
        if (refusal(answer), answer.headers.get("www-authenticate")) != (UNAUTHORIZED, "Bearer"):
            wrong.append(f"{operation} with {name}: {refusal(answer)}")

    assert wrong == []
    assert len(guarded) >= len(CALLS)


async def test_a_caller_who_lacks_a_scope_is_told_which_before_anything_is_read(
    guarded: list[Operation], callers: Callers
) -> None:
    wrong = []
    for operation in guarded:
        for lacking in product(*operation.alternatives):
            answer = await operation.nonsense(await callers.having(set(Scope) - set(lacking)))
            named = {scope for scope in Scope if scope in answer.json().get("detail", "")}
            if refusal(answer) != FORBIDDEN or named != frozenset().union(*operation.alternatives):
                wrong.append(f"{operation} without {' and '.join(lacking)}: {refusal(answer)} names {sorted(named)}")

    assert wrong == []


async def test_a_caller_with_just_the_scopes_of_an_operation_may(
    guarded: list[Operation], callers: Callers, delivered: OrderId
) -> None:
    wrong = []
    for operation in guarded:
        for call in calls_of(operation):
            answer = await operation.ask(await callers.having(call.scopes), call, delivered)
            if answer.status_code != call.status:
                wrong.append(f"{operation} with {call.needs}: {answer.status_code}, not {call.status}: {answer.text}")

    assert wrong == []


async def test_a_customer_may_do_what_is_listed_and_nothing_else_even_to_own_orders(
    guarded: list[Operation], callers: Callers, delivered: OrderId
) -> None:
    owner, wrong = await callers.bound("c-1", "C-1"), []
    for operation in guarded:
        for call in calls_of(operation):
            answers = [await operation.ask(owner, call, delivered)]
            if operation.id not in CUSTOMERS_MAY:
                answers.append(await operation.nonsense(owner, delivered))
            expected = (call.status,) if operation.id in CUSTOMERS_MAY else (403, 403)
            if tuple(answer.status_code for answer in answers) != expected:
                wrong.append(f"{operation} by the owner: {[refusal(answer) for answer in answers]}, not {expected}")

    assert wrong == []


async def test_an_order_of_somebody_else_looks_like_one_that_does_not_exist(
    guarded: list[Operation], callers: Callers, delivered: OrderId
) -> None:
    stranger, nobodys, wrong = await callers.bound("c-2", "C-2"), OrderId(uuid4()), []
    for operation in (each for each in guarded if each.is_of_an_order):
        (call,) = calls_of(operation)
        foreign, missing = [await operation.ask(stranger, call, order) for order in (delivered, nobodys)]
        junk = [await operation.nonsense(stranger, order) for order in (delivered, nobodys)]
        expected = (404, "not_found") if operation.id in CUSTOMERS_MAY else FORBIDDEN
        if refusal(foreign) != expected:
            wrong.append(f"{operation}: {refusal(foreign)}, not {expected}")
        if as_seen(foreign, delivered) != as_seen(missing, nobodys):
            wrong.append(f"{operation}: {foreign.text} is not {missing.text}")
        if as_seen(junk[0], delivered) != as_seen(junk[1], nobodys):
            wrong.append(f"{operation} with junk: {junk[0].text} is not {junk[1].text}")

    assert wrong == []


def test_what_is_open_without_credentials_is_listed_with_its_reason(resources: ApiResources) -> None:
    app = create_app(resources)
    found = {address.operation_id for address in addresses(app) if _is_open(address.original_route)}
    told = {operation.id for operation in operations_in(app.openapi()) if not operation.alternatives}

    assert found == told == set(OPEN)


def _is_open(route: object) -> bool:
    return isinstance(route, GuardedRoute) and isinstance(route.access, Open)


def test_every_guarded_route_is_in_the_document_this_matrix_is_made_of(resources: ApiResources) -> None:
    app = create_app(resources)
    routes = {
        (method, str(address.path))
        for address in addresses(app)
        if isinstance(address.original_route, GuardedRoute)
        for method in address.methods or ()
    }

    assert routes == {(operation.method, operation.path) for operation in operations_in(app.openapi())}


def test_nothing_but_the_documentation_of_profile_local_is_unguarded(
    resources: ApiResources, make_settings: MakeSettings
) -> None:
    production = create_app(replace(resources, settings=make_settings(profile="production")))

    assert unguarded(create_app(resources)) == ["/openapi.json", "/docs", "/docs/oauth2-redirect"]
    assert unguarded(production) == []


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)

    async def forgotten() -> None: ...

    with pytest.raises(Unguarded, match="/forgotten"):
        router.get("/forgotten")(forgotten)
    with pytest.raises(Unguarded, match="/again"):
        router.add_api_route("/again", forgotten)
    router.get("/thought-of")(requires(Scope.ADMIN)(forgotten))


def test_whatever_else_answers_is_found(resources: ApiResources) -> None:
    app, plain, inner = create_app(resources), APIRouter(), APIRouter()
    before = len(unguarded(app))

    async def socket(_: WebSocket) -> None: ...

    async def answer(_: Request) -> Response:
        return Response()

    app.get("/directly")(answer)
    plain.get("/included")(requires(Scope.ADMIN)(answer))
    inner.get("/included-twice")(answer)
    plain.include_router(inner, prefix="/inner")
    plain.websocket("/socket")(socket)
    app.include_router(plain, prefix="/v1")
    app.mount("/mounted", FastAPI())
    app.mount("/files", StaticFiles(directory="."))
    app.add_route("/starlette", answer)
    app.frontend("/", directory=".")

    found = unguarded(app)
    assert found[before:-1] == [
        "/directly",
        "/v1/included",
        "/v1/inner/included-twice",
        "/v1/socket",
        "/mounted",
        "/files",
        "/starlette",
    ]
    assert "Frontend" in found[-1]


async def test_a_test_order_needs_another_scope_than_an_ordinary_one(callers: Callers) -> None:
    shop = await callers.having(set(Scope) - {Scope.OPERATIONS})
    operator = await callers.having(set(Scope) - {Scope.ORDERS_PLACE})
    test, ordinary = a_test_order(), an_order()
    mixed = an_order(lines=[*test["lines"], *ordinary["lines"]], payment=None)

    answers = {
        "a test order by a shop": await shop.post("/v1/orders", json=test, headers=a_key()),
        "an ordinary order by an operator": await operator.post("/v1/orders", json=ordinary, headers=a_key()),
        "a mixed order by an operator": await operator.post("/v1/orders", json=mixed, headers=a_key()),
    }
    placed = [
        await operator.post("/v1/orders", json=test, headers=a_key()),
        await shop.post("/v1/orders", json=ordinary, headers=a_key()),
    ]

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(answers, FORBIDDEN)
    assert [answer.json()["detail"].rpartition(" ")[2] for answer in answers.values()] == [
        Scope.OPERATIONS,
        Scope.ORDERS_PLACE,
        Scope.ORDERS_PLACE,
    ]
    assert [answer.status_code for answer in placed] == [202, 202]


def test_customers_have_the_scopes_of_what_they_may_do(resources: ApiResources) -> None:
    needed = {
        scope
        for operation in operations_in(create_app(resources).openapi())
        if operation.id in CUSTOMERS_MAY
        for alternative in operation.alternatives
        for scope in alternative
    }

    assert needed == CUSTOMER_SCOPES
