"""
`/problems/{code}`: what a problem means and what to do about it.
"""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from fulfillment.api.openapi import problems
from fulfillment.api.problem_pages import problem_page
from fulfillment.api.problems import Problem

router = APIRouter(tags=["problems"])


@router.get(
    "/{code}",
    operation_id="explainProblem",
    summary="What a problem code means",
    response_class=HTMLResponse,
    responses=problems("not_found"),
)
async def explain_problem(code: str) -> HTMLResponse:
    """
    A page for people.
    """
    page = problem_page(code)
    if page is None:
        raise Problem("not_found", "there is no such problem code")
    return HTMLResponse(page)
