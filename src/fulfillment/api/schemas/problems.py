"""
What callers are told when a request is refused (RFC 9457).
"""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from fulfillment.api.schemas.common import View


class FieldProblem(View):
    """One field of the request, and what would be right."""

    field: str
    """A field of the body (`lines[2].quantity`), a parameter or a header."""
    message: str
    """What would be right; never the value that was sent."""


class ProblemOut(View):
    """Why a request was refused; programs branch on `code`, people read `detail`."""

    # Left out where there is nothing to name.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    """A page about this code, where documentation is served."""
    title: str
    """The same for all problems of a code."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status of this answer."""
    detail: str
    """What went wrong this time, for people."""
    instance: Annotated[str, Field(max_length=500)]
    """The path that was asked for."""
    code: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    """What programs branch on. Which codes an operation can answer with stands with its responses."""
    request_id: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
    """The same as `X-Request-Id`: name it when you ask us about this answer."""
    errors: list[FieldProblem] | SkipJsonSchema[None] = None
    """Each field that is wrong; with `invalid_request` only."""
