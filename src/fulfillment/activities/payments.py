"""
The steps that reach the payment provider.
"""

from dataclasses import replace

from temporalio import activity

from fulfillment.activities import payment_changes
from fulfillment.activities.circuit import Circuit
from fulfillment.activities.providers import AlreadyUndone, Asking, Find, UnknownPaymentProvider, known, named
from fulfillment.activities.reversals import PaymentReversals
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import (
    Authorization,
    AuthorizePayment,
    CapturePayment,
    PaymentActivities,
    Reversal,
    ReversePayment,
)
from fulfillment.db.changes import Attempt, Change, OutOfStep, apply
from fulfillment.db.engine import Database
from fulfillment.db.intents import Intent
from fulfillment.db.operations import AUTHORIZATION, Operation, intend
from fulfillment.db.outcomes import name, settle
from fulfillment.db.payment_requests import waits_for_customer
from fulfillment.db.tables import orders
from fulfillment.domain.errors import InsufficientFunds, PaymentDeclined, PaymentUnavailable
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.domain.payments import NextAction
from fulfillment.gateways.answers import Answer, Sought
from fulfillment.gateways.payments import PaymentGateway


class LedgeredPaymentActivities(PaymentActivities):
    """Intent and result of every call stand in the operations ledger; no transaction is open during a call."""

    def __init__(
        self, database: Database, gateway: PaymentGateway, cipher: Cipher, provider: str, circuit: Circuit
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._cipher = cipher
        self._provider = provider
        self._asking = Asking(database, PaymentUnavailable, circuit)
        self._reversals = PaymentReversals(database, gateway, self._asking, provider)

    @activity.defn
    async def authorize_payment(self, request: AuthorizePayment) -> Authorization | None:
        try:
            operation = await self._intend_authorization(request)
        except OutOfStep:
            if await self._waits_for_customer(request):
                return Authorization.AWAITS_CUSTOMER
            raise
        answer = known(operation)
        if answer is None:
            answer = await self._asking.ask(
                operation,
                request,
                find=self._find(OperationKind.AUTHORIZE, operation, request, operation.provider_reference),
                call=lambda: self._authorize(request, operation),
            )
            if answer.next_action is not None:
                return await self._wait_for_customer(request, operation, answer.reference or "", answer.next_action)
            change = _authorization(request, operation, named(answer, operation.key))
            await self._record(_found(operation, change), operation, answer)
        _raise_refusal(answer)
        return None

    async def _intend_authorization(self, request: AuthorizePayment) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.AUTHORIZE, request.n),
            order_id=request.order_id,
            kind=OperationKind.AUTHORIZE,
            n=request.n,
            provider=self._provider,
            during=_authorizing(request),
            amount=request.amount,
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, orders.c.payment_token, orders.c.payment_token_key)

    async def _waits_for_customer(self, request: AuthorizePayment) -> bool:
        """An earlier attempt wrote down that the order waits for its customer, and nobody heard that it did."""
        async with self._database.statement() as connection:
            return await waits_for_customer(connection, request.order_id)

    def _find(
        self, kind: OperationKind, operation: Operation, request: AuthorizePayment | CapturePayment, payment: str | None
    ) -> Find:
        order_id, amount = request.order_id, request.amount
        return lambda key: self._at(operation).find(
            Sought(kind=kind, key=key, order_id=order_id, payment=payment, amount=amount)
        )

    def _at(self, operation: Operation) -> PaymentGateway:
        """The way to the provider the ledger names."""
        if operation.provider != self._provider:
            raise UnknownPaymentProvider(operation.provider)
        return self._gateway

    async def _authorize(self, request: AuthorizePayment, operation: Operation) -> Answer:
        card = self._cipher.decrypt(
            operation.order.payment_token_key, operation.order.payment_token, context=request.order_id.bytes
        )
        key, token, payment = operation.key, card.decode(), operation.provider_reference
        gateway = self._at(operation)
        if payment is None:
            opened = await gateway.open(key, request.order_id, token, request.amount)
            if opened is not None and opened.refusal:
                return opened
            if opened is not None and opened.reference:
                # Before anything can happen to it: whoever looks it up finds it by this name.
                payment = await self._named(key, opened.reference)
                if payment is None:
                    # Whoever undid it could not know its name: it must never be used.
                    raise AlreadyUndone(key)
        return await gateway.authorize(key, request.order_id, token, request.amount, payment)

    async def _named(self, key: str, reference: str) -> str | None:
        async with self._database.statement() as connection:
            return await name(connection, key, reference)

    async def _wait_for_customer(
        self, request: AuthorizePayment, operation: Operation, payment: str, action: NextAction
    ) -> Authorization:
        # Also when it is asked about: a recovery that found it has only its key.
        await self._named(operation.key, payment)
        if request.resumes:
            return Authorization.AWAITS_CUSTOMER
        change = _found(operation, payment_changes.awaits_customer(request.order_id, request.n, action))
        async with self._database.statement() as connection:
            await apply(connection, change)
        return Authorization.AWAITS_CUSTOMER

    @activity.defn
    async def capture_payment(self, request: CapturePayment) -> None:
        operation = await self._intend_capture(request)
        answer = known(operation)
        if answer is None:
            answer = await self._asking.ask(
                operation,
                request,
                find=self._find(OperationKind.CAPTURE, operation, request, operation.order.authorization),
                call=lambda: self._at(operation).capture(operation.key, operation.order.authorization, request.amount),
            )
            await self._record(_capture(request, operation.key, answer), operation, answer)
        _raise_refusal(answer)

    async def _intend_capture(self, request: CapturePayment) -> Operation:
        authorization = operation_key(request.order_id, OperationKind.AUTHORIZE, request.authorization)
        intent = Intent(
            key=operation_key(request.order_id, OperationKind.CAPTURE, request.n),
            order_id=request.order_id,
            kind=OperationKind.CAPTURE,
            n=request.n,
            provider=self._provider,
            during=_capturing(request),
            amount=request.amount,
            follows=authorization,
        )
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
    order_id, key, actor, during = request.order_id, operation.key, operation.actor, _authorizing(request)
    if not answer.refusal:
        path = (OrderStatus.PROCESSING,) if request.resumes else ()
        return payment_changes.authorized(order_id, key, request.amount, during, path, actor=actor)
    if request.another_card or request.resumes:
        return payment_changes.declined_for_now(order_id, key, answer.refusal, request.n, during, actor)
    return payment_changes.declined(order_id, key, answer.refusal, during, actor)


def _found(operation: Operation, change: Change) -> Change:
    if not change.path:
        return change
    # The workflow may have heard from a later attempt that the order stays where it is, and have acted on it.
    return replace(change, found=Attempt(operation.key, operation.attempts))


def _authorizing(request: AuthorizePayment) -> tuple[OrderStatus, ...]:
    return (OrderStatus.AWAITING_PAYMENT if request.resumes else OrderStatus.PROCESSING,)


def _capture(request: CapturePayment, key: str, answer: Answer) -> Change:
    during = _capturing(request)
    if answer.refusal:
        return payment_changes.declined(request.order_id, key, answer.refusal, during)
    path = () if request.shipped else (OrderStatus.AWAITING_SHIPMENT,)
    return payment_changes.captured(request.order_id, key, request.amount, during, path)


def _capturing(request: CapturePayment) -> tuple[OrderStatus, ...]:
    return (OrderStatus.SHIPPED if request.shipped else OrderStatus.PROCESSING,)


def _raise_refusal(answer: Answer) -> None:
    if answer.refusal == FailureCode.INSUFFICIENT_FUNDS:
        raise InsufficientFunds
    if answer.refusal:
        raise PaymentDeclined
