"""
When an order's stock can be held: all of it, or none.
"""

from collections.abc import Mapping
from enum import StrEnum

from fulfillment.domain.ids import Sku
from fulfillment.domain.orders import FailureCode


class MovementKind(StrEnum):
    """Why the figures of an article changed."""

    HELD = "held"
    RELEASED = "released"
    LEFT = "left"
    ADJUSTED = "adjusted"


def refusal(demand: Mapping[Sku, int], available: Mapping[Sku, int]) -> FailureCode | None:
    """
    Why the demand (pieces per article) cannot be held; None when all of it can.

    An article missing from `available` does not exist; that is told before a shortage.
    """
    if any(sku not in available for sku in demand):
        return FailureCode.UNKNOWN_SKU
    if any(quantity > available[sku] for sku, quantity in demand.items()):
        return FailureCode.STOCK_SHORT
    return None


def difference(held: Mapping[Sku, int], wanted: Mapping[Sku, int]) -> tuple[dict[Sku, int], dict[Sku, int]]:
    """Pieces to be held in addition and pieces to be given back, so that what is `held` becomes what is `wanted`."""
    changes = {sku: wanted.get(sku, 0) - held.get(sku, 0) for sku in (*held, *wanted)}
    more = {sku: change for sku, change in changes.items() if change > 0}
    less = {sku: -change for sku, change in changes.items() if change < 0}
    return more, less
