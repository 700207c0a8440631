"""
How events of the payment provider are read.
"""

from collections.abc import Mapping

from fulfillment.api.schemas.payments import PaymentEventBody
from fulfillment.api.signed_events import standard_event
from fulfillment.bootstrap import foreign_events
from fulfillment.inbound_events import ProvenEvent, ReadEvent
from fulfillment.settings.providers import Payments


def payment_events(payments: Payments) -> ReadEvent | None:
    """
    Reads them as the provider of these settings sends them; None: it shares no secret with us.

    Raises:
        StripeNotInstalled: the extra is missing.
    """
    if payments.webhook_secret is None:
        return None
    return foreign_events(payments) or _standard(payments.webhook_secret.get_secret_value())


def _standard(secret: str) -> ReadEvent:
    def read(headers: Mapping[str, str], raw: bytes) -> ProvenEvent:
        event_id, body = standard_event(headers, raw, secret, PaymentEventBody)
        return ProvenEvent(
            id=event_id,
            type=body.type,
            payment=body.data.payment,
            order_id=body.data.order_id,
            occurred_at=body.data.occurred_at,
        )

    return read
