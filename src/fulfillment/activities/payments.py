"""
The steps that reach the payment provider.
"""

from temporalio import activity

from fulfillment.activities import payment_changes
from fulfillment.activities.providers import Asking, known, named
from fulfillment.activities.reversals import PaymentReversals
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment, PaymentActivities, Reversal, ReversePayment
from fulfillment.db.changes import Change, apply
from fulfillment.db.engine import Database
from fulfillment.db.intents import Intent
from fulfillment.db.operations import AUTHORIZATION, Operation, intend
from fulfillment.db.outcomes import settle
from fulfillment.db.tables import orders
from fulfillment.domain.errors import InsufficientFunds, PaymentDeclined, PaymentUnavailable
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.payments import PaymentGateway


class LedgeredPaymentActivities(PaymentActivities):
    """Intent and result of every call stand in the operations ledger; no transaction is open during a call."""

    def __init__(self, database: Database, gateway: PaymentGateway, cipher: Cipher, provider: str) -> None:
        self._database = database
        self._gateway = gateway
        self._cipher = cipher
        self._provider = provider
        self._asking = Asking(database, PaymentUnavailable)
        self._reversals = PaymentReversals(database, gateway, self._asking, provider)

    @activity.defn
    async def authorize_payment(self, request: AuthorizePayment) -> None:
        operation = await self._intend_authorization(request)
        answer = known(operation)
        if answer is None:
            answer = await self._asking.ask(
                operation, request, find=self._gateway.find, call=lambda: self._authorize(request, operation)
            )
            await self._record(_authorization(request, operation, named(answer, operation.key)), operation, answer)
        _raise_refusal(answer)

    async def _intend_authorization(self, request: AuthorizePayment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.AUTHORIZE, request.n),
            order_id=request.order_id,
            kind=OperationKind.AUTHORIZE,
            n=request.n,
            provider=self._provider,
            during=(OrderStatus.PROCESSING,),
            amount=request.amount,
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, orders.c.payment_token, orders.c.payment_token_key)

    async def _authorize(self, request: AuthorizePayment, operation: Operation) -> Answer:
        token = self._cipher.decrypt(
            operation.order.payment_token_key, operation.order.payment_token, context=request.order_id.bytes
        )
        return await self._gateway.authorize(operation.key, request.order_id, token.decode(), request.amount)

    @activity.defn
    async def capture_payment(self, request: CapturePayment) -> None:
        operation = await self._intend_capture(request)
        answer = known(operation)
        if answer is None:
            answer = await self._asking.ask(
                operation,
                request,
                find=self._gateway.find,
                call=lambda: self._gateway.capture(operation.key, operation.order.authorization, request.amount),
            )
            await self._record(_capture(request, operation.key, answer), operation, answer)
        _raise_refusal(answer)

    async def _intend_capture(self, request: CapturePayment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.CAPTURE, request.n),
            order_id=request.order_id,
            kind=OperationKind.CAPTURE,
            n=request.n,
            provider=self._provider,
            during=(_capturing(request),),
            amount=request.amount,
        )
        authorization = operation_key(request.order_id, OperationKind.AUTHORIZE, request.authorization)
        async with self._database.statement() as connection:
            return await intend(connection, intent, AUTHORIZATION, authorization_key=authorization)

    @activity.defn
    async def reverse_payment(self, request: ReversePayment) -> Reversal:
        return await self._reversals.reverse(request)

    async def _record(self, change: Change, operation: Operation, answer: Answer) -> None:
        state = OperationState.REFUSED if answer.refusal else OperationState.DONE
        effect = settle(operation.key, state, reference=answer.reference, refusal=answer.refusal)
        async with self._database.statement() as connection:
            await apply(connection, change, effect)


def _authorization(request: AuthorizePayment, operation: Operation, answer: Answer) -> Change:
    order_id, key, actor = request.order_id, operation.key, operation.actor
    if not answer.refusal:
        return payment_changes.authorized(order_id, key, request.amount, OrderStatus.PROCESSING, actor)
    if request.another_card:
        return payment_changes.declined_for_now(order_id, key, answer.refusal, request.n, actor)
    return payment_changes.declined(order_id, key, answer.refusal, OrderStatus.PROCESSING, actor)


def _capture(request: CapturePayment, key: str, answer: Answer) -> Change:
    during = _capturing(request)
    if answer.refusal:
        return payment_changes.declined(request.order_id, key, answer.refusal, during)
    path = () if request.shipped else (OrderStatus.AWAITING_SHIPMENT,)
    return payment_changes.captured(request.order_id, key, request.amount, during, path)


def _capturing(request: CapturePayment) -> OrderStatus:
    return OrderStatus.SHIPPED if request.shipped else OrderStatus.PROCESSING


def _raise_refusal(answer: Answer) -> None:
    if answer.refusal == FailureCode.INSUFFICIENT_FUNDS:
        raise InsufficientFunds
    if answer.refusal:
        raise PaymentDeclined
