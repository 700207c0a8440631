"""
The lean saga: five remote activities on one queue, with the SDK's default options.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.orders import StartOrder
    from tests.bench.lean_activities import Authorize, Book, Capture, Complete, LeanActivities

LEAN = "lean"

Request = TypeVar("Request")
Result = TypeVar("Result")


@workflow.defn(name="LeanOrder")
class LeanWorkflow:
    """The straight path; its compensations are never reached in a measurement and are left out, which favours it."""

    @workflow.run
    async def run(self, order: StartOrder) -> str:
        await _step(LeanActivities.place_and_reserve, order)
        token = order.payment.token if order.payment else ""
        authorize = Authorize(order_id=order.order_id, token=token, total=order.total)
        authorization = await _step(LeanActivities.authorize, authorize)
        book = Book(order_id=order.order_id, address=order.shipping_address, lines=order.lines)
        tracking_number = await _step(LeanActivities.book, book)
        capture = Capture(order_id=order.order_id, authorization=authorization, total=order.total)
        await _step(LeanActivities.capture, capture)
        await _step(LeanActivities.complete, Complete(order_id=order.order_id))
        return tracking_number


async def _step(method: Callable[[Any, Request], Awaitable[Result]], request: Request) -> Result:
    return await workflow.execute_activity_method(method, request, start_to_close_timeout=timedelta(seconds=30))
