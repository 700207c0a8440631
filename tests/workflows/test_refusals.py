"""
Orders that are refused after they were placed: what happened is undone, newest first, nothing else is.
"""

import pytest
from temporalio.client import WorkflowExecutionStatus

from fulfillment.contracts.orders import OrderResult, RejectOrder, ReleaseStock, RequestAttention
from fulfillment.contracts.payments import ReversePayment
from fulfillment.domain.errors import CarrierRefused, DomainError, InsufficientFunds, PaymentDeclined
from fulfillment.domain.money import Money
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from tests.fakes.activities import Script
from tests.fakes.orders import a_line, an_order
from tests.workflows.running import RunningOrders

REJECTED = OrderResult(status=OrderStatus.REJECTED)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (PaymentDeclined(), FailureCode.PAYMENT_DECLINED),
        (InsufficientFunds(), FailureCode.INSUFFICIENT_FUNDS),
    ],
)
async def test_a_declined_card_frees_the_stock_and_reverses_no_payment(
    refusal: DomainError, code: FailureCode, orders: RunningOrders, script: Script
) -> None:
    script.always_fail("authorize_payment", refusal)
    order = an_order()

    assert await orders.run(order) == REJECTED
    assert script.steps == ["place_order", "begin_rejection", "release_stock", "reject_order"]
    assert len(script.attempts("authorize_payment")) == 1
    rejection = RejectOrder(order_id=order.order_id, failure=code)
    assert script.requests("begin_rejection") == script.requests("reject_order") == [rejection]
    assert script.requests("release_stock") == [ReleaseStock(order_id=order.order_id)]


async def test_an_address_no_carrier_goes_to_reverses_the_payment_then_frees_the_stock(
    orders: RunningOrders, script: Script
) -> None:
    script.always_fail("book_shipment", CarrierRefused())
    order = an_order()

    assert await orders.run(order) == REJECTED
    undone = ["begin_rejection", "reverse_payment", "release_stock", "reject_order"]
    assert script.steps == ["place_order", "authorize_payment", *undone]
    (rejection,) = script.requests("reject_order")
    assert rejection.failure is FailureCode.CARRIER_REFUSED
    reversal = ReversePayment(order_id=order.order_id, n=1, amount=Money(3000, "EUR"))
    assert script.requests("reverse_payment") == [reversal]


async def test_a_free_order_no_carrier_takes_frees_the_stock_only(orders: RunningOrders, script: Script) -> None:
    script.always_fail("book_shipment", CarrierRefused())

    assert await orders.run(an_order(a_line(price=0))) == REJECTED
    assert script.steps == ["place_order", "begin_rejection", "release_stock", "reject_order"]


async def test_an_order_nobody_pays_is_rejected_after_its_payment_window(orders: RunningOrders, script: Script) -> None:
    handle = await orders.start(an_order(token=None))
    days = await orders.pass_days_until("begin_rejection")

    assert 7 <= days <= 8
    assert await handle.result() == REJECTED
    assert script.steps == ["place_order", "begin_rejection", "release_stock", "reject_order"]
    (rejection,) = script.requests("reject_order")
    assert rejection.failure is FailureCode.PAYMENT_EXPIRED


async def test_a_refused_capture_asks_an_operator_and_undoes_nothing(orders: RunningOrders, script: Script) -> None:
    script.always_fail("capture_payment", PaymentDeclined())
    order = an_order()

    handle = await orders.start(order)
    await script.reached("request_attention")

    question = RequestAttention(
        order_id=order.order_id, n=1, reason=AttentionReason.CAPTURE_OVERDUE, status=OrderStatus.PROCESSING
    )
    assert script.requests("request_attention") == [question]
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert script.steps == ["place_order", "authorize_payment", "book_shipment", "request_attention"]
