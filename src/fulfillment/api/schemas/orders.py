"""
What callers send about orders.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from fulfillment.api.schemas.common import (
    PRINTED,
    Body,
    Country,
    Cursor,
    Instant,
    Limit,
    Price,
    Text20,
    Text40,
    Text100,
    Text200,
    Text500,
)
from fulfillment.contracts.orders import Address, Card, Line, StartOrder
from fulfillment.db.views import OrderFilter
from fulfillment.domain.ids import TEST_SKU, OrderId, Sku
from fulfillment.domain.orders import OrderStatus
from fulfillment.fingerprint import Fingerprint

MOST_LINES = 50
MOST_PIECES = 1_000_000
MOST_METADATA = 20
LARGEST_TOTAL = 10**15

_KEYS: dict[str, Any] = {"propertyNames": {"minLength": 1, "maxLength": 40, **PRINTED}}

Email = Annotated[
    str,
    # Control characters by number: what `\s` means differs between languages in U+0085.
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+\.[^@\s.\x00-\x1f\x7f-\x9f]+$",
    ),
]
Token = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[!-~]{1,255}$"),
    Field(json_schema_extra={"minLength": 1, "maxLength": 255, "writeOnly": True}),
]


class LineBody(Body):
    """So many pieces of one article at a price for one piece."""

    sku: Text100
    """The article. One that does not exist makes a rejected order, not a refused request."""
    name: Text200
    """What the customer calls it."""
    quantity: Annotated[int, Field(strict=True, ge=1, le=MOST_PIECES)]
    """Pieces."""
    unit_price: Price

    def to_line(self) -> Line:
        return Line(sku=Sku(self.sku), name=self.name, quantity=self.quantity, unit_price=self.unit_price.to_money())


class AddressBody(Body):
    """Where the parcel goes."""

    name: Text200
    line1: Text200
    line2: Text200 | None = None
    city: Text100
    region: Text100 | None = None
    postal_code: Text20 | None = None
    country: Country

    def to_address(self) -> Address:
        return Address(**self.model_dump())


class PaymentBody(Body):
    """A card, by the token the payment provider gave for it."""

    method: Literal["card"]
    token: Token = Field(repr=False)
    """What the payment provider gave for the card; never shown again."""

    def canonical(self) -> dict[str, Any]:
        """What makes two requests the same."""
        return self.model_dump(mode="json")

    def to_card(self) -> Card:
        return Card(method=self.method, token=self.token)


def _errors_at(title: str, errors: Sequence[tuple[tuple[str | int, ...], PydanticCustomError]]) -> ValidationError:
    return ValidationError.from_exception_data(
        title, [InitErrorDetails(type=error, loc=location, input=None) for location, error in errors]
    )


def _consistent(lines: list[LineBody]) -> list[LineBody]:
    first, seen = lines[0].unit_price.currency, set[str]()
    errors: list[tuple[tuple[str | int, ...], PydanticCustomError]] = []
    for position, line in enumerate(lines):
        if line.sku in seen:
            wrong = PydanticCustomError("duplicate_sku", "is already on another line; add the quantities up")
            errors.append(((position, "sku"), wrong))
        if line.unit_price.currency != first:
            wrong = PydanticCustomError("mixed_currencies", "must be the currency of the first line")
            errors.append(((position, "unit_price", "currency"), wrong))
        seen.add(line.sku)
    if errors:
        raise _errors_at("lines", errors)
    if sum(line.quantity * line.unit_price.amount for line in lines) > LARGEST_TOTAL:
        raise PydanticCustomError("total_too_large", f"must add up to at most {LARGEST_TOTAL} minor units")
    return lines


Lines = Annotated[list[LineBody], Field(min_length=1, max_length=MOST_LINES), AfterValidator(_consistent)]


def only_test_articles(lines: Sequence[LineBody]) -> bool:
    """Whether these are the lines of a test order, which reaches no provider."""
    return all(line.sku == TEST_SKU for line in lines)


class PlaceOrderBody(Body):
    """An order that is already priced."""

    customer_id: Text100
    """Whose order it is."""
    email: Email | None = None
    reference: Text100 | None = None
    """Yours; unique per customer."""
    requested_by: Text200 | None = None
    """The person for whom it is placed: they never approve it."""
    lines: Lines
    """One currency, no SKU twice."""
    shipping_address: AddressBody
    payment: PaymentBody | None = None
    """Without it the order waits for a payment. To be left out of a test order."""
    metadata: Annotated[dict[Text40, Text500], Field(max_length=MOST_METADATA, json_schema_extra=_KEYS)] | None = None
    """Yours; answered with the order, and nothing else done with it."""

    @property
    def is_test(self) -> bool:
        """Whether it is an order of the test article alone."""
        return only_test_articles(self.lines)

    @model_validator(mode="after")
    def _a_test_order_pays_nothing(self) -> Self:
        if self.is_test and self.payment:
            wrong = PydanticCustomError("test_order_paid", "must be left out of a test order")
            raise _errors_at("order", [(("payment",), wrong)])
        return self

    def canonical(self) -> dict[str, Any]:
        """What makes two requests the same: every field that was given, trimmed."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_start(self, order_id: OrderId, caller: str, accepted_at: datetime, fingerprint: Fingerprint) -> StartOrder:
        """The order as its workflow is started with it."""
        return StartOrder(
            order_id=order_id,
            caller=caller,
            accepted_at=accepted_at,
            fingerprint=fingerprint.digest,
            fingerprint_key=fingerprint.key_id,
            customer_id=self.customer_id,
            email=self.email,
            reference=self.reference,
            requested_by=self.requested_by,
            lines=tuple(line.to_line() for line in self.lines),
            shipping_address=self.shipping_address.to_address(),
            payment=self.payment.to_card() if self.payment else None,
            metadata=dict(self.metadata or {}),
            test=self.is_test,
        )


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Cursor


class OrderQuery(PageQuery):
    """Which orders, and which part of them."""

    status: OrderStatus | None = Field(
        default=None, description="Only orders in this status.", examples=["awaiting_payment"]
    )
    customer_id: Text100 | None = Field(default=None, description="Only this customer's orders.", examples=["C-1007"])
    reference: Text100 | None = Field(
        default=None, description="Only orders with this reference of yours.", examples=["WEB-20417"]
    )
    placed_from: Instant | None = Field(
        default=None, description="Accepted at or after this time.", examples=["2026-11-01T00:00:00Z"]
    )
    placed_to: Instant | None = Field(
        default=None, description="Accepted before this time.", examples=["2026-12-01T00:00:00Z"]
    )

    def to_filter(self) -> OrderFilter:
        return OrderFilter(**self.model_dump(exclude={"limit", "cursor"}))
