"""
Orders as running workflows: the one place outside the workers that starts, reads and signals them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from fulfillment.contracts.naming import (
    MEMO_FINGERPRINT,
    MEMO_FINGERPRINT_KEY,
    ORDER_WORKFLOW,
    TaskQueue,
    order_workflow_id,
)
from fulfillment.contracts.orders import CarrierEvent, StartOrder
from fulfillment.domain.errors import Unavailable
from fulfillment.domain.ids import OrderId

RPC_TIMEOUT = timedelta(seconds=5)

_CARRIER_EVENT = "carrier_event"
# A call that timed out on our side is reported as cancelled; a connection that broke in the middle as unknown.
_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
    }
)


class SignalOutcome(StrEnum):
    """What became of a signal."""

    DELIVERED = "delivered"
    CLOSED = "closed"
    UNKNOWN_ORDER = "unknown_order"


class OrderOrchestrator:
    """
    Order workflows, seen from outside.

    Every method raises `Unavailable` when Temporal cannot answer; repeating the call is safe.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, order: StartOrder) -> StartOrder | None:
        """
        Start the workflow of an order, the single durable write of accepting it.

        Returns None when it was started now, else what it was started with before.
        """
        try:
            with _reachable():
                await self._client.start_workflow(
                    ORDER_WORKFLOW,
                    order,
                    id=order_workflow_id(order.order_id),
                    task_queue=TaskQueue.ORDERS,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo={MEMO_FINGERPRINT: order.fingerprint, MEMO_FINGERPRINT_KEY: order.fingerprint_key},
                    static_summary=f"{order.total} in {len(order.lines)} lines",
                    rpc_timeout=RPC_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            return await self._started_before(order.order_id)
        return None

    async def unwritten(self, order_id: OrderId) -> StartOrder | None:
        """What an order was accepted with, whether or not a worker has written it down; None: no such order."""
        with _reachable():
            event = await self._first_event(order_id)
        if event is None:
            return None
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        order: StartOrder = (await self._client.data_converter.decode(payloads, [StartOrder]))[0]
        return order

    async def signal_carrier_event(self, order_id: OrderId, event: CarrierEvent) -> SignalOutcome:
        """Tell an order what a carrier said about its parcel."""
        handle = self._client.get_workflow_handle(order_workflow_id(order_id))
        with _reachable():
            try:
                await handle.signal(_CARRIER_EVENT, event, rpc_timeout=RPC_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                known = await self._first_event(order_id)
                return SignalOutcome.CLOSED if known else SignalOutcome.UNKNOWN_ORDER
        return SignalOutcome.DELIVERED

    async def _started_before(self, order_id: OrderId) -> StartOrder:
        before = await self.unwritten(order_id)
        if before is None:
            # It ended and was forgotten between the two calls: the next attempt finds its row.
            raise Unavailable("order's history")
        return before

    async def _first_event(self, order_id: OrderId) -> HistoryEvent | None:
        handle = self._client.get_workflow_handle(order_workflow_id(order_id))
        try:
            async for event in handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
                return event
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        if error.status in _AWAY:
            raise Unavailable("workflow engine") from error
        raise
