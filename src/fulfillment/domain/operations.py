"""
The operations ledger: one entry per intended effect outside our own database.
"""

from enum import StrEnum


class OperationKind(StrEnum):
    """What a provider is asked to do."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    BOOK = "book"
    CANCEL = "cancel"
    CLOSE = "close"
    """End a payment that waits for its customer, because something else takes its place; the order goes on."""


class OperationState(StrEnum):
    """What is known about it."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNDONE = "undone"
    PARKED = "parked"
