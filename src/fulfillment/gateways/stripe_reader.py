"""
Events of Stripe for whoever takes them in; the package `stripe` is not imported before Stripe is chosen.
"""

from collections.abc import Mapping

from fulfillment.gateways.stripe_extra import StripeNotInstalled
from fulfillment.inbound_events import ProvenEvent, ReadEvent


def stripe_reader(secret: str) -> ReadEvent:
    """
    Reads events that are signed with the `secret` of our endpoint at Stripe.

    Raises:
        StripeNotInstalled: the extra is missing.
    """
    try:
        from fulfillment.gateways import stripe_events  # noqa: PLC0415 - only who chose Stripe has its package
    except ModuleNotFoundError as error:
        if error.name != "stripe":
            raise
        raise StripeNotInstalled from error

    def read(headers: Mapping[str, str], body: bytes) -> ProvenEvent | None:
        event = stripe_events.verified_event(body, headers.get("stripe-signature", ""), secret)
        if event.event is None or event.payment is None:
            return None
        return ProvenEvent(
            id=event.id,
            type=event.event,
            payment=event.payment,
            order_id=event.order_id,
            occurred_at=event.occurred_at,
        )

    return read
