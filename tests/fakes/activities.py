"""
The steps of orders without a database or a provider: they remember what they were asked and fail as they are told.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any
from uuid import UUID

from temporalio import activity

from fulfillment.bootstrap import Activities
from fulfillment.contracts.approvals import ApprovalAsked
from fulfillment.contracts.orders import StartOrder, Terms
from fulfillment.contracts.payments import (
    Authorization,
    AuthorizePayment,
    CapturePayment,
    PaymentActivities,
    Reversal,
    ReversePayment,
)
from fulfillment.contracts.recovery import Standing
from fulfillment.contracts.shipping import (
    BookShipment,
    CancelledShipment,
    CancelShipment,
    ShipmentBooked,
    ShipmentCancellation,
    ShippingActivities,
)
from fulfillment.contracts.steps import (
    AmendOrder,
    BeginUndo,
    Changed,
    CloseOrder,
    ContinueAsShipped,
    OrderActivities,
    Placement,
    PlacementOutcome,
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
from fulfillment.domain.approvals import Plan
from fulfillment.domain.errors import PaymentDeclined
from fulfillment.domain.money import Money, total
from fulfillment.domain.orders import OrderStatus
from tests.fakes.approvals import NOBODY, ApprovalRows, FakeApprovalActivities
from tests.fakes.orders import CARRIER, TERMS, tracking_number_of
from tests.fakes.recovery import LEFT_IN_PROCESSING, FakeRecoveryActivities
from tests.fixtures.waiting import until


@dataclass(frozen=True, eq=False)
class Call:
    """One attempt of a step; another attempt may look just like it."""

    step: str
    request: Any
    attempt: int
    is_local: bool


@dataclass
class Script:
    """What the steps are to do, and what they were asked."""

    terms: Terms = TERMS
    outcome: PlacementOutcome = PlacementOutcome.PLACED
    answers_itself: bool = False
    """By the time a question is asked, the money it is about has been taken."""
    too_late: bool = False
    """The carrier has every parcel already when it is asked to keep it."""
    asks_customer: bool = False
    """The bank asks the customer for something before it sets money aside."""
    nothing_found: set[str] = field(default_factory=set)
    """Undos that find nothing at their first look."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Codes by step, of the steps whose refusal is a result."""
    left: Standing = LEFT_IN_PROCESSING
    """Where an order that is taken over was left."""
    calls: list[Call] = field(default_factory=list)
    standing: OrderStatus = OrderStatus.RECEIVED
    """Where the row of the order is, as far as changes of the order read it."""
    amount: Money = field(default_factory=lambda: Money(0, "EUR"))
    """What the row is worth."""
    order: StartOrder = field(init=False)
    plan: Plan = NOBODY
    """Whose approval is needed when the order is placed, or costs more than what was approved."""
    approvals: ApprovalRows = field(default_factory=ApprovalRows)
    approved: Money = field(default_factory=lambda: Money(0, "EUR"))
    """What people, or the rules, have approved last."""
    has_card: bool = False
    """There is one that may still be good."""
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _placed: dict[UUID, Placement] = field(default_factory=dict)
    _failed: list[Call] = field(default_factory=list)
    _failures: dict[str, Iterator[BaseException]] = field(default_factory=dict)

    def fail(self, step: str, *errors: BaseException) -> None:
        """The next attempts of a step raise these, one each; then it works."""
        self._failures[step] = iter(errors)

    def always_fail(self, step: str, error: BaseException) -> None:
        """Every attempt of a step raises this until `fail` is called."""
        self._failures[step] = repeat(error)

    @property
    def steps(self) -> list[str]:
        """The steps that were done, in their order; failed attempts do not count."""
        return [call.step for call in self.calls if call not in self._failed]

    def requests(self, step: str) -> list[Any]:
        """What a step was asked, attempt by attempt."""
        return [call.request for call in self.calls if call.step == step]

    def attempts(self, step: str) -> list[Call]:
        """All attempts of a step."""
        return [call for call in self.calls if call.step == step]

    async def reached(self, step: str, times: int = 1) -> None:
        """Until a step was begun so many times."""

        async def begun() -> bool:
            return len(self.attempts(step)) >= times

        await until(begun, seconds=10)

    def hold(self, step: str) -> None:
        """Attempts of a step stay in flight until `release`."""
        self._held[step] = asyncio.Event()

    def release(self, step: str) -> None:
        """What was held goes on."""
        self._held.pop(step).set()

    async def take(self, request: Any) -> None:
        """
        Note an attempt of the running activity; wait while it is held.

        Raises:
            BaseException: what the script says.
        """
        info = activity.info()
        call = Call(info.activity_type, request, info.attempt, info.is_local)
        self.calls.append(call)
        if call.step in self._held:
            await self._held[call.step].wait()
        error = next(self._failures.get(call.step, iter(())), None)
        if error is not None:
            self._failed.append(call)
            raise error

    def placement(self, order: StartOrder) -> Placement:
        """What placing an order comes to, and came to when it was placed before."""
        if order.order_id not in self._placed:
            self._placed[order.order_id] = self._place(order)
        return self._placed[order.order_id]

    def _place(self, order: StartOrder) -> Placement:
        self.order, self.amount, self.has_card = order, order.total, order.payment is not None
        if self.outcome is PlacementOutcome.PLACED:
            self.assess()
        else:
            self.standing = OrderStatus.REJECTED
        return Placement(
            outcome=self.outcome, status=self.standing, total=self.amount, terms=self.terms, approval=self.asked
        )

    def assess(self, *, anew: bool = False) -> None:
        """What the rules make of the order as it is now: people are asked, or it goes on."""
        if self.amount.amount > self.approved.amount and not self.plan.is_automatic:
            self.approvals.ask(self.order, self.plan)
            self.standing = OrderStatus.AWAITING_APPROVAL
            return
        self.approved = max(self.approved, self.amount, key=lambda money: money.amount)
        if not anew or self.standing is OrderStatus.AWAITING_APPROVAL or not self.amount.amount:
            self.go_on()

    def go_on(self) -> None:
        """Nobody is asked (any more): the order is paid for, or waits for that."""
        self.approvals.make_void()
        waits = self.amount.amount and not self.has_card
        self.standing = OrderStatus.AWAITING_PAYMENT if waits else OrderStatus.PROCESSING

    @property
    def asked(self) -> ApprovalAsked | None:
        """The request the order waits for."""
        return self.approvals.newest.asked if self.standing is OrderStatus.AWAITING_APPROVAL else None

    def changed(self, step: str) -> Changed:
        """What a change comes to, where the row is now."""
        return Changed(
            status=self.standing,
            total=self.amount,
            version=7,
            refusal=self.refusals.get(step),
            approval=self.asked,
        )


class FakeOrderActivities(OrderActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def place_order(self, request: PlaceOrder) -> Placement:
        await self._script.take(request)
        return self._script.placement(request.order)

    @activity.defn
    async def take_payment(self, request: TakePayment) -> None:
        await self._script.take(request)
        self._script.standing, self._script.has_card = OrderStatus.PROCESSING, True

    @activity.defn
    async def amend_order(self, request: AmendOrder) -> Changed:
        await self._script.take(request)
        if "amend_order" not in self._script.refusals:
            lines = request.change.lines
            prices = (line.unit_price.times(line.quantity) for line in lines)
            self._script.amount = total(prices, lines[0].unit_price.currency)
            self._script.assess(anew=True)
        return self._script.changed("amend_order")

    @activity.defn
    async def readdress_order(self, request: ReaddressOrder) -> Changed:
        await self._script.take(request)
        return self._script.changed("readdress_order")

    @activity.defn
    async def settle_approval(self, request: SettleApproval) -> OrderStatus:
        await self._script.take(request)
        self._script.go_on()
        return self._script.standing

    @activity.defn
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        await self._script.take(request)

    @activity.defn
    async def record_late_event(self, request: RecordLateEvent) -> None:
        await self._script.take(request)

    @activity.defn
    async def record_late_payment(self, request: RecordLatePayment) -> None:
        await self._script.take(request)

    @activity.defn
    async def continue_as_shipped(self, request: ContinueAsShipped) -> None:
        await self._script.take(request)

    @activity.defn
    async def request_attention(self, request: RequestAttention) -> bool:
        await self._script.take(request)
        return not self._script.answers_itself

    @activity.defn
    async def resolve_attention(self, request: ResolveAttention) -> None:
        await self._script.take(request)

    @activity.defn
    async def reship(self, request: Reship) -> Changed:
        await self._script.take(request)
        return replace(self._script.changed("reship"), status=OrderStatus.PROCESSING)

    @activity.defn
    async def refuse_cancellation(self, request: RefuseCancellation) -> None:
        await self._script.take(request)

    @activity.defn
    async def begin_undo(self, request: BeginUndo) -> None:
        await self._script.take(request)
        self._script.standing = OrderStatus.CANCELLING
        self._script.approvals.make_void()

    @activity.defn
    async def release_stock(self, request: ReleaseStock) -> None:
        await self._script.take(request)

    @activity.defn
    async def close_order(self, request: CloseOrder) -> None:
        await self._script.take(request)


class FakePaymentActivities(PaymentActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def authorize_payment(self, request: AuthorizePayment) -> Authorization | None:
        try:
            await self._script.take(request)
        except PaymentDeclined:
            if request.another_card:
                self._script.standing, self._script.has_card = OrderStatus.AWAITING_PAYMENT, False
            raise
        if self._script.asks_customer:
            self._script.standing, self._script.has_card = OrderStatus.AWAITING_PAYMENT, False
            return Authorization.AWAITS_CUSTOMER
        if request.resumes:
            self._script.standing = OrderStatus.PROCESSING
        return None

    @activity.defn
    async def capture_payment(self, request: CapturePayment) -> None:
        await self._script.take(request)

    @activity.defn
    async def reverse_payment(self, request: ReversePayment) -> Reversal:
        await self._script.take(request)
        return (
            Reversal.DONE
            if request.last_look or "reverse_payment" not in self._script.nothing_found
            else Reversal.LOOK_AGAIN
        )


class FakeShippingActivities(ShippingActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        await self._script.take(request)
        return ShipmentBooked(carrier=CARRIER, tracking_number=tracking_number_of(request.order_id, request.n))

    @activity.defn
    async def cancel_shipment(self, request: CancelShipment) -> CancelledShipment:
        await self._script.take(request)
        if "cancel_shipment" in self._script.nothing_found and not request.last_look:
            return CancelledShipment(outcome=ShipmentCancellation.LOOK_AGAIN)
        if self._script.too_late:
            number = tracking_number_of(request.order_id, request.parcel)
            parcel = ShipmentBooked(carrier=CARRIER, tracking_number=number)
            return CancelledShipment(outcome=ShipmentCancellation.TOO_LATE, parcel=parcel)
        return CancelledShipment(outcome=ShipmentCancellation.DONE)


def fake_activities(script: Script) -> Activities:
    """All of them, playing one script."""
    return Activities(
        orders=FakeOrderActivities(script),
        approvals=FakeApprovalActivities(script),
        payments=FakePaymentActivities(script),
        shipping=FakeShippingActivities(script),
        recovery=FakeRecoveryActivities(script),
    )
