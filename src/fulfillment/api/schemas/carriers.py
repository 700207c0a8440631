"""
What carriers send.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from fulfillment.api.schemas.common import Body, Instant, Text100, Text200
from fulfillment.domain.ids import OrderId
from fulfillment.domain.shipping import ParcelEvent


class ParcelNews(Body):
    """What happened to which parcel; `reference` is our order id, which the carrier may leave out."""

    model_config = ConfigDict(strict=True)

    tracking_number: Text100
    reference: Text200 | None = None
    occurred_at: Instant

    @property
    def order_id(self) -> OrderId | None:
        """The order the carrier means, if what it says can be one of ours."""
        try:
            return OrderId(UUID(self.reference)) if self.reference else None
        except ValueError:
            return None


class CarrierEventBody(Body):
    """One event of a parcel; `timestamp` is when this event was made, `data.occurred_at` when it happened."""

    model_config = ConfigDict(strict=True)

    type: ParcelEvent
    timestamp: Instant
    data: Annotated[ParcelNews, Field(description="The parcel.")]


def carrier_event_schema() -> dict[str, Any]:
    """The schema of the body with nothing referred to, for a route that reads its body itself."""
    schema = CarrierEventBody.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"] |= {"type": parts["ParcelEvent"], "data": parts["ParcelNews"]}
    return schema
