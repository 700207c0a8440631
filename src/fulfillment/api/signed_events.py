"""
Signed events as routes take them in: Standard Webhooks, and how they are documented.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from fulfillment.api.bodies import strict_json
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.common import Body
from fulfillment.api.signatures import verified_id

_LONGEST_ID = 255

EventBody = TypeVar("EventBody", bound=Body)


def documented(body: type[Body]) -> dict[str, Any]:
    """
    What a route of events with such a body takes, for `openapi_extra`.

    The signature is over the bytes of the body: the route reads them itself, and the framework cannot see what it
    takes.
    """
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
        },
        "parameters": [
            {
                "name": "webhook-id",
                "in": "header",
                "required": True,
                "description": "The event's own id, the same whenever it is sent again: it is stored once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_ID},
                "example": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            },
            {
                "name": "webhook-timestamp",
                "in": "header",
                "required": True,
                "description": "When it was sent, in seconds since 1970; at most five minutes from now.",
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
                "example": "1795422660",
            },
        ],
    }


def standard_event(
    headers: Mapping[str, str], raw: bytes, secret: str, model: type[EventBody]
) -> tuple[str, EventBody]:
    """
    The id and the body of an event that is signed as Standard Webhooks are.

    Raises:
        BadSignature: whatever is wrong with headers or body before the signature is known to be good.
        Problem: id or body cannot be (`RequestValidationError`, by field, for a body that is JSON).
    """
    event_id = verified_id(headers, raw, secret)
    if len(event_id) > _LONGEST_ID:
        raise Problem.field("webhook-id", f"must have at most {_LONGEST_ID} characters")
    return event_id, _parsed(raw, model)


def unsigned() -> Problem:
    """An event that is not its sender's."""
    detail = "the event is not signed with our shared secret, or not within the last five minutes"
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _parsed(raw: bytes, model: type[EventBody]) -> EventBody:
    strict_json(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(errors, body=raw.decode(errors="replace")) from None
