"""
What a route may refuse, and with which codes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fulfillment.api.problem_pages import EXPLANATIONS
from fulfillment.api.problems import MEDIA_TYPE, PROBLEM_TYPES
from fulfillment.api.schemas.problems import ProblemOut

Responses = dict[int | str, dict[str, Any]]

BODY = ("malformed_body", "body_too_large", "unsupported_media_type")
"""What every request with a body may be refused with."""

EVERYWHERE = (
    "malformed_request",
    "request_timeout",
    "uri_too_long",
    "headers_too_large",
    "invalid_request",
    "internal",
    "unavailable",
)
"""What every request may be refused with."""

_CODES = "x-problem-codes"
_REQUEST_ID = "0d4b9a52-7f0e-4a57-9d1c-2b8f6f4f6c11"
_WRONG_FIELD = {"field": "lines[2].quantity", "message": "Input should be greater than or equal to 1"}


def problems(*codes: str) -> Responses:
    """These refusals of a route, for `responses=`."""
    return with_problems({}, codes)


def with_problems(responses: Mapping[int | str, dict[str, Any]], codes: Iterable[str]) -> Responses:
    """The answers of a route with these refusals added."""
    by_status: defaultdict[int | str, list[str]] = defaultdict(list)
    for code in (*(code for response in responses.values() for code in codes_of(response)), *codes):
        status = PROBLEM_TYPES[code].status
        if code not in by_status[status]:
            by_status[status].append(code)
    refusals = {status: _declared(sorted(names)) for status, names in sorted(by_status.items())}
    return {**responses, **refusals}


def codes_of(response: Mapping[str, Any]) -> list[str]:
    """The codes of a refusal; none for other answers."""
    codes: list[str] = response.get(_CODES, [])
    return codes


def component_name(codes: Iterable[str]) -> str:
    """What a refusal with these codes is called: `NotFound`, `MalformedBodyOrMalformedRequest`."""
    return "Or".join(code.title().replace("_", "") for code in codes)


def component(codes: list[str]) -> dict[str, Any]:
    """A refusal with these codes, without its headers."""
    status = PROBLEM_TYPES[codes[0]].status
    # Keywords beside a reference narrow what it says: tools that read them know which codes come here, generators
    # of clients go on seeing one type of problem.
    narrowed = {
        "$ref": f"#/components/schemas/{ProblemOut.__name__}",
        "properties": {"status": {"const": status}, "code": {"enum": codes}},
    }
    examples = {code: {"summary": PROBLEM_TYPES[code].title, "value": _example(code)} for code in codes}
    return {**_text(codes), "content": {MEDIA_TYPE: {"schema": narrowed, "examples": examples}}}


def _declared(codes: list[str]) -> dict[str, Any]:
    return {"model": ProblemOut, **_text(codes)}


def _text(codes: list[str]) -> dict[str, Any]:
    titles = ". ".join(f"`{code}`: {PROBLEM_TYPES[code].title}" for code in codes)
    return {"description": f"{titles}.", _CODES: codes}


def _example(code: str) -> dict[str, Any]:
    kind = PROBLEM_TYPES[code]
    problem = {
        "type": f"https://fulfillment.example.com/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": EXPLANATIONS[code].meaning,
        "instance": "/v1/orders",
        "code": code,
        "request_id": _REQUEST_ID,
    }
    return {**problem, "errors": [_WRONG_FIELD]} if code == "invalid_request" else problem
