"""
What each role of worker runs: explicit lists, one place.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fulfillment.bootstrap import Activities
from fulfillment.contracts.naming import TaskQueue
from fulfillment.workflows.approval import ApprovalWorkflow
from fulfillment.workflows.order import OrderWorkflow

WORKFLOWS: dict[TaskQueue, Sequence[type]] = {
    TaskQueue.ORDERS: (OrderWorkflow,),
    TaskQueue.APPROVALS: (ApprovalWorkflow,),
    TaskQueue.PAYMENTS: (),
    TaskQueue.SHIPPING: (),
}


def activities_on(queue: TaskQueue, activities: Activities) -> list[Callable[..., Any]]:
    """The activities that run on a queue."""
    orders, payments, shipping = activities.orders, activities.payments, activities.shipping
    recovery = activities.recovery
    match queue:
        case TaskQueue.ORDERS:
            return [
                orders.place_order,
                orders.take_payment,
                orders.amend_order,
                orders.readdress_order,
                orders.settle_approval,
                orders.record_parcel_event,
                orders.record_late_event,
                orders.record_late_payment,
                orders.continue_as_shipped,
                orders.request_attention,
                orders.resolve_attention,
                orders.reship,
                orders.refuse_cancellation,
                orders.begin_undo,
                orders.release_stock,
                orders.close_order,
                recovery.take_over,
                recovery.read_standing,
            ]
        case TaskQueue.APPROVALS:
            approvals = activities.approvals
            return [approvals.open_approval, approvals.write_approval, approvals.refuse_decision]
        case TaskQueue.PAYMENTS:
            return [
                payments.authorize_payment,
                payments.capture_payment,
                payments.reverse_payment,
                recovery.find_payments,
            ]
        case TaskQueue.SHIPPING:
            return [shipping.book_shipment, shipping.cancel_shipment, recovery.find_shipments]
