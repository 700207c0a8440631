"""
The steps of orders without a database or a provider: they remember what they were asked and fail as they are told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from temporalio import activity

from fulfillment.bootstrap import Activities
from fulfillment.contracts.orders import (
    OrderActivities,
    Placement,
    PlacementOutcome,
    PlaceOrder,
    RecordParcelEvent,
    RejectOrder,
    ReleaseStock,
    RequestAttention,
    StartOrder,
    Terms,
)
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment, PaymentActivities, ReversePayment
from fulfillment.contracts.shipping import BookShipment, ShipmentBooked, ShippingActivities
from fulfillment.domain.orders import OrderStatus
from tests.fakes.orders import CARRIER, TERMS, tracking_number_of
from tests.fixtures.waiting import until


@dataclass(frozen=True)
class Call:
    """One attempt of a step."""

    step: str
    request: Any
    attempt: int
    is_local: bool


@dataclass
class Script:
    """What the steps are to do, and what they were asked."""

    terms: Terms = TERMS
    outcome: PlacementOutcome = PlacementOutcome.PLACED
    calls: list[Call] = field(default_factory=list)
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

    def take(self, request: Any) -> None:
        """
        Note an attempt of the running activity.

        Raises:
            BaseException: what the script says.
        """
        info = activity.info()
        call = Call(info.activity_type, request, info.attempt, info.is_local)
        self.calls.append(call)
        error = next(self._failures.get(call.step, iter(())), None)
        if error is not None:
            self._failed.append(call)
            raise error

    def placement(self, order: StartOrder) -> Placement:
        """What placing an order comes to."""
        waits = order.payment is None and order.total.amount > 0
        going_on = OrderStatus.AWAITING_PAYMENT if waits else OrderStatus.PROCESSING
        status = going_on if self.outcome is PlacementOutcome.PLACED else OrderStatus.REJECTED
        return Placement(outcome=self.outcome, status=status, total=order.total, terms=self.terms)


class FakeOrderActivities(OrderActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def place_order(self, request: PlaceOrder) -> Placement:
        self._script.take(request)
        return self._script.placement(request.order)

    @activity.defn
    async def record_parcel_event(self, request: RecordParcelEvent) -> None:
        self._script.take(request)

    @activity.defn
    async def request_attention(self, request: RequestAttention) -> None:
        self._script.take(request)

    @activity.defn
    async def begin_rejection(self, request: RejectOrder) -> None:
        self._script.take(request)

    @activity.defn
    async def release_stock(self, request: ReleaseStock) -> None:
        self._script.take(request)

    @activity.defn
    async def reject_order(self, request: RejectOrder) -> None:
        self._script.take(request)


class FakePaymentActivities(PaymentActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def authorize_payment(self, request: AuthorizePayment) -> None:
        self._script.take(request)

    @activity.defn
    async def capture_payment(self, request: CapturePayment) -> None:
        self._script.take(request)

    @activity.defn
    async def reverse_payment(self, request: ReversePayment) -> None:
        self._script.take(request)


class FakeShippingActivities(ShippingActivities):
    def __init__(self, script: Script) -> None:
        self._script = script

    @activity.defn
    async def book_shipment(self, request: BookShipment) -> ShipmentBooked:
        self._script.take(request)
        return ShipmentBooked(carrier=CARRIER, tracking_number=tracking_number_of(request.order_id))


def fake_activities(script: Script) -> Activities:
    """All of them, playing one script."""
    return Activities(
        orders=FakeOrderActivities(script),
        payments=FakePaymentActivities(script),
        shipping=FakeShippingActivities(script),
    )
