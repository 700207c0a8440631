"""
What is to happen to an order of the file, and how it is to end.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fulfillment.domain.orders import FailureCode, OrderStatus

DEFAULT_TOKEN = "tok_visa"  # noqa: S105 - the name of a test card
LATER = ("cancel_at", "pay_later", "decisions", "actions")
"""Parts of a scenario that come with later releases."""


class Journey(StrEnum):
    """What the carrier does with the parcel."""

    DELIVER = "deliver"
    NONE = "none"
    LOST = "lost"
    RETURN = "return"


_STEPS: dict[Journey, tuple[str, ...]] = {
    Journey.DELIVER: ("picked_up", "in_transit", "delivered"),
    Journey.NONE: (),
    Journey.LOST: ("picked_up", "lost"),
    Journey.RETURN: ("picked_up", "in_transit", "returned"),
}
_ENDS = {
    Journey.DELIVER: OrderStatus.DELIVERED,
    Journey.NONE: OrderStatus.AWAITING_SHIPMENT,
    Journey.LOST: OrderStatus.NEEDS_ATTENTION,
    Journey.RETURN: OrderStatus.NEEDS_ATTENTION,
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Strict):
    """Where the order is to arrive, and with which failure code, if that matters."""

    status: OrderStatus
    code: FailureCode | None = None


class Scenario(_Strict):
    """The `scenario` of a line; without one the card is good and the parcel arrives."""

    token: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    carrier: Journey = Journey.DELIVER
    expect: Expectation | None = None

    @property
    def expected(self) -> Expectation:
        """What `expect` says, else where the journey ends."""
        return self.expect or Expectation(status=_ENDS[self.carrier])

    @property
    def steps(self) -> tuple[str, ...]:
        """What happens to the parcel, one after the other."""
        return _STEPS[self.carrier]

    @property
    def arrives(self) -> bool:
        """The parcel may simply move on until it is delivered."""
        return self.carrier is Journey.DELIVER and self.expected.status.is_final
