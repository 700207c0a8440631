"""
The steps that reach the payment provider.
"""

from sqlalchemy import ColumnElement
from temporalio import activity

from fulfillment.activities.providers import ask
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import AuthorizePayment, CapturePayment, PaymentActivities, ReversePayment
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Database
from fulfillment.db.operations import AUTHORIZATION, Intent, Operation, close, intend, settle
from fulfillment.db.tables import orders
from fulfillment.domain.errors import InsufficientFunds, PaymentDeclined
from fulfillment.domain.events import EventKind
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import FailureCode, OrderStatus, PaymentStatus
from fulfillment.gateways.answers import Answer
from fulfillment.gateways.payments import PaymentGateway

_TOKEN_IS_SPENT = {"payment_token": None, "payment_token_key": None}


class ReversalRefused(Exception):
    """
    The provider will not give money back. Not a `DomainError`, which would be final: it is tried again and alerted,
    and the order stays `cancelling`.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: refused by the provider")


class LedgeredPaymentActivities(PaymentActivities):
    """Intent and result of every call stand in the operations ledger; no transaction is open during a call."""

    def __init__(self, database: Database, gateway: PaymentGateway, cipher: Cipher, provider: str) -> None:
        self._database = database
        self._gateway = gateway
        self._cipher = cipher
        self._provider = provider

    @activity.defn
    async def authorize_payment(self, request: AuthorizePayment) -> None:
        operation = await self._intend(
            request,
            OperationKind.AUTHORIZE,
            (OrderStatus.PROCESSING,),
            orders.c.payment_token,
            orders.c.payment_token_key,
        )
        answer = _known(operation)
        if answer is None:
            answer = await ask(
                self._database, operation, find=self._gateway.find, call=lambda: self._authorize(request, operation)
            )
            await self._record_authorization(request, operation.key, answer)
        _raise_refusal(answer)

    async def _authorize(self, request: AuthorizePayment, operation: Operation) -> Answer:
        token = self._cipher.decrypt(
            operation.order.payment_token_key, operation.order.payment_token, context=request.order_id.bytes
        )
        return await self._gateway.authorize(operation.key, request.order_id, token.decode(), request.amount)

    async def _record_authorization(self, request: AuthorizePayment, key: str, answer: Answer) -> None:
        if answer.refusal:
            await self._record_decline(request, key, answer)
            return
        await self._record(
            Change(
                order_id=request.order_id,
                facts=(_fact(EventKind.PAYMENT_AUTHORIZED, key, request.amount),),
                during=(OrderStatus.PROCESSING,),
                values={"payment_status": PaymentStatus.AUTHORIZED, "authorized": request.amount.amount},
            ),
            key,
            answer,
        )

    @activity.defn
    async def capture_payment(self, request: CapturePayment) -> None:
        authorization = operation_key(request.order_id, OperationKind.AUTHORIZE, request.n)
        operation = await self._intend(
            request,
            OperationKind.CAPTURE,
            (OrderStatus.PROCESSING,),
            AUTHORIZATION,
            authorization_key=authorization,
        )
        answer = _known(operation)
        if answer is None:
            answer = await ask(
                self._database,
                operation,
                find=self._gateway.find,
                call=lambda: self._gateway.capture(operation.key, operation.order.authorization, request.amount),
            )
            await self._record_capture(request, operation.key, answer)
        _raise_refusal(answer)

    async def _record_capture(self, request: CapturePayment, key: str, answer: Answer) -> None:
        if answer.refusal:
            await self._record_decline(request, key, answer)
            return
        await self._record(
            Change(
                order_id=request.order_id,
                facts=(_fact(EventKind.PAYMENT_CAPTURED, key, request.amount),),
                path=(OrderStatus.AWAITING_SHIPMENT,),
                during=(OrderStatus.PROCESSING,),
                values={
                    "payment_status": PaymentStatus.CAPTURED,
                    "authorized": 0,
                    "captured": request.amount.amount,
                    **_TOKEN_IS_SPENT,
                },
            ),
            key,
            answer,
        )

    @activity.defn
    async def reverse_payment(self, request: ReversePayment) -> None:
        authorization = operation_key(request.order_id, OperationKind.AUTHORIZE, request.n)
        operation = await self._intend(
            request,
            OperationKind.VOID,
            (OrderStatus.CANCELLING,),
            AUTHORIZATION,
            authorization_key=authorization,
        )
        if _known(operation) is not None:
            return
        authorized = operation.order.authorization or await self._find_authorization(authorization)
        if authorized is None:
            async with self._database.statement() as connection:
                await close(connection, operation.key, OperationState.UNDONE)
            return
        answer = await ask(
            self._database,
            operation,
            find=self._gateway.find,
            call=lambda: self._gateway.void(operation.key, authorized),
        )
        if answer.refusal:
            raise ReversalRefused(operation.key)
        await self._record_void(request, operation.key, answer)

    async def _find_authorization(self, key: str) -> str | None:
        found = await self._gateway.find(key)
        return found.reference if found else None

    async def _record_void(self, request: ReversePayment, key: str, answer: Answer) -> None:
        await self._record(
            Change(
                order_id=request.order_id,
                facts=(_fact(EventKind.PAYMENT_VOIDED, key, request.amount),),
                during=(OrderStatus.CANCELLING,),
                values={"payment_status": PaymentStatus.VOIDED, "authorized": 0, **_TOKEN_IS_SPENT},
            ),
            key,
            answer,
        )

    async def _intend(
        self,
        request: AuthorizePayment | CapturePayment | ReversePayment,
        kind: OperationKind,
        during: tuple[OrderStatus, ...],
        *columns: ColumnElement[object],
        **values: str,
    ) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, kind, request.n),
            order_id=request.order_id,
            kind=kind,
            n=request.n,
            provider=self._provider,
            during=during,
            amount=request.amount,
        )
        async with self._database.statement() as connection:
            return await intend(connection, intent, *columns, **values)

    async def _record(self, change: Change, key: str, answer: Answer) -> None:
        state = OperationState.REFUSED if answer.refusal else OperationState.DONE
        effect = settle(key, state, reference=answer.reference, refusal=answer.refusal)
        async with self._database.statement() as connection:
            await apply(connection, change, effect)

    async def _record_decline(self, request: AuthorizePayment | CapturePayment, key: str, answer: Answer) -> None:
        await self._record(
            Change(
                order_id=request.order_id,
                facts=(Fact(kind=EventKind.PAYMENT_DECLINED, key=key, data={"code": answer.refusal}),),
                during=(OrderStatus.PROCESSING,),
                values={"payment_status": PaymentStatus.FAILED},
            ),
            key,
            answer,
        )


def _fact(kind: EventKind, key: str, amount: Money) -> Fact:
    return Fact(kind=kind, key=key, data={"amount": amount.amount, "currency": amount.currency})


def _known(operation: Operation) -> Answer | None:
    if operation.state in (OperationState.INTENDED, OperationState.UNKNOWN):
        return None
    return Answer(reference=operation.provider_reference, refusal=operation.refusal)


def _raise_refusal(answer: Answer) -> None:
    if answer.refusal == FailureCode.INSUFFICIENT_FUNDS:
        raise InsufficientFunds
    if answer.refusal:
        raise PaymentDeclined
