"""
What each role of worker runs: explicit lists, one place.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fulfillment.bootstrap import Activities
from fulfillment.contracts.naming import TaskQueue
from fulfillment.workflows.order import OrderWorkflow

WORKFLOWS: dict[TaskQueue, Sequence[type]] = {
    TaskQueue.ORDERS: (OrderWorkflow,),
    TaskQueue.PAYMENTS: (),
    TaskQueue.SHIPPING: (),
}


def activities_on(queue: TaskQueue, activities: Activities) -> list[Callable[..., Any]]:
    """The activities that run on a queue."""
    orders, payments, shipping = activities.orders, activities.payments, activities.shipping
    match queue:
        case TaskQueue.ORDERS:
            return [
                orders.place_order,
                orders.record_parcel_event,
                orders.request_attention,
                orders.begin_rejection,
                orders.release_stock,
                orders.reject_order,
            ]
        case TaskQueue.PAYMENTS:
            return [payments.authorize_payment, payments.capture_payment, payments.reverse_payment]
        case TaskQueue.SHIPPING:
            return [shipping.book_shipment]
