"""
What callers are told when a request is refused (RFC 9457).
"""

from pydantic import Field

from fulfillment.api.schemas.common import View


class FieldProblem(View):
    """One field of the request, and what would be right."""

    field: str = Field(examples=["lines[2].quantity"])
    message: str


class ProblemOut(View):
    """Why a request was refused; programs branch on `code`, people read `detail`."""

    type: str = Field(description="A page about this code.")
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = Field(default=None, description="Only for `invalid_request`.")
