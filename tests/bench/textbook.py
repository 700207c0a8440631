"""
The textbook saga: the book's order as twelve remote activities on one queue, with the SDK's default options.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.orders import StartOrder
    from tests.bench.textbook_activities import (
        Charge,
        Confirmation,
        FraudCheck,
        Shipment,
        StatusChange,
        TextbookActivities,
    )

TEXTBOOK = "textbook"

Request = TypeVar("Request")
Result = TypeVar("Result")


@workflow.defn(name="TextbookOrder")
class TextbookWorkflow:
    """The straight path; its compensations are never reached in a measurement and are left out, which favours it."""

    @workflow.run
    async def run(self, order: StartOrder) -> str:
        activities = TextbookActivities
        await _step(activities.validate_order, order)
        await _step(activities.record_order, order)
        fraud = FraudCheck(order_id=order.order_id, customer_id=order.customer_id, total=order.total)
        await _step(activities.check_fraud, fraud)
        await _set_status(order, "validated")
        await _step(activities.reserve_inventory, order)
        await _set_status(order, "reserved")
        token = order.payment.token if order.payment else ""
        await _step(activities.charge_payment, Charge(order_id=order.order_id, token=token, total=order.total))
        await _set_status(order, "paid")
        shipment = Shipment(order_id=order.order_id, address=order.shipping_address, lines=order.lines)
        tracking_number = await _step(activities.create_shipment, shipment)
        await _set_status(order, "booked")
        confirmation = Confirmation(order_id=order.order_id, email=order.email or "", tracking_number=tracking_number)
        await _step(activities.send_confirmation_email, confirmation)
        await _set_status(order, "completed")
        return tracking_number


async def _set_status(order: StartOrder, status: str) -> None:
    await _step(TextbookActivities.set_status, StatusChange(order_id=order.order_id, status=status))


async def _step(method: Callable[[Any, Request], Awaitable[Result]], request: Request) -> Result:
    return await workflow.execute_activity_method(method, request, start_to_close_timeout=timedelta(seconds=30))
