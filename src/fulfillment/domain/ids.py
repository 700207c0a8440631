"""
Identifiers: plain UUIDs and strings whose type says what they identify.
"""

from typing import NewType
from uuid import UUID, uuid5

OrderId = NewType("OrderId", UUID)
Sku = NewType("Sku", str)

ORDERS = UUID("6f1d9d1c-0d53-5d0e-9f55-1f6f0b0f6a11")
"""Namespace of order ids; changing it would let every repeated request make a second order."""

TEST_SKU = Sku("TEST-ORDER")
"""An order of this article alone is a test order: no provider is ever reached for it."""


def order_id_for(caller: str, idempotency_key: str) -> OrderId:
    """
    The id of the order a caller's key stands for: the same key always names the same order.
    """
    return OrderId(uuid5(uuid5(ORDERS, caller), idempotency_key))


def approval_id_for(order_id: OrderId, n: int) -> UUID:
    """The id of the `n`th request for approval of an order."""
    return uuid5(order_id, f"approval:{n}")


def update_id_for(operation: str, subject: UUID, caller: str, idempotency_key: str) -> str:
    """
    The id of the change a caller's key stands for: the same key asks for the same change of an order, or of a request
    for approval, only once.
    """
    return f"{operation}:{uuid5(uuid5(subject, caller), idempotency_key)}"
