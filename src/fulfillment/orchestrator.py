"""
Orders as running workflows: the one place outside the workers that starts, reads, signals and changes them.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from fulfillment.contracts.messages import Act, Amend, Cancel, Pay, PaymentRecorded, Readdress
from fulfillment.contracts.naming import (
    MEMO_FINGERPRINT,
    MEMO_FINGERPRINT_KEY,
    ORDER_WORKFLOW,
    TaskQueue,
    order_workflow_id,
)
from fulfillment.contracts.orders import CarrierEvent, StartOrder
from fulfillment.contracts.payments import PaymentNews
from fulfillment.domain.errors import OrderIsRunning, Unavailable
from fulfillment.domain.ids import OrderId
from fulfillment.updates import RPC_TIMEOUT, UPDATE_TIMEOUT, Asked, WorkflowEnded, ask, reachable

Change = TypeVar("Change", Cancel, Pay, Amend, Readdress, Act)

_CARRIER_EVENT = "carrier_event"
_PAYMENT_EVENT = "payment_event"


class SignalOutcome(StrEnum):
    """What became of a signal."""

    DELIVERED = "delivered"
    CLOSED = "closed"
    UNKNOWN_ORDER = "unknown_order"


class OrderEnded(Exception):
    """No workflow runs this order (any more): its row is all there is."""


class OrderOrchestrator:
    """
    Order workflows, seen from outside.

    Every method raises `Unavailable` when Temporal cannot answer; repeating the call is safe. A change is asked for
    under the id of its Update: the same id never changes anything twice. It raises `OrderEnded` when no workflow runs
    the order, `Unavailable` also when no worker answers within `patience`, and `TooManyChanges` when the order has
    taken as many as any order may.
    """

    def __init__(self, client: Client, patience: timedelta = UPDATE_TIMEOUT) -> None:
        self._client = client
        self._patience = patience

    async def start(self, order: StartOrder) -> StartOrder | None:
        """
        Start the workflow of an order, the single durable write of accepting it.

        Returns None when it was started now, else what it was started with before.
        """
        try:
            with reachable():
                await self._start(
                    order,
                    reuse=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    summary=f"{order.total} in {len(order.lines)} lines",
                )
        except WorkflowAlreadyStartedError:
            return await self._started_before(order.order_id)
        return None

    async def recover(self, order: StartOrder) -> None:
        """
        Start an order again whose workflow is gone; it is to go on as `order.resume` says.

        Raises:
            OrderIsRunning: its workflow is not gone.
        """
        try:
            with reachable():
                await self._start(
                    order,
                    reuse=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    summary=f"recovery of {order.total} in {len(order.lines)} lines",
                )
        except WorkflowAlreadyStartedError as error:
            raise OrderIsRunning(order.order_id) from error

    async def _start(self, order: StartOrder, *, reuse: WorkflowIDReusePolicy, summary: str) -> None:
        await self._client.start_workflow(
            ORDER_WORKFLOW,
            order,
            id=order_workflow_id(order.order_id),
            task_queue=TaskQueue.ORDERS,
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            memo={MEMO_FINGERPRINT: order.fingerprint, MEMO_FINGERPRINT_KEY: order.fingerprint_key},
            static_summary=summary,
            rpc_timeout=RPC_TIMEOUT,
        )

    async def unwritten(self, order_id: OrderId) -> StartOrder | None:
        """What an order was accepted with, whether or not a worker has written it down; None: no such order."""
        with reachable():
            event = await self._first_event(order_id)
        if event is None:
            return None
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        order: StartOrder = (await self._client.data_converter.decode(payloads, [StartOrder]))[0]
        return order

    async def signal(self, order_id: OrderId, message: CarrierEvent | PaymentNews) -> SignalOutcome:
        """Tell an order what a carrier said about its parcel, or a provider about its payment."""
        handle = self._client.get_workflow_handle(order_workflow_id(order_id))
        name = _CARRIER_EVENT if isinstance(message, CarrierEvent) else _PAYMENT_EVENT
        with reachable():
            try:
                await handle.signal(name, message, rpc_timeout=RPC_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                known = await self._first_event(order_id)
                return SignalOutcome.CLOSED if known else SignalOutcome.UNKNOWN_ORDER
        return SignalOutcome.DELIVERED

    async def cancel(self, order_id: OrderId, change: Cancel, update_id: str) -> None:
        """
        Have the order cancelled; it is recorded, not done.

        Raises:
            OrderNotCancellable: the order has left, has ended, or waits for another answer.
        """
        await self._update(order_id, "cancel", change, update_id)

    async def pay(self, order_id: OrderId, change: Pay, update_id: str) -> PaymentRecorded:
        """
        Give an order the card it waits for; what the id stands for since it was first used.

        Raises:
            PaymentNotAwaited: it waits for none.
        """
        recorded: PaymentRecorded = await self._update(order_id, "pay", change, update_id, PaymentRecorded)
        return recorded

    async def amend(self, order_id: OrderId, change: Amend, update_id: str) -> None:
        """
        Replace the lines.

        Raises:
            OrderNotAmendable: it is too late.
            StockShort: or `UnknownSku`; nothing was changed.
            PreconditionFailed: the order is not at the expected version.
        """
        await self._update(order_id, "amend", change, update_id)

    async def readdress(self, order_id: OrderId, change: Readdress, update_id: str) -> None:
        """
        Replace the address.

        Raises:
            OrderNotAmendable: it is too late.
            PreconditionFailed: the order is not at the expected version.
        """
        await self._update(order_id, "readdress", change, update_id)

    async def act(self, order_id: OrderId, change: Act, update_id: str) -> None:
        """
        Answer the question of an order that needs attention.

        Raises:
            ActionNotAvailable: this is no answer to what it asks.
            StockShort: there is nothing to send another parcel from.
        """
        await self._update(order_id, "act", change, update_id)

    async def accepted(self, order_id: OrderId, update_id: str, kind: type[Change]) -> Change | None:
        """What an order was asked for before under this id; None when nothing was, or it was refused at once."""
        handle = self._client.get_workflow_handle(order_workflow_id(order_id))
        with reachable():
            try:
                async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
                    request = event.workflow_execution_update_accepted_event_attributes.accepted_request
                    if request.meta.update_id == update_id:
                        payloads = request.input.args.payloads
                        change: Change = (await self._client.data_converter.decode(payloads, [kind]))[0]
                        return change
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
        return None

    async def _update(
        self, order_id: OrderId, name: str, change: Change, update_id: str, result: type | None = None
    ) -> Any:  # noqa: ANN401 - whatever the Update answers with
        handle = self._client.get_workflow_handle(order_workflow_id(order_id))
        asked = Asked(name=name, argument=change, id=update_id, part="order's workflow", result=result)
        try:
            return await ask(handle, asked, self._patience)
        except WorkflowEnded as error:
            raise OrderEnded from error

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
