"""
Orders and carrier events as they cross Temporal, made up.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from fulfillment.contracts.orders import Address, Card, CarrierEvent, Line, StartOrder, Terms
from fulfillment.contracts.payments import PaymentNews
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money
from fulfillment.domain.payments import PaymentEvent
from fulfillment.domain.shipping import ParcelEvent

CARRIER = "sandbox"
PLACED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TERMS = Terms(payment_window=timedelta(days=7), hand_over_window=timedelta(days=30), delivery_window=timedelta(days=30))


def a_line(sku: str = "LAMP", quantity: int = 2, price: int = 1500) -> Line:
    """Some pieces of one article; the price is in cents."""
    return Line(sku=Sku(sku), name=f"A {sku.lower()}", quantity=quantity, unit_price=Money(price, "EUR"))


def an_order(*lines: Line, token: str | None = "tok_visa", postal_code: str = "10115", **more: Any) -> StartOrder:
    """An accepted order, another one each time; without a token no payment was given."""
    address = Address(name="Ada Lovelace", line1="Weg 1", city="Berlin", postal_code=postal_code, country="DE")
    values: dict[str, Any] = {
        "order_id": OrderId(uuid4()),
        "caller": "key:shop",
        "accepted_at": PLACED_AT,
        "fingerprint": "f1",
        "fingerprint_key": "fingerprints",
        "customer_id": "customer-1",
        "lines": lines or (a_line(),),
        "shipping_address": address,
        "payment": Card(token=token) if token else None,
    }
    return StartOrder(**{**values, **more})


def tracking_number_of(order_id: UUID, n: int = 1) -> str:
    """What parcel `n` of an order is called by the carrier that our fakes book with."""
    return f"TRACK-{order_id}" if n == 1 else f"TRACK-{n}-{order_id}"


def an_event(order_id: UUID, event: str, *, id: str | None = None, tracking_number: str | None = None) -> CarrierEvent:  # noqa: A002
    """A carrier's word about the parcel of an order: `picked_up`, `in_transit`, `delivered`, `lost`, `returned`."""
    return CarrierEvent(
        id=id or f"event-{event}",
        carrier=CARRIER,
        tracking_number=tracking_number or tracking_number_of(order_id),
        type=ParcelEvent(f"parcel.{event}"),
        occurred_at=PLACED_AT,
    )


def payment_news(event: str, *, id: str | None = None, payment: str = "payment-1") -> PaymentNews:  # noqa: A002
    """A payment provider's word: `authorized`, `failed`, `disputed`, `capture_failed`, `authorization_expired`."""
    return PaymentNews(
        id=id or f"news-{event}",
        provider="sandbox",
        payment=payment,
        type=PaymentEvent(f"payment.{event}"),
        occurred_at=PLACED_AT,
    )
