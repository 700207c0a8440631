"""
The bodies the sandbox accepts. Unknown fields are refused.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Text = Annotated[str, Field(max_length=1000)]
Identifier = Annotated[str, Field(min_length=1, max_length=255)]
# Bounded so that the sums of one order stay within SQLite's 64 bits.
Amount = Annotated[int, Field(strict=True, gt=0, le=10**17)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

ParcelEventType = Literal["picked_up", "in_transit", "delivered", "lost", "returned"]


# What customers agree to or refuse is told by itself.
PaymentEventType = Literal["disputed", "capture_failed", "authorization_expired"]


def _without(prefix: str) -> BeforeValidator:
    return BeforeValidator(lambda value: value.removeprefix(prefix) if isinstance(value, str) else value)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthorizeBody(_Body):
    """
    Money to be held on a card; the amount is in minor units.
    """

    order_id: Identifier
    token: Identifier
    amount: Amount
    currency: Currency


class AmountBody(_Body):
    """
    Money to be captured or refunded, in minor units.
    """

    amount: Amount
    currency: Currency


class EmptyBody(_Body):
    """
    Voiding and cancelling take nothing but the key.
    """


class Address(_Body):
    """
    Where a parcel goes; the postal code chooses the scenario.
    """

    name: Text
    line1: Text
    line2: Text | None = None
    city: Text
    region: Text | None = None
    postal_code: Text | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class ParcelItem(_Body):
    """
    What is in a parcel.
    """

    sku: Identifier
    quantity: Annotated[int, Field(strict=True, gt=0, le=10**9)]


class BookBody(_Body):
    """
    A parcel to be booked.
    """

    order_id: Identifier
    address: Address
    items: Annotated[tuple[ParcelItem, ...], Field(min_length=1, max_length=500)]


class ParcelEventBody(_Body):
    """
    What happens to a parcel, with or without the `parcel.` in front.
    """

    type: Annotated[ParcelEventType, _without("parcel.")]


class PaymentEventBody(_Body):
    """
    What the provider says happened to a payment, with or without the `payment.` in front.
    """

    type: Annotated[PaymentEventType, _without("payment.")]


class ActionBody(_Body):
    """
    Whether the customer agrees to the payment.
    """

    agree: Annotated[bool, Field(strict=True)]


class AdvanceBody(_Body):
    """
    Whose parcels move one step; without an order, everybody's.
    """

    order_id: Identifier | None = None
