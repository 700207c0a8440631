"""
The orders every saga is measured with: made up, the same for all, two lines each.
"""

import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fulfillment.contracts.orders import Address, Card, Line, StartOrder
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.money import Money

SKUS = tuple(Sku(f"BENCH-{number:03}") for number in range(200))
ON_HAND = 100_000_000


def synthetic_orders(count: int, seed: int = 0) -> Iterator[StartOrder]:
    """New orders (their ids are fresh) whose lines depend on the seed alone."""
    choices = random.Random(seed)  # noqa: S311 - to be repeatable
    for number in range(count):
        yield _order(number, [_line(sku, choices.randint(1, 5)) for sku in choices.sample(SKUS, k=2)])


def as_body(order: StartOrder) -> dict[str, Any]:
    """The same order as the body of `POST /v1/orders`."""
    return {
        "customer_id": order.customer_id,
        "email": order.email,
        "lines": [asdict(line) for line in order.lines],
        "shipping_address": {name: value for name, value in asdict(order.shipping_address).items() if value},
        "payment": asdict(order.payment) if order.payment else None,
        "metadata": order.metadata,
    }


def _line(sku: Sku, quantity: int) -> Line:
    return Line(sku=sku, name=f"Article {sku}", quantity=quantity, unit_price=Money(1999, "EUR"))


def _order(number: int, lines: list[Line]) -> StartOrder:
    return StartOrder(
        order_id=OrderId(uuid4()),
        caller="bench",
        accepted_at=datetime.now(UTC),
        fingerprint="0" * 64,
        fingerprint_key="bench",
        customer_id=f"customer-{number}",
        lines=tuple(lines),
        shipping_address=Address(
            name="Ada Example", line1="1 Sample Street", city="Berlin", country="DE", postal_code="10115"
        ),
        payment=Card(token="tok_visa"),
        email="ada@example.com",
    )
