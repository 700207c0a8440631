"""
Taking orders over: the steps that own the row, ask providers what they did, and read where an order was left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from temporalio import activity

from fulfillment.activities.carriers import Carriers, Partner
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
from fulfillment.gateways.payments import PaymentGateway

Known = tuple[str, Answer]
"""What became of something, and at whom."""
Find = Callable[[OperationKind, str], Awaitable[Known | None]]

_AUTHORIZE, _CAPTURE, _BOOK = (OperationKind.AUTHORIZE,), (OperationKind.CAPTURE,), (OperationKind.BOOK,)
# A reversal is one or the other under the same number: both count as one effect.
_REVERSE = (OperationKind.VOID, OperationKind.REFUND)
_ENOUGH = 2
"""After so many numbers in a row that nobody knows there are no more."""


class LedgeredRecoveryActivities(RecoveryActivities):
    """The database is asked first: what it has forgotten is found at the providers."""

    def __init__(
        self, database: Database, new_orders: NewOrders, payments: "PaymentRecords", carriers: "CarrierRecords"
    ) -> None:
        self._database = database
        self._new_orders = new_orders
        self._payments = payments
        self._carriers = carriers

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
            await recovery.enter(connection, request.order_id, found)
            if _is_paid(found):
                await recovery.has_paid(connection, request.order_id)

    @activity.defn
    async def find_shipments(self, request: FindOperations) -> None:
        ledger = await self._ledger(request.order_id)
        found = [] if ledger.is_test else await self._carriers.found(request.order_id, ledger)
        if not found:
            return
        async with self._database.transaction() as connection:
            await recovery.enter(connection, request.order_id, found)

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
        self._provider = provider

    async def found(self, order_id: OrderId, ledger: Ledger) -> list[Found]:
        """Everything that is not in our ledger, and what may have been asked for too long ago to be found."""

        async def find(kind: OperationKind, key: str) -> Known | None:
            # Our books have lost its name as well.
            answer = await self._gateway.find(Sought(kind=kind, key=key, order_id=order_id))
            return None if answer is None else (self._provider, answer)

        # At once: one attempt has the time of a single call, and a slow provider would use it up.
        answers = await asyncio.gather(
            *(_missing(order_id, kinds, find, ledger) for kinds in (_AUTHORIZE, _CAPTURE, _REVERSE))
        )
        found = list(chain.from_iterable(answers))
        found += _forgotten(OperationKind.AUTHORIZE, found, ledger, self._provider)
        if ledger.authorized or any(entry.kind is OperationKind.AUTHORIZE and not entry.refusal for entry in found):
            found += _forgotten(OperationKind.CAPTURE, found, ledger, self._provider)
        return found


class CarrierRecords:
    """What the carriers did for an order, by their own records."""

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers

    async def found(self, order_id: OrderId, ledger: Ledger) -> list[Found]:
        """
        Everything that is not in our ledger, and what may have been asked for too long ago to be found; a parcel that
        does not leave has been cancelled under some number.
        """
        found = await _missing(order_id, _BOOK, lambda _, key: self._find(key), ledger)
        found += await self._unheard_of(order_id, ledger)
        keeper = await self._kept_back_by(order_id, found, ledger)
        if keeper:
            found.append(Found(kind=OperationKind.CANCEL, n=1, provider=keeper))
        return found + _forgotten(OperationKind.BOOK, found, ledger, self._carriers.first.name)

    async def _unheard_of(self, order_id: OrderId, ledger: Ledger) -> list[Found]:
        """Parcels of bookings our ledger has no result of: it may be older than they are."""
        numbers = sorted(ledger.open_bookings)
        answers = await asyncio.gather(*(self._find(_booking(order_id, n)) for n in numbers))
        return [
            Found(kind=OperationKind.BOOK, n=n, provider=answer[0])
            for n, answer in zip(numbers, answers, strict=True)
            if answer is not None
        ]

    async def _kept_back_by(self, order_id: OrderId, found: list[Found], ledger: Ledger) -> str | None:
        """Who has cancelled the newest parcel."""
        known = (n for kind, n in ledger.entries if kind is OperationKind.BOOK)
        booked = max((*known, *(entry.n for entry in found)), default=0)
        if not booked or ledger.has(OperationKind.CANCEL, 1):
            return None
        key = _booking(order_id, booked)
        cancelled = await self._known(lambda carrier: carrier.gateway.find_cancelled(key))
        return cancelled[0] if cancelled else None

    async def _find(self, key: str) -> Known | None:
        return await self._known(lambda carrier: carrier.gateway.find(key))

    async def _known(self, look_up: Callable[[Partner], Awaitable[Answer | None]]) -> Known | None:
        """Every carrier is asked: the ledger that knew which one it was is what is lost."""
        carriers = self._carriers.all
        answers = await asyncio.gather(*map(look_up, carriers))
        known = ((carrier.name, answer) for carrier, answer in zip(carriers, answers, strict=True) if answer)
        return next(known, None)


def _booking(order_id: OrderId, n: int) -> str:
    return operation_key(order_id, OperationKind.BOOK, n)


async def _missing(order_id: OrderId, kinds: tuple[OperationKind, ...], find: Find, ledger: Ledger) -> list[Found]:
    """Effects of one of these kinds under the numbers 1, 2, … that a provider knows of and our ledger does not."""
    found: list[Found] = []
    n = unknown = 0
    while unknown < _ENOUGH:
        n += 1
        asked = [kind for kind in kinds if not ledger.has(kind, n)]
        answers = await asyncio.gather(*(find(kind, operation_key(order_id, kind, n)) for kind in asked))
        known = [
            Found(kind=kind, n=n, provider=answer[0], refusal=answer[1].refusal)
            for kind, answer in zip(asked, answers, strict=True)
            if answer is not None
        ]
        found += known
        unknown = 0 if known or len(asked) < len(kinds) else unknown + 1
    return found


def _forgotten(kind: OperationKind, found: list[Found], ledger: Ledger, provider: str) -> list[Found]:
    """An effect of a kind nobody knows anything of, if that says nothing: the provider may have forgotten it."""
    known = {entry.kind for entry in found} | {entry for entry, _ in ledger.entries}
    return [Found(kind=kind, n=1, provider=provider, is_forgotten=True)] if kind in ledger.forgettable - known else []


def _is_paid(found: list[Found]) -> bool:
    done = {entry.kind for entry in found if not (entry.refusal or entry.is_forgotten)}
    return OperationKind.AUTHORIZE in done and not done & {*_REVERSE}
