"""
Taking an order over from an earlier run of its workflow.
"""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from fulfillment.contracts.naming import TaskQueue
    from fulfillment.contracts.orders import StartOrder
    from fulfillment.contracts.recovery import FindOperations, RecoveryActivities, Standing, TakeOver
    from fulfillment.contracts.steps import Placement
    from fulfillment.workflows.steps import database_step, provider_step


async def take_over(start: StartOrder) -> tuple[Placement, Standing]:
    """Own the row, ask the providers what they did, and read where the order was left."""
    request = TakeOver(order=start, run_id=workflow.info().first_execution_run_id)
    placement = await database_step(RecoveryActivities.take_over, request)
    find = FindOperations(order_id=start.order_id)
    if not placement.status.is_final:
        await asyncio.gather(
            provider_step(TaskQueue.PAYMENTS, RecoveryActivities.find_payments, find),
            provider_step(TaskQueue.SHIPPING, RecoveryActivities.find_shipments, find),
        )
    return placement, await database_step(RecoveryActivities.read_standing, find)
