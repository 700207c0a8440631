"""
Changing an order: by whoever placed it, and by operators. The same key never changes anything twice.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

import structlog

from fulfillment.api.problems import Problem
from fulfillment.api.schemas.changes import ActionBody
from fulfillment.api.schemas.order_views import unwritten_order
from fulfillment.api.schemas.orders import PaymentBody
from fulfillment.contracts.messages import Act, Amend, Cancel, Pay, Readdress
from fulfillment.contracts.orders import Address, Line
from fulfillment.db import late_events, views
from fulfillment.db.engine import Database
from fulfillment.db.views import OrderView
from fulfillment.domain.attention import Action
from fulfillment.domain.errors import (
    ActionNotAvailable,
    DomainError,
    IdempotencyKeyReused,
    OrderNotAmendable,
    OrderNotCancellable,
    OrderNotFound,
    PaymentNotAwaited,
    PreconditionFailed,
    Unavailable,
)
from fulfillment.domain.ids import OrderId, update_id_for
from fulfillment.domain.operations import OperationKind
from fulfillment.domain.orders import OrderStatus
from fulfillment.fingerprint import Fingerprint, FingerprintRing
from fulfillment.orchestrator import Change, OrderEnded, OrderOrchestrator

_log = structlog.stdlib.get_logger(__name__)

_ACT = "act"
_NAMED_BY_PROVIDER = (OperationKind.AUTHORIZE, OperationKind.BOOK)

Send = Callable[[OrderId, Change, str], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    Who wants to change which order: under which key (None: every request is a new one), based on which of its versions
    (None: on any).
    """

    order_id: OrderId
    caller: str
    key: str | None
    versions: frozenset[int] | None

    def update_id(self, operation: str) -> str:
        """What the change is called wherever it is recognised."""
        key = str(uuid4()) if self.key is None else self.key
        return update_id_for(operation, self.order_id, self.caller, key)

    def expected(self, order: OrderView) -> int | None:
        """
        The version the change is based on; None: any.

        Raises:
            PreconditionFailed: the order has another one.
        """
        if self.versions is None:
            return None
        if order.version not in self.versions:
            raise PreconditionFailed(order.version)
        return order.version


@dataclass(frozen=True, slots=True)
class Outcome:
    """The order after a change, and whether an earlier request had asked for it."""

    order: OrderView
    replayed: bool = False


class OrderChanges:
    """
    Hands changes to the workflow of their order, and answers from its row once that has ended.

    Every method raises `OrderNotFound`, `PreconditionFailed`, `IdempotencyKeyReused`, `TooManyChanges` and
    `Unavailable`.
    """

    def __init__(self, database: Database, orders: OrderOrchestrator, fingerprints: FingerprintRing) -> None:
        self._database = database
        self._orders = orders
        self._fingerprints = fingerprints

    async def read(self, order_id: OrderId) -> OrderView:
        """
        The order as it is now, written down or not.

        Raises:
            OrderNotFound: nobody has placed it.
        """
        async with self._database.statement() as connection:
            order = await views.order(connection, order_id)
        if order is not None:
            return order
        start = await self._orders.unwritten(order_id)
        if start is None:
            raise OrderNotFound(order_id)
        return unwritten_order(start)

    async def cancel(self, request: Request, reason: str) -> Outcome:
        """
        Have an order cancelled; one that is cancelled already stays so.

        Raises:
            OrderNotCancellable: it is too late.
        """
        change = Cancel(actor=request.caller, reason=reason)
        try:
            return await self._change(request, "cancel", change, self._orders.cancel)
        except OrderEnded:
            order = await self._ended(request.order_id)
            if order.status is not OrderStatus.CANCELLED:
                raise OrderNotCancellable(order.status) from None
            return Outcome(order)

    async def amend(self, request: Request, lines: tuple[Line, ...]) -> Outcome:
        """
        Replace the lines.

        Raises:
            OrderNotAmendable: it is too late.
            StockShort: or `UnknownSku`; nothing was changed.
        """
        return await self._amended(request, "amend", Amend(lines=lines, actor=request.caller), self._orders.amend)

    async def readdress(self, request: Request, address: Address) -> Outcome:
        """
        Replace the address.

        Raises:
            OrderNotAmendable: it is too late.
        """
        change = Readdress(address=address, actor=request.caller)
        return await self._amended(request, "readdress", change, self._orders.readdress)

    async def pay(self, request: Request, body: PaymentBody) -> Outcome:
        """
        Give the order a card.

        Raises:
            PaymentNotAwaited: it does not wait for one.
        """
        order, update_id = await self.read(request.order_id), request.update_id("pay")
        if await self._paid_before(request.order_id, update_id, body):
            return Outcome(order, replayed=True)
        request.expected(order)
        fingerprint = self._fingerprints.of(body.canonical())
        change = Pay(
            card=body.to_card(),
            actor=request.caller,
            key=update_id,
            fingerprint=fingerprint.digest,
            fingerprint_key=fingerprint.key_id,
        )
        try:
            recorded = await self._orders.pay(_running(order), change, update_id)
        except OrderEnded:
            raise PaymentNotAwaited((await self._ended(request.order_id)).status) from None
        # Somebody may have used the key since we looked.
        self._compare(body, Fingerprint(recorded.fingerprint, recorded.fingerprint_key))
        return Outcome(await self.read(request.order_id))

    async def act(self, request: Request, action: Action, body: ActionBody) -> Outcome:
        """
        Give an operator's answer.

        Raises:
            ActionNotAvailable: nobody asks for it.
            StockShort: there is nothing to send another parcel from.
            Problem: a provider's reference is missing, or out of place.
        """
        change = Act(
            action=action, actor=request.caller, reason=body.reason, provider_reference=body.provider_reference
        )
        try:
            # Looked for after the order has refused as well: the same request may be faster, sent twice at once.
            return await self._settled_before(request, change) or await self._act(request, change)
        except ActionNotAvailable:
            outcome = await self._settled_before(request, change)
            if outcome is None:
                raise
            return outcome

    async def _act(self, request: Request, act: Act) -> Outcome:
        try:
            return await self._change(request, _ACT, act, self._orders.act)
        except OrderEnded:
            return await self._settled(request, act)

    async def _settled(self, request: Request, act: Act) -> Outcome:
        """An order that has ended asks at most one thing: that somebody looks at what a carrier said afterwards."""
        _check_offered(await self._ended(request.order_id), act)
        async with self._database.transaction() as connection:
            if not await late_events.resolve(connection, request.order_id, act, request.update_id(_ACT)):
                raise ActionNotAvailable(act.action)
        return Outcome(await self.read(request.order_id))

    async def _settled_before(self, request: Request, act: Act) -> Outcome | None:
        """The order, if this very request has been such an answer."""
        if request.key is None:
            return None
        async with self._database.statement() as connection:
            before = await late_events.answered(connection, request.order_id, request.update_id(_ACT))
        if before not in (None, act):
            raise IdempotencyKeyReused
        return None if before is None else Outcome(await self.read(request.order_id), replayed=True)

    async def _amended(self, request: Request, operation: str, change: Change, send: Send[Change]) -> Outcome:
        try:
            return await self._change(request, operation, change, send)
        except OrderEnded:
            raise OrderNotAmendable((await self._ended(request.order_id)).status) from None

    async def _change(self, request: Request, operation: str, change: Change, send: Send[Change]) -> Outcome:
        order, update_id = await self.read(request.order_id), request.update_id(operation)
        if await self._asked_before(request, change, update_id):
            # Refusals are not kept: a key that was refused may try again.
            with suppress(DomainError):
                with suppress(OrderEnded):
                    await send(request.order_id, change, update_id)
                return Outcome(await self.read(request.order_id), replayed=True)
            update_id = str(uuid4())
        expected = request.expected(order)
        if isinstance(change, Amend | Readdress):
            change = replace(change, expected_version=expected)
        if isinstance(change, Act):
            _check_offered(order, change)
        await send(_running(order), change, update_id)
        return Outcome(await self.read(request.order_id))

    async def _asked_before(self, request: Request, change: Change, update_id: str) -> bool:
        if request.key is None:
            return False
        before = await self._orders.accepted(request.order_id, update_id, type(change))
        if before is None:
            return False
        if isinstance(before, Amend | Readdress):
            before = replace(before, expected_version=None)
        if before != change:
            raise IdempotencyKeyReused
        return True

    async def _paid_before(self, order_id: OrderId, update_id: str, body: PaymentBody) -> bool:
        async with self._database.statement() as connection:
            before = await views.payment_request(connection, update_id)
        # What was accepted a moment ago may not be written down yet.
        found = before or await self._orders.accepted(order_id, update_id, Pay)
        if found is None:
            return False
        self._compare(body, Fingerprint(found.fingerprint, found.fingerprint_key))
        return True

    def _compare(self, body: PaymentBody, before: Fingerprint) -> None:
        if not self._fingerprints.knows(before.key_id):
            _log.error("fingerprint_key_missing", key_id=before.key_id)
        if not self._fingerprints.matches(body.canonical(), before):
            raise IdempotencyKeyReused

    async def _ended(self, order_id: OrderId) -> OrderView:
        """The order, once nothing runs it: it has ended, or somebody has to look after it first."""
        order = await self.read(order_id)
        if not order.status.is_final:
            raise Unavailable("order's workflow")
        return order


def _running(order: OrderView) -> OrderId:
    if order.status.is_final:
        raise OrderEnded
    return order.id


def _check_offered(order: OrderView, act: Act) -> None:
    if act.action not in order.actions:
        raise ActionNotAvailable(act.action)
    wanted = _wanted_reference(order, act.action)
    if wanted is not None and act.provider_reference is None:
        raise Problem.field("provider_reference", f"is required: {wanted}")
    if act.provider_reference is not None and wanted is None:
        raise Problem.field("provider_reference", "is not needed for this answer; leave it out")


def _wanted_reference(order: OrderView, action: Action) -> str | None:
    """What the operator has to name besides the answer; None: nothing."""
    operation = order.attention.operation if order.attention else None
    kind = operation.split(":")[1] if operation else None
    if action is Action.IT_HAPPENED and kind in _NAMED_BY_PROVIDER:
        return f"what the provider calls the result of {kind}"
    if action is Action.CARRIER_HAS_IT and not order.shipments:
        return "the tracking number of the parcel, which is not known here"
    return None
