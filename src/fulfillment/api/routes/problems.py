"""
`/problems/{code}`: what a problem means and what to do about it.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse

from fulfillment.api.access import GuardedRoute, public
from fulfillment.api.openapi.refusals import problems
from fulfillment.api.problem_pages import PAGE_POLICY, problem_page
from fulfillment.api.problems import Problem

router = APIRouter(tags=["problems"], route_class=GuardedRoute)

ProblemCode = Annotated[str, Path(description="The `code` of a problem.", examples=["not_found"])]


@router.get(
    "/{code}",
    operation_id="explainProblem",
    summary="What a problem code means",
    response_class=HTMLResponse,
    response_description="The page.",
    responses=problems("not_found"),
)
@public
async def explain_problem(code: ProblemCode) -> HTMLResponse:
    """
    A page for people. The `type` of a problem leads here.
    """
    page = problem_page(code)
    if page is None:
        raise Problem("not_found", "there is no such problem code")
    return HTMLResponse(page, headers={"Content-Security-Policy": PAGE_POLICY})
