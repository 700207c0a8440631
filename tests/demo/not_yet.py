"""
What no order can show today, however it goes: whoever makes one of these happen takes it off and adds an order to
`orders.jsonl`.
"""

from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus

STATUSES: set[OrderStatus] = set()
FAILURES = {
    # Only of two requests at the same moment (tests/db/test_placing.py): later ones are refused with 409, and a file
    # that uses a reference twice is refused before anything starts.
    FailureCode.REFERENCE_TAKEN,
}
QUESTIONS: set[AttentionReason] = set()
