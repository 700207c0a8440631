"""
Who may call a route. Deny by default: a route that does not say it cannot be made.
"""

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute

from fulfillment.api.bodies import BODY_LIMIT, BoundedRequest
from fulfillment.api.openapi.prose import SECURITY_SCHEME, SIGNATURE_SCHEME
from fulfillment.api.openapi.refusals import EVERYWHERE, with_problems
from fulfillment.api.problems import Problem
from fulfillment.domain.identity import CUSTOMER_SCOPES, Principal, Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Security = list[dict[str, list[str]]]


class Access(Protocol):
    """What a route asks of whoever calls it."""

    @property
    def security(self) -> Security:
        """The same for the OpenAPI document."""

    @property
    def codes(self) -> Collection[str]:
        """The problems that come of it."""

    @property
    def body_limit(self) -> int:
        """Bytes a body may have."""

    async def admit(self, request: Request, /) -> None:
        """
        Let a request in.

        Raises:
            Problem: it may not.
        """


@dataclass(frozen=True, slots=True)
class Scoped:
    """Open to callers that have all scopes of one of the sets; to those bound to a customer only with `customers`."""

    any_of: tuple[frozenset[Scope], ...]
    customers: bool = True
    body_limit: int = BODY_LIMIT

    @property
    def security(self) -> Security:
        return [{SECURITY_SCHEME: sorted(scopes)} for scopes in self.any_of]

    @property
    def codes(self) -> Collection[str]:
        return ("unauthorized", "forbidden", "rate_limited")

    async def admit(self, request: Request) -> None:
        resources = request.app.state.resources
        principal: Principal = await resources.identity.principal(request.headers)
        structlog.contextvars.bind_contextvars(caller=principal.label)
        request.state.principal = principal
        request.state.headers = await resources.rate_limits.count(principal)
        self.check(principal)

    def check(self, principal: Principal) -> None:
        """
        Whether this caller may.

        Raises:
            Problem: not with these credentials.
        """
        if principal.customer_id is not None and not self.customers:
            raise Problem("forbidden", "these credentials are bound to a customer, who may not do this")
        if not any(scopes <= principal.scopes for scopes in self.any_of):
            wanted = " or ".join(" and ".join(sorted(scopes)) for scopes in self.any_of)
            raise Problem("forbidden", f"these credentials lack the scope: {wanted}")


@dataclass(frozen=True, slots=True)
class Open:
    """Open without credentials: what comes in proves by itself whose it is, or nothing is told that is not public."""

    codes: Collection[str] = ()
    scheme: str | None = None
    body_limit: int = BODY_LIMIT

    @property
    def security(self) -> Security:
        return [{self.scheme: []}] if self.scheme else []

    async def admit(self, _: Request, /) -> None:
        return


class Unguarded(TypeError):
    """A route does not say who may call it: `@requires(...)` or `@public` is missing below its decorator."""


def requires(*any_of: Scope | frozenset[Scope], customers: bool = True) -> Callable[[Endpoint], Endpoint]:
    """
    The scopes a caller needs: one of these, or all of one of these sets.

    Not for callers bound to a customer where `customers` is off, or where it takes scopes they cannot have.
    """
    sets = tuple(frozenset({one}) if isinstance(one, Scope) else one for one in any_of)
    reachable = any(scopes <= CUSTOMER_SCOPES for scopes in sets)
    return _marked(Scoped(sets, customers=customers and reachable))


def public(endpoint: Endpoint) -> Endpoint:
    """No credentials are needed."""
    return _marked(Open())(endpoint)


def signed(*, body_limit: int = BODY_LIMIT) -> Callable[[Endpoint], Endpoint]:
    """What comes in is signed. The endpoint itself checks that, with the secret of whom the address names."""
    return _marked(Open(codes=("unauthorized",), scheme=SIGNATURE_SCHEME, body_limit=body_limit))


def _marked(access: Access) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__access__ = access  # type: ignore[attr-defined]
        return endpoint

    return mark


class GuardedRoute(APIRoute):
    """A route that lets nobody in whom its endpoint does not admit; nothing of a request is read before that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        access: Access | None = getattr(endpoint, "__access__", None)
        if access is None:
            raise Unguarded(path)
        self.access = access
        extra = {**(options.pop("openapi_extra", None) or {}), "security": access.security}
        responses = with_problems(options.pop("responses", None) or {}, (*access.codes, *EVERYWHERE))
        super().__init__(path, endpoint, openapi_extra=extra, responses=responses, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, access, takes_body = super().get_route_handler(), self.access, self.body_field is not None

        async def guarded(request: Request) -> Response:
            await access.admit(request)
            bounded = BoundedRequest(request.scope, request.receive, access.body_limit)
            if takes_body:
                # Read here: what goes wrong while FastAPI reads, it answers with a 400 of its own.
                await bounded.json()
            return await handle(bounded)

        return guarded
