"""
What payment providers send.
"""

from pydantic import ConfigDict

from fulfillment.api.schemas.common import Body, Instant, Text200, order_meant
from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent


class PaymentNews(Body):
    """What happened to which payment."""

    model_config = ConfigDict(strict=True)

    payment: Text200
    """The payment, as the provider calls it."""
    reference: Text200 | None = None
    """What we called it when it was made: the id of its order."""
    occurred_at: Instant
    """When it happened."""

    @property
    def order_id(self) -> OrderId | None:
        """The order the provider means, if what it says can be one of ours."""
        return order_meant(self.reference)


class PaymentEventBody(Body):
    """One event of a payment."""

    model_config = ConfigDict(strict=True)

    type: PaymentEvent
    timestamp: Instant
    """When this event was made."""
    data: PaymentNews
