"""
Events of carriers.
"""

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from fulfillment.api.dependencies import NoQuery, Resources
from fulfillment.api.openapi import problems
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.carriers import CarrierEventBody, carrier_event_schema
from fulfillment.api.signatures import BadSignature, verified_id
from fulfillment.db.inbox import InboxEvent

_LONGEST_ID = 255

router = APIRouter(tags=["carriers"])


@router.post(
    "/carriers/{carrier}/events",
    operation_id="receiveCarrierEvent",
    summary="Tell what happened to a parcel",
    status_code=202,
    response_class=Response,
    responses=problems("unauthorized", "malformed_body", "not_found", "body_too_large"),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": carrier_event_schema()}}}
    },
)
async def receive_carrier_event(carrier: str, request: Request, resources: Resources, _: NoQuery) -> Response:
    """
    Signed by Standard Webhooks (`webhook-id`, `webhook-timestamp` within five minutes, `webhook-signature`).

    A signed event of a known type is stored once and answered with 202, whatever its order, age or parcel.
    """
    carriers = resources.settings.carriers
    if carrier != carriers.name:
        raise Problem("not_found", "there is no such carrier here")
    raw = await request.body()
    try:
        event_id = verified_id(request.headers, raw, carriers.webhook_secret.get_secret_value())
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
        tracking_number=body.data.tracking_number,
        occurred_at=body.data.occurred_at,
    )
