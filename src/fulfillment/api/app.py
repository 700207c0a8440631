"""
The HTTP application.
"""

from importlib.metadata import version

from fastapi import FastAPI

from fulfillment.api.middleware import RequestRecord
from fulfillment.api.openapi.document import document
from fulfillment.api.problem_handlers import ProblemHandlers
from fulfillment.api.resources import ApiResources
from fulfillment.api.route_table import RouteTable
from fulfillment.api.routes import (
    approval_policy,
    approvals,
    attention,
    carriers,
    changes,
    delegations,
    inventory,
    orders,
    payment_providers,
    problems,
    recovery,
)
from fulfillment.api.security_headers import SecurityHeaders


def create_app(resources: ApiResources) -> FastAPI:
    """Everything that answers callers, on these resources; documentation and problem pages in profile local only."""
    api = resources.settings.api
    public = resources.settings.profile == "local"
    app = FastAPI(
        title="Order fulfilment",
        version=version("order-fulfillment"),
        openapi_url="/openapi.json" if public else None,
        docs_url="/docs" if public else None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.resources = resources
    app.include_router(orders.router, prefix="/v1")
    app.include_router(changes.router, prefix="/v1")
    app.include_router(approvals.router, prefix="/v1")
    app.include_router(attention.router, prefix="/v1")
    app.include_router(recovery.router, prefix="/v1")
    app.include_router(delegations.router, prefix="/v1")
    app.include_router(inventory.router, prefix="/v1")
    app.include_router(approval_policy.router, prefix="/v1")
    app.include_router(carriers.router, prefix="/v1")
    app.include_router(payment_providers.router, prefix="/v1")
    if public:
        app.include_router(problems.router, prefix="/problems")
    routes = RouteTable(app.routes)
    handlers = ProblemHandlers(api.public_url, routes)
    handlers.install(app)
    app.add_middleware(RequestRecord, routes=routes, handlers=handlers)
    app.add_middleware(SecurityHeaders, public_url=api.public_url)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app
