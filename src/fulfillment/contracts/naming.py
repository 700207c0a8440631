"""
Names on the wire between processes; each may only ever be added to (tests/contracts/wire_names.json).
"""

from enum import StrEnum
from uuid import UUID

from fulfillment.domain.ids import OrderId

ORDER_WORKFLOW = "Order"
APPROVAL_WORKFLOW = "Approval"
_ORDER_PREFIX = "order/"

MEMO_FINGERPRINT = "fingerprint"
"""HMAC of the accepted request body, beside the workflow."""
MEMO_FINGERPRINT_KEY = "fingerprint_key"
"""Id of the key that HMAC was made with."""


class TaskQueue(StrEnum):
    """A queue per role of worker; the name of the role is the name of its queue."""

    ORDERS = "orders"
    APPROVALS = "approvals"
    PAYMENTS = "payments"
    SHIPPING = "shipping"


def order_workflow_id(order_id: OrderId) -> str:
    """The id of the workflow that runs an order."""
    return f"{_ORDER_PREFIX}{order_id}"


def order_id_of(workflow_id: str) -> OrderId | None:
    """The order a workflow id stands for; None for other workflows."""
    if not workflow_id.startswith(_ORDER_PREFIX):
        return None
    try:
        return OrderId(UUID(workflow_id.removeprefix(_ORDER_PREFIX)))
    except ValueError:
        return None


def approval_workflow_id(order_id: OrderId, n: int, run: str) -> str:
    """
    The id of the workflow that runs request `n` of an order; `run` tells those apart that an order starts one after
    the other, after a reset or because one was terminated.
    """
    return f"approval/{order_id}/{n}/{run}"


def operation_key(order_id: OrderId, operation: str, n: int) -> str:
    """
    The key of one intended outside effect: the same over all attempts, another for another effect.
    """
    return f"{order_id}:{operation}:{n}"


_PAYMENTS_PREFIX = "payments:"


def payments_source(provider: str) -> str:
    """How a payment provider is called as a source of events: a carrier may have the same name."""
    return f"{_PAYMENTS_PREFIX}{provider}"


def payment_provider_of(source: str) -> str | None:
    """The payment provider a source of events stands for; None for a carrier."""
    return source.removeprefix(_PAYMENTS_PREFIX) if source.startswith(_PAYMENTS_PREFIX) else None
