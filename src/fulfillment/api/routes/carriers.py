"""
Events of carriers.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from fulfillment.api.access import GuardedRoute, signed
from fulfillment.api.bodies import strict_json
from fulfillment.api.dependencies import NoQuery, Resources
from fulfillment.api.openapi.refusals import problems
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.carriers import CarrierEventBody
from fulfillment.api.signatures import BadSignature, verified_id
from fulfillment.db.inbox import InboxEvent

_LONGEST_ID = 255

# The signature is over the bytes of the body: the route reads them itself, and the framework cannot see what it takes.
_SIGNED_EVENT = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{CarrierEventBody.__name__}"}}},
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

CarrierName = Annotated[str, Path(description="The carrier, as it is called here.", examples=["sandbox"])]

router = APIRouter(tags=["carriers"], route_class=GuardedRoute)


@router.post(
    "/carriers/{carrier}/events",
    operation_id="receiveCarrierEvent",
    summary="Tell what happened to a parcel",
    status_code=202,
    response_class=Response,
    response_description="The event is stored, now or by an earlier request. The answer has no body.",
    responses=problems("not_found", "malformed_body", "body_too_large"),
    openapi_extra=_SIGNED_EVENT,
)
@signed
async def receive_carrier_event(carrier: CarrierName, request: Request, resources: Resources, _: NoQuery) -> Response:
    """
    Signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

    An event of a known type is stored once and answered with 202, whatever its order, age or parcel. Send one again
    that was not answered so.
    """
    sender = resources.settings.carriers.called(carrier)
    if sender is None:
        raise Problem("not_found", "there is no such carrier here")
    raw = await request.body()
    try:
        event_id = verified_id(request.headers, raw, sender.webhook_secret.get_secret_value())
    except BadSignature:
        raise _unsigned() from None
    if len(event_id) > _LONGEST_ID:
        raise Problem.field("webhook-id", f"must have at most {_LONGEST_ID} characters")
    await resources.inbox.receive(_event(carrier, event_id, _parsed(raw)))
    return Response(status_code=202)


def _unsigned() -> Problem:
    detail = "the event is not signed with our shared secret, or not within the last five minutes"
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _parsed(raw: bytes) -> CarrierEventBody:
    strict_json(raw)
    try:
        return CarrierEventBody.model_validate_json(raw)
    except ValidationError as error:
        errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(errors, body=raw.decode(errors="replace")) from None


def _event(carrier: str, event_id: str, body: CarrierEventBody) -> InboxEvent:
    return InboxEvent(
        source=carrier,
        event_id=event_id,
        type=body.type,
        order_id=body.data.order_id,
        subject=body.data.tracking_number,
        occurred_at=body.data.occurred_at,
    )
