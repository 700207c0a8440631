"""
Undoing a payment: whatever became of it, the money is the customer's again, or somebody hears that it is not.
"""

from dataclasses import dataclass, replace

from fulfillment.activities import payment_changes
from fulfillment.activities.providers import Asking, UnknownPaymentProvider
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.payments import Reversal, ReversePayment
from fulfillment.contracts.providers import Told
from fulfillment.db.changes import Change, Effect, apply
from fulfillment.db.engine import Database
from fulfillment.db.intents import Intent
from fulfillment.db.operations import ENTRIES, OPEN, Entry, Operation, intend
from fulfillment.db.outcomes import abandon, close, park, settle, undo
from fulfillment.db.tables import orders
from fulfillment.domain.errors import CannotTell, UndoRefused
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus
from fulfillment.gateways.answers import ALREADY_CAPTURED, Answer, Sought
from fulfillment.gateways.payments import PaymentGateway

_KINDS = (
    OperationKind.AUTHORIZE,
    OperationKind.CAPTURE,
    OperationKind.VOID,
    OperationKind.REFUND,
    OperationKind.CLOSE,
)
_REVERSALS = (OperationKind.VOID, OperationKind.REFUND)
# An order that costs nothing any more is processed already, one that costs more may wait for an approval.
_REPLACING = (OrderStatus.AWAITING_PAYMENT, OrderStatus.AWAITING_APPROVAL, OrderStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """A void or a refund, under its key."""

    kind: OperationKind
    key: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payment:
    """The payment that is to be reversed, as the ledger has it; `void` is the intent of this reversal."""

    request: ReversePayment
    void: Operation
    authorization: Entry

    @property
    def kind(self) -> OperationKind:
        """What this reversal is in the ledger."""
        return _kind(self.request)

    @property
    def amount(self) -> Money:
        """What was to be set aside."""
        return self.authorization.amount or self.request.amount

    @property
    def captures(self) -> tuple[Entry, ...]:
        """Those that happened or may have, the newest first."""
        captures = (entry for entry in self.void.entries if entry.kind is OperationKind.CAPTURE)
        return tuple(entry for entry in captures if not entry.is_nothing)[::-1]

    @property
    def was_ended(self) -> bool:
        """An earlier attempt may have ended it, by the name it has."""
        return self.void.may_have_happened and self.authorization.reference is not None

    @property
    def is_known_to_be_reversed(self) -> bool:
        """An operator says so; nothing is looked up."""
        told = self.request.told
        return told is not None and told.operation != self.authorization.key

    @property
    def refund(self) -> Entry | None:
        """This reversal turned out to be a refund, in an earlier attempt."""
        return _entry(self.void, OperationKind.REFUND, self.request.n)

    @property
    def open_voids(self) -> tuple[str, ...]:
        """Keys of the voids without a result, this reversal's among them."""
        voids = (entry for entry in self.void.entries if entry.kind is OperationKind.VOID and entry.state in OPEN)
        return self.void.key, *(entry.key for entry in voids)

    @property
    def earlier_reversals(self) -> tuple[Entry, ...]:
        """Reversals of other numbers nobody knows the result of."""
        n = self.request.n
        reversals = (entry for entry in self.void.entries if entry.kind in _REVERSALS and entry.n != n)
        closing = _entry(self.void, OperationKind.CLOSE, self.request.authorization)
        others = (*reversals, *([closing] if closing and closing.key != self.void.key else []))
        return tuple(entry for entry in others if entry.may_have_happened)

    @property
    def during(self) -> tuple[OrderStatus, ...]:
        """Where the order may be meanwhile."""
        return _during(self.request)


class PaymentReversals:
    """
    Voids what is set aside, refunds what was taken.

    What nobody told us is looked up first and written down as if it had been told; so the order shows what is undone.
    """

    def __init__(self, database: Database, gateway: PaymentGateway, asking: Asking, provider: str) -> None:
        self._database = database
        self._gateway = gateway
        self._asking = asking
        self._provider = provider

    async def reverse(self, request: ReversePayment) -> Reversal:
        """
        Undo an authorisation and the captures of it.

        Raises:
            TransientError: the provider is away, or its answer was lost.
            DomainError: as in the contract of `reverse_payment`.
        """
        void = await self._intend(request, _kind(request), request.amount)
        authorization = _entry(void, OperationKind.AUTHORIZE, request.authorization)
        if authorization is None or authorization.is_nothing:
            return await self._abandon(void.key, *([authorization.key] if authorization else []))
        payment = _Payment(request=request, void=void, authorization=authorization)
        if request.told is not None:
            return await self._undo_as_told(payment, request.told)
        if await self._happened_before(payment):
            return await self._abandon(void.key)
        return await self._look_and_undo(payment)

    async def _look_and_undo(self, payment: _Payment) -> Reversal:
        authorization, reference = payment.authorization, payment.authorization.reference
        if authorization.state is not OperationState.DONE and not payment.was_ended:
            found = await self._find_authorization(payment)
            if found is not None and found.refusal:
                if payment.request.replaces:
                    declined = (authorization.key, found.refusal, payment.during)
                    await self._apply(payment_changes.declined(payment.request.order_id, *declined))
                return await self._abandon(payment.void.key, authorization.key)
            # One that is not done but has a name is ended all the same: nothing can come of it any more.
            reference = found.reference if found else reference
        if reference is not None:
            return await self._undo(payment, reference)
        if not payment.request.last_look:
            return Reversal.LOOK_AGAIN
        return await self._abandon(payment.void.key, authorization.key)

    async def _abandon(self, *keys: str) -> Reversal:
        async with self._database.statement() as connection:
            await abandon(connection, *keys)
        return Reversal.DONE

    async def _happened_before(self, payment: _Payment) -> bool:
        """A reversal under another number turns out to have happened."""
        for reversal in payment.earlier_reversals:
            found = await self._look_up(payment, reversal)
            if found is not None and found.reference is not None:
                amount = reversal.amount or payment.amount
                await self._finish(payment, _Effect(kind=reversal.kind, key=reversal.key, amount=amount), found)
                return True
        return False

    async def _find_authorization(self, payment: _Payment) -> Answer | None:
        key = payment.authorization.key
        found = await self._look_up(payment, payment.authorization)
        has_name = payment.authorization.reference is not None
        if found is None and not has_name and payment.authorization.age > payment.request.patience.memory:
            raise CannotTell(key)
        if found is not None and found.reference is not None and found.next_action is None:
            await self._authorized(payment, found.reference)
        return found

    async def _authorized(self, payment: _Payment, reference: str) -> None:
        key = payment.authorization.key
        change = payment_changes.authorized(payment.request.order_id, key, payment.amount, payment.during)
        await self._apply(change, settle(key, OperationState.DONE, reference=reference))

    async def _undo_as_told(self, payment: _Payment, told: Told) -> Reversal:
        """An operator knows what became of the authorisation, or of this reversal."""
        if told.operation != payment.authorization.key:
            return await self._undo(payment, "")
        if not told.happened:
            return await self._abandon(payment.void.key, payment.authorization.key)
        if told.reference is None:
            raise CannotTell(payment.authorization.key)
        await self._authorized(payment, told.reference)
        return await self._undo(payment, told.reference)

    async def _undo(self, payment: _Payment, reference: str) -> Reversal:
        payment = replace(payment, authorization=replace(payment.authorization, reference=reference))
        captured = await self._captured(payment)
        if captured is not None:
            return await self._refund(payment, reference, captured)
        void = payment.void
        answer = await self._asking.ask(
            void,
            payment.request,
            find=lambda key: self._find(payment, payment.kind, key),
            call=lambda: self._at(payment).void(void.key, reference),
        )
        if answer.refusal == ALREADY_CAPTURED and not payment.request.replaces:
            # Taken in between, or under a key that is forgotten: then it is all that was set aside.
            return await self._refund(payment, reference, await self._captured(payment) or payment.amount)
        return await self._finish(payment, _Effect(kind=payment.kind, key=void.key, amount=payment.amount), answer)

    async def _captured(self, payment: _Payment) -> Money | None:
        """How much was taken; None when nobody knows of a capture."""
        taken = next((entry for entry in payment.captures if entry.state is OperationState.DONE), payment.refund)
        if taken is not None:
            return taken.amount
        for capture in () if payment.is_known_to_be_reversed else payment.captures:
            found = await self._look_up(payment, capture)
            if found is not None and found.reference is not None:
                amount = capture.amount or payment.amount
                change = payment_changes.captured(payment.request.order_id, capture.key, amount, payment.during)
                await self._apply(change, settle(capture.key, OperationState.DONE, reference=found.reference))
                return amount
        return None

    async def _refund(self, payment: _Payment, reference: str, amount: Money) -> Reversal:
        refund = await self._intend(payment.request, OperationKind.REFUND, amount)
        answer = await self._asking.ask(
            refund,
            payment.request,
            find=lambda key: self._find(payment, OperationKind.REFUND, key),
            call=lambda: self._at(payment).refund(refund.key, reference, amount),
        )
        return await self._finish(payment, _Effect(kind=OperationKind.REFUND, key=refund.key, amount=amount), answer)

    async def _finish(self, payment: _Payment, effect: _Effect, answer: Answer) -> Reversal:
        if answer.refusal:
            async with self._database.statement() as connection:
                await park(connection, effect.key, answer.refusal)
            raise UndoRefused(effect.key)
        # Only now: until the money is back, look-ups that fail are counted with the void.
        voids = payment.open_voids if effect.kind is OperationKind.REFUND else ()
        undone = undo(payment.authorization.key, *(capture.key for capture in payment.captures), *voids)
        done = settle(effect.key, OperationState.DONE, reference=answer.reference)
        await self._apply(_change(payment, effect), done, undone)
        return Reversal.DONE

    async def _look_up(self, payment: _Payment, entry: Entry) -> Answer | None:
        async with self._asking.counting(payment.void.key, payment.request.patience):
            found = await self._find(payment, entry.kind, entry.key)
        if found is not None and found.refusal:
            async with self._database.statement() as connection:
                await close(connection, entry.key, OperationState.REFUSED, refusal=found.refusal)
        return found

    async def _find(self, payment: _Payment, kind: OperationKind, key: str) -> Answer | None:
        order_id, reference = payment.request.order_id, payment.authorization.reference
        return await self._at(payment).find(Sought(kind=kind, key=key, order_id=order_id, payment=reference))

    def _at(self, payment: _Payment) -> PaymentGateway:
        """The way to the provider the ledger names."""
        if payment.authorization.provider != self._provider:
            raise UnknownPaymentProvider(payment.authorization.provider)
        return self._gateway

    async def _apply(self, change: Change, *effects: Effect) -> None:
        async with self._database.statement() as connection:
            await apply(connection, change, *effects)

    async def _intend(self, request: ReversePayment, kind: OperationKind, amount: Money) -> Operation:
        intent = Intent(
            key=operation_key(request.order_id, kind, request.n),
            order_id=request.order_id,
            kind=kind,
            n=request.n,
            provider=self._provider,
            during=_during(request),
            amount=amount,
            follows=operation_key(request.order_id, OperationKind.AUTHORIZE, request.authorization),
        )
        async with self._database.statement() as connection:
            return await intend(
                connection, intent, ENTRIES, orders.c.captured, orders.c.refunded, entry_kinds=list(_KINDS)
            )


def _kind(request: ReversePayment) -> OperationKind:
    return OperationKind.CLOSE if request.replaces else OperationKind.VOID


def _during(request: ReversePayment) -> tuple[OrderStatus, ...]:
    return _REPLACING if request.replaces else (OrderStatus.CANCELLING,)


def _entry(void: Operation, kind: OperationKind, n: int) -> Entry | None:
    return next((entry for entry in void.entries if (entry.kind, entry.n) == (kind, n)), None)


def _change(payment: _Payment, effect: _Effect) -> Change:
    order_id, figures = payment.request.order_id, payment.void.order
    if effect.kind is not OperationKind.REFUND:
        return payment_changes.voided(order_id, effect.key, effect.amount, payment.during)
    return payment_changes.refunded(
        order_id, effect.key, effect.amount, captured=figures.captured, refunded=figures.refunded
    )
