"""
What carriers send.
"""

from pydantic import ConfigDict

from fulfillment.api.schemas.common import Body, Instant, Text100, Text200, order_meant
from fulfillment.domain.ids import OrderId
from fulfillment.domain.shipping import ParcelEvent


class ParcelNews(Body):
    """What happened to which parcel."""

    model_config = ConfigDict(strict=True)

    tracking_number: Text100
    """The parcel, as the carrier calls it."""
    reference: Text200 | None = None
    """What we called the parcel when it was booked: the id of its order."""
    occurred_at: Instant
    """When it happened."""

    @property
    def order_id(self) -> OrderId | None:
        """The order the carrier means, if what it says can be one of ours."""
        return order_meant(self.reference)


class CarrierEventBody(Body):
    """One event of a parcel."""

    model_config = ConfigDict(strict=True)

    type: ParcelEvent
    timestamp: Instant
    """When this event was made."""
    data: ParcelNews
