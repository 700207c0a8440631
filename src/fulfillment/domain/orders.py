"""
An order: its statuses, the one table of moves between them, and what it is worth.
"""

from enum import StrEnum

from fulfillment.domain.errors import InvalidTransition

MOST_CARDS = 20
"""Cards given after placing. Far more than anybody has in their pocket, far fewer than a thief has to try."""
MOST_CHANGES = 100
"""Amendments, addresses and repeated cancellations of one order: each is kept in its history, which has an end."""


class OrderStatus(StrEnum):
    """Where an order stands (contract, orders)."""

    RECEIVED = "received"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_PAYMENT = "awaiting_payment"
    PROCESSING = "processing"
    AWAITING_SHIPMENT = "awaiting_shipment"
    SHIPPED = "shipped"
    CANCELLING = "cancelling"
    NEEDS_ATTENTION = "needs_attention"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    RETURNED = "returned"

    @property
    def is_final(self) -> bool:
        """Nothing follows."""
        return not TRANSITIONS[self]

    @property
    def is_settled(self) -> bool:
        """There is something to tell a caller who waits for the outcome of placing."""
        return self not in (OrderStatus.RECEIVED, OrderStatus.PROCESSING, OrderStatus.CANCELLING)


_S = OrderStatus

TRANSITIONS: dict[OrderStatus, tuple[OrderStatus, ...]] = {
    _S.RECEIVED: (_S.AWAITING_APPROVAL, _S.AWAITING_PAYMENT, _S.PROCESSING, _S.REJECTED),
    _S.AWAITING_APPROVAL: (_S.AWAITING_PAYMENT, _S.PROCESSING, _S.REJECTED, _S.CANCELLING),
    _S.AWAITING_PAYMENT: (_S.AWAITING_APPROVAL, _S.PROCESSING, _S.REJECTED, _S.CANCELLING),
    _S.PROCESSING: (_S.AWAITING_SHIPMENT, _S.AWAITING_PAYMENT, _S.CANCELLING, _S.NEEDS_ATTENTION),
    _S.AWAITING_SHIPMENT: (_S.SHIPPED, _S.CANCELLING, _S.NEEDS_ATTENTION),
    _S.SHIPPED: (_S.DELIVERED, _S.NEEDS_ATTENTION),
    _S.CANCELLING: (_S.CANCELLED, _S.REJECTED, _S.RETURNED, _S.SHIPPED, _S.NEEDS_ATTENTION),
    _S.NEEDS_ATTENTION: (
        _S.AWAITING_PAYMENT,
        _S.PROCESSING,
        _S.AWAITING_SHIPMENT,
        _S.SHIPPED,
        _S.DELIVERED,
        _S.CANCELLING,
        _S.NEEDS_ATTENTION,
    ),
    _S.DELIVERED: (),
    _S.CANCELLED: (),
    _S.REJECTED: (),
    _S.RETURNED: (),
}
"""Every legal move; all status writes go through `sources` or `check_path`."""


def sources(target: OrderStatus) -> tuple[OrderStatus, ...]:
    """The statuses from which an order may become `target`."""
    return tuple(status for status, targets in TRANSITIONS.items() if target in targets)


def check_path(start: OrderStatus, path: tuple[OrderStatus, ...]) -> None:
    """
    Check that each status of `path` may follow the one before it.

    Raises:
        InvalidTransition: names the first illegal move.
    """
    for current, target in zip((start, *path), path, strict=False):
        if target not in TRANSITIONS[current]:
            raise InvalidTransition(current, target)


class FailureCode(StrEnum):
    """Why an order ended without a delivery (`failure.code`)."""

    UNKNOWN_SKU = "unknown_sku"
    STOCK_SHORT = "stock_short"
    PAYMENT_DECLINED = "payment_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    PAYMENT_UNAVAILABLE = "payment_unavailable"
    PAYMENT_EXPIRED = "payment_expired"
    CARRIER_REFUSED = "carrier_refused"
    CARRIER_UNAVAILABLE = "carrier_unavailable"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    REFERENCE_TAKEN = "reference_taken"
    PARCEL_LOST = "parcel_lost"
    FRAUD_SUSPECTED = "fraud_suspected"
    CANCELLED = "cancelled"

    @property
    def message(self) -> str:
        """One sentence for the customer."""
        return FAILURE_MESSAGES[self]


FAILURE_MESSAGES = {
    FailureCode.UNKNOWN_SKU: "An article of the order does not exist.",
    FailureCode.STOCK_SHORT: "There are not enough pieces of an article in stock.",
    FailureCode.PAYMENT_DECLINED: "The card was declined.",
    FailureCode.INSUFFICIENT_FUNDS: "The card has insufficient funds.",
    FailureCode.PAYMENT_UNAVAILABLE: "The payment provider could not be reached in time.",
    FailureCode.PAYMENT_EXPIRED: "No payment was given in time.",
    FailureCode.CARRIER_REFUSED: "The carrier does not deliver to this address.",
    FailureCode.CARRIER_UNAVAILABLE: "The carrier could not be reached in time.",
    FailureCode.APPROVAL_REJECTED: "The order was not approved.",
    FailureCode.APPROVAL_EXPIRED: "The order was not approved in time.",
    FailureCode.REFERENCE_TAKEN: "The customer already has an order with this reference.",
    FailureCode.PARCEL_LOST: "The parcel was lost.",
    FailureCode.FRAUD_SUSPECTED: "The order could not be accepted.",
    FailureCode.CANCELLED: "The order was cancelled.",
}


class PaymentStatus(StrEnum):
    """What has become of the money (`payment.status`)."""

    NONE = "none"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"
    FAILED = "failed"


class StockState(StrEnum):
    """What an order does to the stock of its lines."""

    NONE = "none"
    HELD = "held"
    RELEASED = "released"
    LEFT = "left"


class AttentionReason(StrEnum):
    """Why an operator is asked (contract, operators)."""

    UNDO_FAILED = "undo_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CAPTURE_OVERDUE = "capture_overdue"
    SHIPPED_UNPAID = "shipped_unpaid"
    HAND_OVER_OVERDUE = "hand_over_overdue"
    DELIVERY_OVERDUE = "delivery_overdue"
    LOST = "lost"
    RETURNED = "returned"
    PROVIDER_DISPUTE = "provider_dispute"
    LATE_EVENT = "late_event"
