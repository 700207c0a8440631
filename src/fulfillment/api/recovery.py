"""
Orders whose workflow is gone.
"""

from dataclasses import dataclass, replace

import structlog

from fulfillment.api.changes import OrderChanges
from fulfillment.contracts.orders import Resume, StartOrder
from fulfillment.db import left_orders
from fulfillment.db.engine import Database
from fulfillment.db.views import OrderView
from fulfillment.domain.errors import OrderNotFound
from fulfillment.domain.ids import OrderId
from fulfillment.orchestrator import OrderOrchestrator

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """The order as it is now, and whether it is being taken over: one that has ended is left alone."""

    order: OrderView
    is_taken_over: bool


class OrderRecovery:
    """Starts the workflow of an order again."""

    def __init__(self, database: Database, orders: OrderOrchestrator, changes: OrderChanges) -> None:
        self._database = database
        self._orders = orders
        self._changes = changes

    async def recover(self, order_id: OrderId, resume: Resume) -> Recovered:
        """
        Have an order taken over by a new run of its workflow, which goes on or undoes what happened.

        Raises:
            OrderNotFound: nobody has placed it.
            OrderIsRunning: its workflow is not gone.
            Unavailable: Temporal cannot answer.
        """
        before = await self._changes.read(order_id)
        if before.status.is_final:
            return Recovered(before, is_taken_over=False)
        start = await self._start_of(order_id)
        await self._orders.recover(replace(start, resume=resume))
        _log.warning("order_taken_over", order_id=str(order_id), status=before.status, undo=resume.undo)
        return Recovered(await self._changes.read(order_id), is_taken_over=True)

    async def _start_of(self, order_id: OrderId) -> StartOrder:
        """What its last run was started with, or what the row says once Temporal has forgotten that."""
        start = await self._orders.unwritten(order_id)
        if start is None:
            async with self._database.statement() as connection:
                start = await left_orders.start_of(connection, order_id)
        if start is None:
            raise OrderNotFound(order_id)
        return start
