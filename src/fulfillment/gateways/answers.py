"""
What a provider says to a call or a look-up.
"""

from dataclasses import dataclass

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.payments import NextAction

ALREADY_CAPTURED = "already_captured"
"""Refusal of a void: the money was taken, it can be refunded."""
EXCEEDS_CAPTURED = "exceeds_captured"
"""Refusal of a refund: so much money was not taken, or was given back already."""
NOT_CAPTURABLE = "not_capturable"
"""Refusal of a capture: the authorisation expired, or was voided elsewhere."""
UNKNOWN_PAYMENT = "unknown_payment"
"""Refusal of a void or a refund: the provider has no such authorisation."""
TOO_LATE = "too_late"
"""Refusal of a cancellation: the carrier has the parcel."""
CANCEL_REFUSED = "cancel_refused"
"""Refusal of a cancellation: the carrier does not have the parcel, and does not say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    Done, under the provider's `reference`; or refused for good, with our code of the reason.

    With a `next_action` it is neither yet: the payment `reference` waits for the customer.
    """

    reference: str | None = None
    refusal: str | None = None
    next_action: NextAction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """
    An effect to be looked up: its key, and what a provider without keys may know it by.

    `payment` is the provider's name of the payment it is about; None: our books do not have it. `amount` is what it
    must have been done with; None: that does not matter.
    """

    kind: OperationKind
    key: str
    order_id: OrderId
    payment: str | None = None
    amount: Money | None = None
