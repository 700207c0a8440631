"""
Taking orders over: the steps that own the row, ask providers what they did, and read where an order was left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from temporalio import activity

from fulfillment.activities.new_orders import NewOrders, placement
from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.recovery import FindOperations, RecoveryActivities, Standing, TakeOver
from fulfillment.contracts.steps import Placement
from fulfillment.db import left_orders, recovery
from fulfillment.db.engine import Database
from fulfillment.db.placing import place
from fulfillment.db.recovery import Found, Ledger
from fulfillment.domain.ids import OrderId
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from fulfillment.gateways.answers import Answer, Sought
from fulfillment.gateways.carriers import Carrier
from fulfillment.gateways.payments import PaymentGateway

Find = Callable[[OperationKind, str], Awaitable[Answer | None]]

_AUTHORIZE, _CAPTURE = (OperationKind.AUTHORIZE,), (OperationKind.CAPTURE,)
# A reversal is one or the other under the same number: both count as one effect.
_REVERSE = (OperationKind.VOID, OperationKind.REFUND)
_ENOUGH = 2
"""After so many numbers in a row that nobody knows there are no more."""


class LedgeredRecoveryActivities(RecoveryActivities):
    """The database is asked first: what it has forgotten is found at the providers."""

    def __init__(
        self, database: Database, new_orders: NewOrders, payments: "PaymentRecords", carrier: "CarrierRecords"
    ) -> None:
        self._database = database
        self._new_orders = new_orders
        self._payments = payments
        self._carrier = carrier

    @activity.defn
    async def take_over(self, request: TakeOver) -> Placement:
        order, resume = request.order, request.order.resume
        assert resume is not None, "an order is taken over by somebody, for a reason"  # noqa: S101
        async with self._database.transaction() as connection:
            taken = await recovery.take_over(connection, order.order_id, request.run_id, resume)
            if taken is None:
                new = self._new_orders.row(order, request.run_id)
                taken = await place(connection, new, refused_as=OrderStatus.CANCELLING)
            if not taken.status.is_final:
                await recovery.signal_again(connection, order.order_id)
        return placement(taken, request.run_id)

    @activity.defn
    async def find_payments(self, request: FindOperations) -> None:
        ledger = await self._ledger(request.order_id)
        found = [] if ledger.is_test else await self._payments.found(request.order_id, ledger)
        if not found:
            return
        async with self._database.transaction() as connection:
            await recovery.enter(connection, request.order_id, self._payments.provider, found)
            if _is_paid(found):
                await recovery.has_paid(connection, request.order_id)

    @activity.defn
    async def find_shipments(self, request: FindOperations) -> None:
        ledger = await self._ledger(request.order_id)
        found = [] if ledger.is_test else await self._carrier.found(request.order_id, ledger)
        if not found:
            return
        async with self._database.transaction() as connection:
            await recovery.enter(connection, request.order_id, self._carrier.carrier, found)

    @activity.defn
    async def read_standing(self, request: FindOperations) -> Standing:
        async with self._database.statement() as connection:
            return await left_orders.standing(connection, request.order_id)

    async def _ledger(self, order_id: OrderId) -> Ledger:
        async with self._database.statement() as connection:
            return await recovery.ledger(connection, order_id)


class PaymentRecords:
    """What the payment provider did for an order, by its own records."""

    def __init__(self, gateway: PaymentGateway, provider: str) -> None:
        self._gateway = gateway
        self.provider = provider

    async def found(self, order_id: OrderId, ledger: Ledger) -> list[Found]:
        """Everything that is not in our ledger, and what may have been asked for too long ago to be found."""

        def find(kind: OperationKind, key: str) -> Awaitable[Answer | None]:
            # Our books have lost its name as well.
            return self._gateway.find(Sought(kind=kind, key=key, order_id=order_id))

        # At once: one attempt has the time of a single call, and a slow provider would use it up.
        answers = await asyncio.gather(
            *(_missing(order_id, kinds, find, ledger) for kinds in (_AUTHORIZE, _CAPTURE, _REVERSE))
        )
        found = list(chain.from_iterable(answers))
        found += _forgotten(OperationKind.AUTHORIZE, found, ledger)
        if ledger.authorized or any(entry.kind is OperationKind.AUTHORIZE and not entry.refusal for entry in found):
            found += _forgotten(OperationKind.CAPTURE, found, ledger)
        return found


class CarrierRecords:
    """What the carrier did for an order, by its own records."""

    def __init__(self, gateway: Carrier, carrier: str) -> None:
        self._gateway = gateway
        self.carrier = carrier

    async def found(self, order_id: OrderId, ledger: Ledger) -> list[Found]:
        """
        Everything that is not in our ledger, and what may have been asked for too long ago to be found; a parcel that
        does not leave has been cancelled under some number.
        """
        found = await _missing(order_id, (OperationKind.BOOK,), lambda _, key: self._gateway.find(key), ledger)
        if await self._is_kept_back(order_id, found, ledger):
            found.append(Found(kind=OperationKind.CANCEL, n=1))
        return found + _forgotten(OperationKind.BOOK, found, ledger)

    async def _is_kept_back(self, order_id: OrderId, found: list[Found], ledger: Ledger) -> bool:
        known = (n for kind, n in ledger.entries if kind is OperationKind.BOOK)
        booked = max((*known, *(entry.n for entry in found)), default=0)
        if not booked or ledger.has(OperationKind.CANCEL, 1):
            return False
        return await self._gateway.find_cancelled(operation_key(order_id, OperationKind.BOOK, booked)) is not None


async def _missing(order_id: OrderId, kinds: tuple[OperationKind, ...], find: Find, ledger: Ledger) -> list[Found]:
    """Effects of one of these kinds under the numbers 1, 2, … that a provider knows of and our ledger does not."""
    found: list[Found] = []
    n = unknown = 0
    while unknown < _ENOUGH:
        n += 1
        asked = [kind for kind in kinds if not ledger.has(kind, n)]
        answers = await asyncio.gather(*(find(kind, operation_key(order_id, kind, n)) for kind in asked))
        known = [
            Found(kind=kind, n=n, refusal=answer.refusal)
            for kind, answer in zip(asked, answers, strict=True)
            if answer is not None
        ]
        found += known
        unknown = 0 if known or len(asked) < len(kinds) else unknown + 1
    return found


def _forgotten(kind: OperationKind, found: list[Found], ledger: Ledger) -> list[Found]:
    """An effect of a kind nobody knows anything of, if that says nothing: the provider may have forgotten it."""
    known = {entry.kind for entry in found} | {entry for entry, _ in ledger.entries}
    return [Found(kind=kind, n=1, is_forgotten=True)] if kind in ledger.forgettable - known else []


def _is_paid(found: list[Found]) -> bool:
    done = {entry.kind for entry in found if not (entry.refusal or entry.is_forgotten)}
    return OperationKind.AUTHORIZE in done and not done & {*_REVERSE}
