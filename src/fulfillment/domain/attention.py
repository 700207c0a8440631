"""
What an operator is asked, and the answers each question allows.
"""

from enum import StrEnum

from fulfillment.domain.orders import AttentionReason


class Action(StrEnum):
    """An operator's answer; each is a button (contract, operators)."""

    RETRY = "retry"
    SKIP = "skip"
    RESOLVED_BY_HAND = "resolved_by_hand"
    CARRIER_HAS_IT = "carrier_has_it"
    RETRY_LOOKUP = "retry_lookup"
    IT_HAPPENED = "it_happened"
    IT_DID_NOT = "it_did_not"
    CANCEL = "cancel"
    KEEP_WAITING = "keep_waiting"
    FOUND = "found"
    REFUND = "refund"
    RESHIP = "reship"


_PARCEL_IS_GONE = (Action.FOUND, Action.REFUND, Action.RESHIP)

ACTIONS: dict[AttentionReason, tuple[Action, ...]] = {
    AttentionReason.UNDO_FAILED: (Action.RETRY, Action.SKIP, Action.RESOLVED_BY_HAND),
    AttentionReason.OUTCOME_UNKNOWN: (Action.RETRY_LOOKUP, Action.IT_HAPPENED, Action.IT_DID_NOT),
    AttentionReason.CAPTURE_OVERDUE: (Action.RETRY, Action.CANCEL),
    AttentionReason.SHIPPED_UNPAID: (Action.RETRY, Action.RESOLVED_BY_HAND),
    AttentionReason.HAND_OVER_OVERDUE: (Action.KEEP_WAITING, Action.CANCEL),
    AttentionReason.DELIVERY_OVERDUE: _PARCEL_IS_GONE,
    AttentionReason.LOST: _PARCEL_IS_GONE,
    AttentionReason.RETURNED: _PARCEL_IS_GONE,
    AttentionReason.PROVIDER_DISPUTE: (Action.RESOLVED_BY_HAND,),
    AttentionReason.LATE_EVENT: (Action.RESOLVED_BY_HAND,),
}
"""The answers each question allows."""

AT_THE_GATE = (*ACTIONS[AttentionReason.UNDO_FAILED], Action.CARRIER_HAS_IT)
"""
The answers when a parcel could not be cancelled: `skip` and `resolved_by_hand` mean that it does not leave.
"""

SETTLES = (Action.SKIP, Action.RESOLVED_BY_HAND)
"""Answers after which the money of an order is a person's affair, outside of our books (invariant I4)."""
