"""
What a provider says to a call or a look-up.
"""

from dataclasses import dataclass

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
    """Done, under the provider's `reference`; or refused for good, with our code of the reason."""

    reference: str | None = None
    refusal: str | None = None
