"""
What becomes of an order's approval: it is given, or the order is changed into one that needs another, or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fulfillment.contracts.steps import SettleApproval
from fulfillment.db import asking, customers
from fulfillment.db.asking import NewRequest, as_kept, assess, new_request
from fulfillment.db.changes import Change, Fact, OutOfStep, apply
from fulfillment.db.customers import KnownCustomer
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.locked_orders import LockedOrder, lock
from fulfillment.domain.approval_policy import Assessment, Policy
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import Sku
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus

_REFUSED_BY_PEOPLE = (ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An order as `actor` wants it to be."""

    total: Money
    demand: Mapping[Sku, int]
    address: Mapping[str, Any]
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconsidered:
    """
    What a change of an order means for its approval.

    Attributes:
        refused: it cannot be made.
        path: where the order goes with it; empty: it stays.
        asks: the request it waits for from now on.
        values: the columns that change with it.
    """

    refused: bool = False
    path: tuple[OrderStatus, ...] = ()
    asks: NewRequest | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def facts(self, key: str) -> tuple[Fact, ...]:
        """What follows from the change that is known as `key`."""
        if self.asks:
            return self.asks.facts()
        return (_payment_requested(key),) if OrderStatus.AWAITING_PAYMENT in self.path else ()


async def amended(connection: Writing, policy: Policy, order: LockedOrder, wanted: Wanted) -> Reconsidered:
    """Up to what was approved before nothing is asked; above that, or in another currency, the rules are."""
    if await _is_refused(connection, order):
        return Reconsidered(refused=True)
    if not wanted.total.amount or _covers(order.approved, wanted.total):
        return _goes_on(order, wanted.total)
    country, customer = wanted.address["country"], order.customer
    assessment = assess(policy, wanted.total, wanted.demand, country, customer)
    return await _follow(connection, order, wanted, assessment, customer)


async def readdressed(connection: Writing, policy: Policy, order: LockedOrder, wanted: Wanted) -> Reconsidered:
    """
    Another country: while an approval is awaited the rules are asked anew. Later it is refused if they ask for one
    now, or if people have approved the order as it is. Another address in the same country is the same where it is
    unusual and the rules ask somebody for that who is not asked yet; else it changes nothing.
    """
    customer, is_near = order.customer, wanted.address["country"] == order.address["country"]
    if policy.risk.ask_about_customers:
        unusual = await customers.is_unusual(connection, order.id, order.customer_id, wanted.address)
        customer = replace(customer, unusual_address=unusual)
    if order.is_test or (is_near and customer == order.customer):
        return Reconsidered()
    if await _is_refused(connection, order):
        return Reconsidered(refused=True)
    assessment = assess(policy, wanted.total, wanted.demand, wanted.address["country"], customer)
    if is_near and not assessment.refused and not await _asks_others(connection, order, assessment):
        return Reconsidered(values={"assessment": as_kept(assessment, customer)})
    if order.status is OrderStatus.AWAITING_APPROVAL:
        return await _follow(connection, order, wanted, assessment, customer)
    if assessment.refused or _asks(assessment, wanted.total) or await asking.is_approved(connection, order.id):
        return Reconsidered(refused=True)
    return Reconsidered(values={"assessment": as_kept(assessment, customer)})


async def settle(connection: Writing, request: SettleApproval) -> OrderStatus:
    """
    An approved order goes on: to its payment, or on its way.

    Raises:
        OutOfStep: it does not wait for an approval, or for a later one.
    """
    key = f"approved:{request.n}"
    locked = await lock(connection, request.order_id, key, (OrderStatus.AWAITING_APPROVAL,))
    if locked.status is OrderStatus.AWAITING_APPROVAL and not _covers(locked.approved, locked.total):
        # The workflow was put back to before the change that asked anew: it must be taken over.
        raise OutOfStep(request.order_id, "waiting for another approval", key)
    if locked.done:
        return locked.status
    status = locked.next_status(locked.total)
    approved = Fact(kind=EventKind.ORDER_APPROVED, key=key, data={"n": request.n})
    requested = (_payment_requested(key),) if status is OrderStatus.AWAITING_PAYMENT else ()
    change = Change(
        order_id=request.order_id,
        facts=(approved, *requested),
        path=(status,),
        during=(OrderStatus.AWAITING_APPROVAL,),
    )
    await apply(Reading(connection), change)
    return status


async def _is_refused(connection: Writing, order: LockedOrder) -> bool:
    """People have said no, or nothing in time, and the order has not heard of it yet: it is as good as rejected."""
    if order.status is not OrderStatus.AWAITING_APPROVAL:
        return False
    return await asking.newest_status(connection, order.id) in _REFUSED_BY_PEOPLE


def _covers(approved: Money | None, total: Money) -> bool:
    return approved is not None and approved.currency == total.currency and total.amount <= approved.amount


def _asks(assessment: Assessment, total: Money) -> bool:
    return bool(total.amount) and not assessment.plan.is_automatic


async def _asks_others(connection: Writing, order: LockedOrder, assessment: Assessment) -> bool:
    """Whether the rules ask for a level that has not approved the order, and is not going to."""
    levels = {level.role for level in assessment.plan.levels} if order.total.amount else set()
    return not levels <= await asking.levels_asked(connection, order.id)


async def _follow(
    connection: Writing, order: LockedOrder, wanted: Wanted, assessment: Assessment, customer: KnownCustomer
) -> Reconsidered:
    """What the rules say."""
    if assessment.refused:
        return Reconsidered(refused=True)
    kept = as_kept(assessment, customer)
    if not _asks(assessment, wanted.total):
        approved = {"approved_total": wanted.total.amount, "approved_currency": wanted.total.currency}
        on = _goes_on(order, wanted.total)
        return replace(on, values={**on.values, **approved, "assessment": kept})
    n = await asking.next_number(connection, order.id)
    requesters = (order.requester, *await asking.earlier_requesters(connection, order.id), wanted.actor)
    waits = order.status is OrderStatus.AWAITING_APPROVAL
    return Reconsidered(
        path=() if waits else (OrderStatus.AWAITING_APPROVAL,),
        asks=new_request(order.id, n, assessment, wanted.total, requesters, kept),
        values={"assessment": kept},
    )


def _goes_on(order: LockedOrder, total: Money) -> Reconsidered:
    """Nobody is asked any more; what costs nothing is processed, wherever it was."""
    if order.status is not OrderStatus.AWAITING_APPROVAL:
        return Reconsidered(path=() if total.amount else (OrderStatus.PROCESSING,))
    status = order.next_status(total)
    # The days to pay go on where they stood still, and are over for what is not to be paid.
    stands_still = {} if status is OrderStatus.AWAITING_PAYMENT else {"payment_paused_at": None}
    return Reconsidered(path=(status,), values=stands_still)


def _payment_requested(key: str) -> Fact:
    return Fact(kind=EventKind.PAYMENT_REQUESTED, key=f"payment_requested:{key}")
