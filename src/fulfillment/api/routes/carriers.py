"""
Events of carriers.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from fulfillment.api.access import GuardedRoute, signed
from fulfillment.api.dependencies import NoQuery, Resources
from fulfillment.api.openapi.refusals import problems
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.carriers import CarrierEventBody
from fulfillment.api.signed_events import documented, standard_event, unsigned
from fulfillment.db.inbox import InboxEvent
from fulfillment.inbound_events import BadSignature

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
    openapi_extra=documented(CarrierEventBody),
)
@signed()
async def receive_carrier_event(carrier: CarrierName, request: Request, resources: Resources, _: NoQuery) -> Response:
    """
    Signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

    An event of a known type is stored once and answered with 202, whatever its order, age or parcel. Send one again
    that was not answered so.
    """
    sender = resources.settings.carriers.called(carrier)
    if sender is None:
        raise Problem("not_found", "there is no such carrier here")
    secret, raw = sender.webhook_secret.get_secret_value(), await request.body()
    try:
        event_id, body = standard_event(request.headers, raw, secret, CarrierEventBody)
    except BadSignature:
        raise unsigned() from None
    await resources.inbox.receive(_event(carrier, event_id, body))
    return Response(status_code=202)


def _event(carrier: str, event_id: str, body: CarrierEventBody) -> InboxEvent:
    return InboxEvent(
        source=carrier,
        event_id=event_id,
        type=body.type,
        order_id=body.data.order_id,
        subject=body.data.tracking_number,
        occurred_at=body.data.occurred_at,
    )
