"""
What the tests of access share: the operations of the OpenAPI document, a valid request to each, callers of all kinds.
"""

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from sqlalchemy import update
from starlette.routing import BaseRoute
from temporalio.client import Client

from fulfillment import bootstrap
from fulfillment.api.access import GuardedRoute
from fulfillment.api.openapi.prose import SECURITY_SCHEME
from fulfillment.contracts.converter import data_converter
from fulfillment.db.engine import Database
from fulfillment.db.tables import principals
from fulfillment.domain.identity import CUSTOMER_SCOPES, Scope
from fulfillment.settings import Settings
from tests.api.bodies import a_key, an_order
from tests.api.living import Shopper, open_shop
from tests.fixtures.database import a_database
from tests.fixtures.identity import a_caller, calling
from tests.fixtures.settings import settings_for as service_settings
from tests.fixtures.temporal import running_temporal
from tests.sandbox.running import running_sandbox, settings_for

REASON = {"reason": "changed my mind"}
CARD = {"method": "card", "token": "tok_visa"}
LINES = {"lines": an_order()["lines"]}
ADDRESS = an_order()["shipping_address"]
TEST_LINE = {"sku": "TEST-ORDER", "name": "Test", "quantity": 1, "unit_price": {"amount": 100, "currency": "EUR"}}
ARTICLE = "SKU-1"
DELEGATION = {
    "delegate": "jwt:https://issuer.example#ada",
    "from": "2026-12-01T00:00:00Z",
    "until": "2026-12-15T00:00:00Z",
}

FORBIDDEN = (403, "forbidden")
UNAUTHORIZED = (401, "unauthorized")


def a_test_order(**changes: Any) -> dict[str, Any]:
    """A body of `POST /v1/orders` that reaches no provider."""
    return an_order(**{"lines": [TEST_LINE], "payment": None, **changes})


@dataclass(frozen=True)
class Call:
    """
    A valid request, the scopes its caller needs, and the status it is answered with; the order it may be about is
    delivered.
    """

    needs: str
    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    query: Mapping[str, str | int] | None = None

    @property
    def scopes(self) -> frozenset[Scope]:
        return frozenset(map(Scope, self.needs.split()))


@dataclass(frozen=True)
class Operation:
    """One method of one address, with the sets of scopes that open it; none: it is open without credentials."""

    id: str
    method: str
    path: str
    alternatives: tuple[frozenset[Scope], ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_of_an_order(self) -> bool:
        return "{order_id}" in self.path

    async def nonsense(self, client: httpx2.AsyncClient, order_id: object = None, **more: Any) -> httpx2.Response:
        """A request with nothing right about it but its address."""
        path = _filled(self.path, {"order_id": str(order_id or uuid4())}, otherwise="nonsense")
        parameters, form = {"nonsense": "1"}, {"Content-Type": "text/plain", **more.pop("headers", {})}
        return await client.request(self.method, path, content=b"{", params=parameters, headers=form, **more)

    async def ask(self, client: httpx2.AsyncClient, call: Call, order_id: object) -> httpx2.Response:
        """A valid request, about this order if it is about one."""
        path = _filled(self.path, {**PARAMETERS, "order_id": str(order_id)})
        headers = {**call.headers, **(a_key() if call.has_key else {})}
        return await client.request(self.method, path, json=call.body, params=call.query, headers=headers)


PARAMETERS = {
    "sku": ARTICLE,
    "name": "retry",
    "approval_id": str(uuid4()),
    "delegation_id": str(uuid4()),
}
"""What stands for the variable parts of addresses, beside the order."""

CALLS: dict[str, Sequence[Call]] = {
    "placeOrder": (
        Call("orders:place", 202, an_order(), has_key=True),
        Call("operations", 202, a_test_order(), has_key=True),
    ),
    "getOrder": (Call("orders:read", 200),),
    "listOrders": (Call("orders:read", 200),),
    "listOrderEvents": (Call("orders:read", 200),),
    "listOrderOperations": (Call("operations", 200),),
    "cancelOrder": (Call("orders:change", 409, REASON),),
    "payOrder": (Call("orders:change", 409, CARD, has_key=True),),
    "putOrderLines": (Call("orders:change orders:place", 409, LINES),),
    "putOrderAddress": (Call("orders:change", 409, ADDRESS),),
    "actOnOrder": (Call("operations", 409, REASON),),
    "recoverOrder": (Call("operations", 200, REASON),),
    "listAttention": (Call("operations", 200),),
    "putDelegation": (Call("approvals:decide", 422, DELEGATION),),
    "listDelegations": (Call("approvals:decide", 200),),
    "revokeDelegation": (Call("approvals:decide", 404), Call("operations", 404)),
    "listArticles": (Call("inventory:read", 200),),
    "getArticle": (Call("inventory:read", 200),),
    "putArticle": (Call("inventory:write", 200, {"on_hand": 10_000_000}, {"If-Match": "*"}),),
    "adjustArticle": (Call("inventory:write", 201, {"delta": 1, "reason": "found"}, has_key=True),),
    "listMovements": (Call("inventory:read", 200),),
    # There is no approval: who may ask is told so.
    "listApprovals": (Call("approvals:read", 200),),
    "getApproval": (Call("approvals:read", 404),),
    "decideApproval": (Call("approvals:decide", 404, {"decision": "approve"}, has_key=True),),
    "withdrawDecision": (Call("approvals:decide", 404),),
    "reassignApproval": (Call("operations", 404, {"level": "manager", "role": "vp", **REASON}),),
    "getApprovalPolicy": (Call("approvals:read", 200),),
    "explainApprovalPolicy": (Call("approvals:read", 200, query={"amount": 1, "currency": "EUR"}),),
}
"""For each guarded operation what opens it: one valid request per set of scopes."""

OPEN = {
    "receiveCarrierEvent": "the event's signature says whose it is",
    "receivePaymentEvent": "the event's signature says whose it is",
    "explainProblem": "the pages are the same for everybody, and public",
}
"""Operations that need no credentials, and why not."""

CUSTOMERS_MAY = {"getOrder", "listOrders", "listOrderEvents", "cancelOrder", "payOrder"}
"""Operations for callers bound to a customer: they read, pay and cancel their own orders."""


def operations_in(document: Mapping[str, Any]) -> list[Operation]:
    """The operations of an OpenAPI document."""
    return [
        Operation(entry["operationId"], method.upper(), path, _alternatives(entry.get("security", [])))
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    ]


def _alternatives(security: Sequence[Mapping[str, Sequence[str]]]) -> tuple[frozenset[Scope], ...]:
    if any(SECURITY_SCHEME not in alternative for alternative in security):
        return ()
    return tuple(frozenset(map(Scope, alternative[SECURITY_SCHEME])) for alternative in security)


def _filled(path: str, values: Mapping[str, str], otherwise: str | None = None) -> str:
    def value(match: re.Match[str]) -> str:
        found = values.get(match[1], otherwise)
        assert found is not None, f"{path}: say in tests/api/access.py, PARAMETERS, what stands for {match[0]}"
        return found

    return re.sub(r"{(\w+)}", value, path)


def calls_of(operation: Operation) -> Sequence[Call]:
    """A valid request for each set of scopes that opens an operation."""
    calls = CALLS.get(operation.id, ())
    assert {call.scopes for call in calls} == set(operation.alternatives), (
        f"{operation} is new, or other scopes open it than before ({[sorted(one) for one in operation.alternatives]}): "
        f"say in tests/api/access.py, CALLS, what a valid request of {operation.id} is and which scopes it needs"
    )
    return calls


def refusal(answer: httpx2.Response) -> tuple[int, str | None]:
    """Status and code; no code for what is no problem."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if is_problem else None


_OF_EVERY_REQUEST = ("date", "x-request-id", "ratelimit", "instance", "request_id")


def as_seen(answer: httpx2.Response, order_id: object) -> tuple[Any, ...]:
    """All that an answer tells about an order, without what differs between any two requests."""
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_EVERY_REQUEST}
    body = {name: value for name, value in answer.json().items() if name not in _OF_EVERY_REQUEST}
    return answer.status_code, headers, {name: str(value).replace(str(order_id), "ID") for name, value in body.items()}


@dataclass(frozen=True)
class Callers:
    """Clients of one API, as many as there are kinds of callers; each kind is made once."""

    api: httpx2.AsyncClient
    database: Database
    _known: dict[frozenset[Scope], httpx2.AsyncClient] = field(default_factory=dict)

    async def having(self, scopes: Collection[Scope]) -> httpx2.AsyncClient:
        """Somebody with just these scopes."""
        kind = frozenset(scopes)
        if kind not in self._known:
            self._known[kind] = await self.named(f"caller-{len(self._known)}", *scopes)
        return self._known[kind]

    async def named(self, name: str, *scopes: Scope) -> httpx2.AsyncClient:
        """Somebody new, with all scopes unless some are given."""
        return calling(self.api, await a_caller(self.database, name, *(scopes or Scope)))

    async def bound(self, name: str, customer_id: str) -> httpx2.AsyncClient:
        """Somebody new who is bound to a customer; the database has all scopes for them, which no command would do."""
        key = await a_caller(self.database, name, *CUSTOMER_SCOPES, customer_id=customer_id)
        async with self.database.transaction() as connection:
            widened = update(principals).where(principals.c.name == name).values(scopes=list(Scope))
            await connection.execute(widened)
        return calling(self.api, key)


Staffed = tuple[Shopper, Callers, Client]
"""Somebody who shops with all scopes, who else calls, and the Temporal of the shop."""


@contextmanager
def shop_settings(server: str, folder: Path) -> Iterator[Settings]:
    """A database of one's own on this PostgreSQL, a sandbox with its state in this folder."""
    with running_sandbox(settings_for(folder / "state.db")) as sandbox, a_database(server) as url:
        provider = {"url": str(sandbox.base_url), "timeout": "PT2S"}
        yield service_settings(url, payments=provider, carriers=provider)


@asynccontextmanager
async def staffed_shop(settings: Settings) -> AsyncIterator[Staffed]:
    """The whole service, everybody at work."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_temporal())
        shopper = await stack.enter_async_context(open_shop(settings, server))
        database = await stack.enter_async_context(bootstrap.open_database(settings, application="tests"))
        await shopper.stock(1000)
        converter = data_converter(settings.encryption.ring())
        yield shopper, Callers(shopper.api, database), await Client.connect(server, data_converter=converter)


def addresses(app: FastAPI) -> list[RouteContext]:
    """Everything an application answers at, also what was included, mounted or left out of its document."""
    # Where single-page applications are served from: matched last, and on no list of routes.
    last = [RouteContext(cast("BaseRoute", route)) for route in app.router._iter_low_priority_routes()]
    return [*iter_route_contexts(app.routes), *last]


def unguarded(app: FastAPI) -> list[str]:
    """The addresses at which nobody is asked who they are."""
    found = (address for address in addresses(app) if not isinstance(address.original_route, GuardedRoute))
    return [address.path or str(address.route) for address in found]
