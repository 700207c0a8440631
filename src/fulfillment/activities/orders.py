"""
The database steps of an order.
"""

from datetime import timedelta

from temporalio import activity

from fulfillment.activities.new_orders import NewOrders, placement
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.orders import Terms
from fulfillment.contracts.steps import (
    AmendOrder,
    BeginUndo,
    Changed,
    CloseOrder,
    ContinueAsShipped,
    OrderActivities,
    Placement,
    PlaceOrder,
    ReaddressOrder,
    RecordLateEvent,
    RecordLatePayment,
    RecordParcelEvent,
    RefuseCancellation,
    ReleaseStock,
    RequestAttention,
    Reship,
    ResolveAttention,
    SettleApproval,
    TakePayment,
)
from fulfillment.db import (
    amending,
    attention,
    late_events,
    late_payments,
    parcels,
    payment_requests,
    reconsidering,
    undoing,
)
from fulfillment.db.engine import Database
from fulfillment.db.placing import place
from fulfillment.domain.approval_policy import Policy
from fulfillment.domain.orders import OrderStatus


class SqlOrderActivities(OrderActivities):
    """
    Each step is one statement or one transaction.

    `terms` are what new orders are placed with, `policy` says whose approval orders need; an operator is to answer
    within `attention_window`.
    """

    def __init__(
        self, database: Database, cipher: Cipher, terms: Terms, attention_window: timedelta, policy: Policy
    ) -> None:
        self._database = database
        self._new_orders = NewOrders(cipher, terms, policy)
        self._policy = policy
        self._attention_window = attention_window

    @activity.defn
    async def place_order(self, request: PlaceOrder) -> Placement:
        new = self._new_orders.row(request.order, request.run_id)
        async with self._database.transaction() as connection:
            placed = await place(connection, new)
        return placement(placed, request.run_id)

    @activity.defn
    async def take_payment(self, request: TakePayment) -> None:
        card = self._new_orders.encrypted(request.order_id, request.payment.card)
        async with self._database.statement() as connection:
            await payment_requests.take(connection, request, card)

    @activity.defn
    async def amend_order(self, request: AmendOrder) -> Changed:
        async with self._database.transaction() as connection:
            return await amending.amend(connection, self._policy, request)

    @activity.defn
    async def readdress_order(self, request: ReaddressOrder) -> Changed:
        async with self._database.transaction() as connection:
            return await amending.readdress(connection, self._policy, request)

    @activity.defn
    async def settle_approval(self, request: SettleApproval) -> OrderStatus:
        async with self._database.transaction() as connection:
            return await reconsidering.settle(connection, request)

    @activity.defn
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        async with self._database.statement() as connection:
            await parcels.record(connection, request, self._attention_window)

    @activity.defn
    async def record_late_event(self, request: RecordLateEvent) -> None:
        async with self._database.transaction() as connection:
            await late_events.record(connection, request.order_id, request.event, self._attention_window)

    @activity.defn
    async def record_late_payment(self, request: RecordLatePayment) -> None:
        async with self._database.transaction() as connection:
            await late_payments.record(connection, request.order_id, request.news, self._attention_window)

    @activity.defn
    async def continue_as_shipped(self, request: ContinueAsShipped) -> None:
        async with self._database.transaction() as connection:
            await parcels.continue_as_shipped(connection, request)

    @activity.defn
    async def request_attention(self, request: RequestAttention) -> bool:
        async with self._database.statement() as connection:
            return await attention.ask(connection, request, self._attention_window)

    @activity.defn
    async def resolve_attention(self, request: ResolveAttention) -> None:
        async with self._database.statement() as connection:
            await attention.resolve(connection, request)

    @activity.defn
    async def reship(self, request: Reship) -> Changed:
        async with self._database.transaction() as connection:
            return await attention.reship(connection, request)

    @activity.defn
    async def refuse_cancellation(self, request: RefuseCancellation) -> None:
        async with self._database.statement() as connection:
            await undoing.refuse(connection, request)

    @activity.defn
    async def begin_undo(self, request: BeginUndo) -> None:
        async with self._database.statement() as connection:
            await undoing.begin(connection, request)

    @activity.defn
    async def release_stock(self, request: ReleaseStock) -> None:
        async with self._database.statement() as connection:
            await undoing.release(connection, request)

    @activity.defn
    async def close_order(self, request: CloseOrder) -> None:
        async with self._database.statement() as connection:
            await undoing.close(connection, request)
