"""
Events of payment providers.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from fulfillment.api.access import GuardedRoute, signed
from fulfillment.api.bodies import malformed
from fulfillment.api.dependencies import NoQuery, Resources
from fulfillment.api.openapi.refusals import problems
from fulfillment.api.problems import Problem
from fulfillment.api.schemas.payments import PaymentEventBody
from fulfillment.api.signed_events import documented, unsigned
from fulfillment.contracts.naming import payments_source
from fulfillment.db.inbox import InboxEvent
from fulfillment.inbound_events import BadSignature, ProvenEvent, UnreadableEvent

_LARGEST_EVENT = 256 * 1024

ProviderName = Annotated[str, Path(description="The payment provider, as it is called here.", examples=["sandbox"])]

router = APIRouter(tags=["payment providers"], route_class=GuardedRoute)


@router.post(
    "/payment-providers/{provider}/events",
    operation_id="receivePaymentEvent",
    summary="Tell what happened to a payment",
    status_code=202,
    response_class=Response,
    response_description="The event is stored, now or by an earlier request. The answer has no body.",
    responses=problems("not_found", "malformed_body", "body_too_large"),
    openapi_extra=documented(PaymentEventBody),
)
@signed(body_limit=_LARGEST_EVENT)
async def receive_payment_event(provider: ProviderName, request: Request, resources: Resources, _: NoQuery) -> Response:
    """
    Signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp`, `webhook-signature`. At most 256 KiB.

    An event of a known type is stored once and answered with 202, whatever its order, age or payment. Send one again
    that was not answered so.

    Where the payments are Stripe's, `stripe` takes Stripe's own events instead: the header is `Stripe-Signature`, the
    body as Stripe has it, and an event that says nothing about an order is answered with 202 and not stored.
    """
    read = resources.payment_events
    if read is None or provider != resources.settings.payments.name:
        raise Problem("not_found", "there is no such payment provider here, or it shares no secret with us")
    raw = await request.body()
    try:
        event = read(request.headers, raw)
    except BadSignature:
        raise unsigned() from None
    except UnreadableEvent:
        raise malformed("it is signed, but it is no event as the provider documents them") from None
    if event is not None:
        await resources.inbox.receive(_stored(provider, event))
    return Response(status_code=202)


def _stored(provider: str, event: ProvenEvent) -> InboxEvent:
    return InboxEvent(
        source=payments_source(provider),
        event_id=event.id,
        type=event.type,
        order_id=event.order_id,
        subject=event.payment,
        occurred_at=event.occurred_at,
    )
