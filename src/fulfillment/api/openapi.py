"""
The OpenAPI document: what a route may refuse, in the media type it is refused in.
"""

from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fulfillment.api.problems import MEDIA_TYPE, PROBLEM_TYPES
from fulfillment.api.schemas.problems import ProblemOut

Responses = dict[int | str, dict[str, Any]]

_ALWAYS = ("invalid_request", "internal", "unavailable")
_OWN_ERROR_MODELS = ("HTTPValidationError", "ValidationError")


def problems(*codes: str) -> Responses:
    """The refusals of a route for `responses=`, by status; those every route knows are added."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in (*codes, *_ALWAYS):
        by_status[PROBLEM_TYPES[code].status].append(code)
    return {
        status: {"model": ProblemOut, "description": ", ".join(f"`{code}`" for code in names)}
        for status, names in sorted(by_status.items())
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application; made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in schema["paths"].values():
            for operation in path.values():
                _correct(operation["responses"])
        for model in _OWN_ERROR_MODELS:
            schema["components"]["schemas"].pop(model, None)
        app.openapi_schema = schema
    return app.openapi_schema


def _correct(responses: dict[str, Any]) -> None:
    """The framework declares a refusal in the media type of the success."""
    for status, response in responses.items():
        if status >= "400" and "content" in response:
            response["content"] = {MEDIA_TYPE: next(iter(response["content"].values()))}
