"""
`/approval-policy`: whose approval orders need, and why.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from fulfillment.api.access import GuardedRoute, requires
from fulfillment.api.dependencies import NoQuery, Resources
from fulfillment.api.pages import answer
from fulfillment.api.schemas.approval_policy import ExplanationOut, ExplanationQuery, PolicyOut
from fulfillment.db.customers import KnownCustomer, read_facts
from fulfillment.domain.approval_policy import RiskFacts
from fulfillment.domain.identity import Scope

router = APIRouter(tags=["approvals"], route_class=GuardedRoute)


@router.get(
    "/approval-policy",
    operation_id="getApprovalPolicy",
    summary="Read the approval policy",
    response_model=PolicyOut,
    response_description="The policy as this process has it.",
)
@requires(Scope.APPROVALS_READ)
async def get_policy(resources: Resources, _: NoQuery) -> Response:
    """
    In force for orders that are placed or amended from now on. Open requests keep the rules they were made by.
    """
    return answer(PolicyOut.of(resources.policy))


@router.get(
    "/approval-policy/explanation",
    operation_id="explainApprovalPolicy",
    summary="Explain whose approval an order would need",
    response_model=ExplanationOut,
    response_description="What would happen to this order.",
)
@requires(Scope.APPROVALS_READ)
async def explain_policy(query: Annotated[ExplanationQuery, Query()], resources: Resources) -> Response:
    """
    Nothing is placed, counted or kept. Whether an address is unusual is never judged here.
    """
    known = KnownCustomer()
    if query.customer_id is not None:
        async with resources.database.statement() as connection:
            known = await read_facts(connection, query.customer_id)
    facts = RiskFacts(
        country=query.country,
        most_units=query.units,
        first_order=known.first_order,
        orders_within_hour=known.orders_within_hour,
    )
    return answer(ExplanationOut.of(resources.policy, query.total, facts))
