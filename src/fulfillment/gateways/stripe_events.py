"""
What Stripe tells us of itself: whether it is from Stripe, and what it means to us.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError
from stripe import SignatureVerificationError, WebhookSignature

from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from fulfillment.inbound_events import BadSignature, UnreadableEvent

TOLERANCE = 300
"""Seconds after which a signature is too old."""

# Reasons a person or a program gives who cancels a payment. An expired one has `expired`, formerly `automatic`.
_ASKED_FOR = {"requested_by_customer", "abandoned"}


_MEANINGS = {
    "payment_intent.amount_capturable_updated": PaymentEvent.AUTHORIZED,
    "payment_intent.payment_failed": PaymentEvent.FAILED,
    "payment_intent.canceled": PaymentEvent.AUTHORIZATION_EXPIRED,
    "charge.expired": PaymentEvent.AUTHORIZATION_EXPIRED,
    "charge.dispute.created": PaymentEvent.DISPUTED,
    # A refund that does not arrive: the money is not where our books say, and no event of ours says that better.
    "refund.failed": PaymentEvent.CAPTURE_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """
    One event. `event` is None when it is none of our business; `payment` names the payment intent, if it was read.

    `order_id` is there when Stripe copied it from the payment: events of disputes and refunds have none.
    """

    id: str
    event: PaymentEvent | None
    payment: str | None
    order_id: OrderId | None
    occurred_at: datetime


class _Object(BaseModel):
    id: str
    object: str
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None
    cancellation_reason: str | None = None

    def noted(self, name: str) -> str | None:
        return (self.metadata or {}).get(name)


class _Data(BaseModel):
    object: _Object


class _Head(BaseModel):
    id: str = Field(min_length=1, max_length=255)
    type: str
    created: int = Field(ge=0, le=2**33)


class _Event(_Head):
    data: _Data


def verified_event(body: bytes, signature: str, secret: str) -> StripeEvent:
    """
    The event in a request of Stripe's, `signature` being its header `Stripe-Signature`.

    Raises:
        BadSignature: whatever is wrong with header or body before the signature is known to be good.
        UnreadableEvent: the signature is good, the body is not.
    """
    try:
        WebhookSignature.verify_header(body, signature, secret, TOLERANCE)
    except (SignatureVerificationError, TypeError, ValueError):
        # The package lets TypeError and UnicodeDecodeError out as well: one letter that is not ASCII is enough.
        # Its own error has the whole body in it, so it is left behind.
        raise BadSignature from None
    try:
        head = _Head.model_validate_json(body)
        # What the others are about has any shape; refused, they would be sent again, and the endpoint be switched off.
        return _ours(_Event.model_validate_json(body)) if head.type in _MEANINGS else _not_ours(head)
    except ValidationError:
        raise UnreadableEvent from None


def _not_ours(head: _Head) -> StripeEvent:
    occurred_at = datetime.fromtimestamp(head.created, UTC)
    return StripeEvent(id=head.id, event=None, payment=None, order_id=None, occurred_at=occurred_at)


def _ours(event: _Event) -> StripeEvent:
    about = event.data.object
    return StripeEvent(
        id=event.id,
        event=_meaning(event.type, about),
        payment=about.id if about.object == "payment_intent" else about.payment_intent,
        order_id=_order_id(about.noted("order_id")),
        occurred_at=datetime.fromtimestamp(event.created, UTC),
    )


def _meaning(kind: str, about: _Object) -> PaymentEvent | None:
    if kind == "payment_intent.canceled" and (about.noted("void") or about.cancellation_reason in _ASKED_FOR):
        return None
    if kind == "payment_intent.payment_failed" and about.noted("capture"):
        # Not the card has failed any more, but money that our books have already counted.
        return PaymentEvent.CAPTURE_FAILED
    return _MEANINGS.get(kind)


def _order_id(text: str | None) -> OrderId | None:
    try:
        return None if text is None else OrderId(UUID(text))
    except ValueError:
        return None
