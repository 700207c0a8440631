"""
The addresses of an application: their templates for logs and metrics, their methods for `Allow`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

UNMATCHED = "unmatched"


class RouteTable:
    """Reads the routes when first asked, so that it may be made before they are."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    def template(self, scope: Mapping[str, Any]) -> str:
        """The address as declared, `/v1/orders/{order_id}`; one word for all that match nothing."""
        return self._templates.get(scope.get("endpoint"), UNMATCHED)

    def methods(self, scope: Mapping[str, Any]) -> list[str]:
        """What may be asked of the address that was matched."""
        return sorted(self._methods[self.template(scope)])

    @cached_property
    def _templates(self) -> dict[Callable[..., Any] | None, str]:
        return {route.endpoint: str(route.path) for route in iter_route_contexts(self._routes)}

    @cached_property
    def _methods(self) -> Mapping[str, set[str]]:
        methods: defaultdict[str, set[str]] = defaultdict(set)
        for route in iter_route_contexts(self._routes):
            methods[str(route.path)] |= route.methods or set()
        return methods
