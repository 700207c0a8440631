"""
Taking an order over from an earlier run of its workflow, and writing down what providers did for it meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Integer,
    Interval,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from fulfillment.contracts.naming import operation_key
from fulfillment.contracts.orders import Resume
from fulfillment.db.asking import awaited
from fulfillment.db.attention import NO_QUESTION
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.inbox import LATE_EVENT
from fulfillment.db.operations import OPEN
from fulfillment.db.placing import Placed
from fulfillment.db.records import records
from fulfillment.db.tables import inbox, operations, order_events, orders, payment_requests
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import AttentionReason, OrderStatus

ACTION = "recover"
"""How the timeline calls it when an open question is closed because the order is taken over."""

_ABOUT_THE_JOURNEY = (
    AttentionReason.HAND_OVER_OVERDUE,
    AttentionReason.DELIVERY_OVERDUE,
    AttentionReason.LOST,
    AttentionReason.RETURNED,
)
_ORDER = bindparam("taken_order", type_=Uuid)
_RUN = bindparam("new_owner", type_=Text)
_LOCKED: Select[Any] = (
    select(
        orders.c.run_id,
        orders.c.status,
        orders.c.total,
        orders.c.currency,
        orders.c.terms,
        orders.c.attention_reason,
        orders.c.resume_status,
    )
    .where(orders.c.id == _ORDER)
    .with_for_update()
)
_OWNED = update(orders).where(orders.c.id == _ORDER).values(run_id=_RUN, updated_at=func.now())

_name = func.concat(inbox.c.source, ":", inbox.c.event_id, ":")
_answers = order_events.alias("answers")
# A dispute that an operator was asked about and has not answered: the carrier was faster, or the run is gone.
_is_open = and_(
    func.coalesce(order_events.c.data["reason"].astext, "") == AttentionReason.PROVIDER_DISPUTE.value,
    ~exists().where(
        _answers.c.order_id == _ORDER,
        _answers.c.key == func.concat("answer:", func.substr(order_events.c.key, func.length(_name) + 1)),
    ),
)
_heard = select(order_events.c.sequence).where(
    order_events.c.order_id == _ORDER,
    func.starts_with(order_events.c.key, _name),
    # Written down after the old run was gone: no run has acted on it.
    order_events.c.key != func.concat(_name, "late"),
    ~_is_open,
)
_UNHEARD = (
    update(inbox)
    .where(inbox.c.order_id == _ORDER, inbox.c.outcome.is_distinct_from(LATE_EVENT), ~_heard.exists())
    .values(signalled_at=None, outcome=None, leased_until=None)
)


async def take_over(connection: Writing, order_id: OrderId, run_id: str, resume: Resume) -> Placed | None:
    """
    Make a run the owner of an order and close its open question; None when there is no row. What ended stays as it is.
    """
    row = (await connection.execute(_LOCKED, {"taken_order": order_id})).first()
    if row is None:
        return None
    status = OrderStatus(row.status)
    if row.run_id != run_id and not status.is_final:
        if status is OrderStatus.NEEDS_ATTENTION:
            status = OrderStatus(row.resume_status)
            await apply(Reading(connection), _answered(order_id, run_id, resume, status, row.attention_reason))
        await connection.execute(_OWNED, {"taken_order": order_id, "new_owner": run_id})
    return Placed(
        run_id=run_id,
        status=status,
        total=Money(row.total, row.currency),
        terms=row.terms,
        approval=await awaited(connection, order_id, status),
    )


async def signal_again(connection: Writing, order_id: OrderId) -> None:
    """
    What carriers and payment providers said and no run has acted on is to be passed on once more: signals are gone
    with their run. So is a dispute that nobody has answered.
    """
    await connection.execute(_UNHEARD, {"taken_order": order_id})


def _answered(order_id: OrderId, run_id: str, resume: Resume, status: OrderStatus, reason: str) -> Change:
    asked_again = {"question": reason} if reason in _ABOUT_THE_JOURNEY else {}
    fact = Fact(
        kind=EventKind.ATTENTION_RESOLVED,
        key=f"taken_over:{run_id}",
        actor=resume.actor,
        data={"action": ACTION, "reason": resume.reason, **asked_again},
    )
    return Change(
        order_id=order_id,
        facts=(fact,),
        path=(status,),
        during=(OrderStatus.NEEDS_ATTENTION,),
        values=dict(NO_QUESTION),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """
    The effects of an order that are in our books, by kind and number; nobody was ever asked for a test order.

    Attributes:
        entries: all of them.
        authorized: among them is an authorisation that may count.
        forgettable: providers may have been asked for these kinds, longer ago than they remember.
        open_bookings: the numbers of those that have no result.
        is_test: it is a test order.
    """

    entries: frozenset[tuple[OperationKind, int]]
    authorized: bool
    forgettable: frozenset[OperationKind]
    open_bookings: frozenset[int]
    is_test: bool

    def has(self, kind: OperationKind, n: int) -> bool:
        """Whether this effect was intended as far as we know."""
        return (kind, n) in self.entries


_memory = cast(orders.c.terms["key_memory"].astext, Interval)
_UNPAID = (OrderStatus.AWAITING_APPROVAL.value, OrderStatus.AWAITING_PAYMENT.value)
# Written anew by a recovery: the row knows nothing of the time before.
_written_late = (
    select(order_events.c.at - orders.c.accepted_at > _memory)
    .where(order_events.c.order_id == orders.c.id, order_events.c.sequence == 1)
    .scalar_subquery()
)
_had_a_card = or_(
    and_(orders.c.payment_method.is_not(None), orders.c.status.not_in(_UNPAID)),
    exists().where(payment_requests.c.order_id == orders.c.id),
)
_OVER = (OperationState.REFUSED, OperationState.UNDONE)
_KNOWN: Select[Any] = (
    select(
        *(orders.c.test, orders.c.total, operations.c.kind, operations.c.n, operations.c.state),
        (func.now() - orders.c.accepted_at > _memory).label("is_old"),
        or_(orders.c.total == 0, _had_a_card, _written_late).label("may_have_begun"),
    )
    .join(operations, operations.c.order_id == orders.c.id, isouter=True)
    .where(orders.c.id == _ORDER)
)


async def ledger(connection: Reading, order_id: OrderId) -> Ledger:
    """What our own books say was asked of providers for an order."""
    rows = (await connection.execute(_KNOWN, {"taken_order": order_id})).all()
    return Ledger(
        entries=frozenset((OperationKind(row.kind), row.n) for row in rows if row.kind),
        authorized=any(row.kind == OperationKind.AUTHORIZE and row.state not in _OVER for row in rows),
        forgettable=_forgettable(rows[0]) if rows else frozenset(),
        open_bookings=frozenset(row.n for row in rows if row.kind == OperationKind.BOOK and row.state in OPEN),
        is_test=any(row.test for row in rows),
    )


def _forgettable(row: Row[Any]) -> frozenset[OperationKind]:
    if not (row.is_old and row.may_have_begun):
        return frozenset()
    payments = (OperationKind.AUTHORIZE, OperationKind.CAPTURE) if row.total else ()
    return frozenset((*payments, OperationKind.BOOK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    An effect `provider` knows of although our books do not; refused if it has a `refusal`.

    One that `is_forgotten` nobody knows of any more: it may have been asked for when the order was accepted.
    """

    kind: OperationKind
    n: int
    provider: str
    refusal: str | None = None
    is_forgotten: bool = False


_found = records(
    "found",
    key=Text,
    kind=Text,
    n=Integer,
    state=Text,
    provider=Text,
    refusal=Text,
    is_money=Boolean,
    is_forgotten=Boolean,
)
_entered = insert(operations)
_MISSING = _entered.from_select(
    ["key", "order_id", "kind", "n", "state", "refusal", "provider", "amount", "currency", "created_at"],
    select(
        *(_found.c.key, orders.c.id, _found.c.kind, _found.c.n, _found.c.state, _found.c.refusal),
        _found.c.provider,
        case((_found.c.is_money, orders.c.total)),
        case((_found.c.is_money, orders.c.currency)),
        case((_found.c.is_forgotten, orders.c.accepted_at), else_=func.now()),
    ).select_from(_found.join(orders, orders.c.id == _ORDER)),
).on_conflict_do_update(
    index_elements=[operations.c.key],
    # A booking without a result that is older in our books than what became of it, or than who was asked last.
    where=and_(
        operations.c.kind == OperationKind.BOOK.value,
        operations.c.state.in_(OPEN),
        or_(operations.c.provider != _entered.excluded.provider, operations.c.attempts == operations.c.not_done),
    ),
    set_={
        "provider": _entered.excluded.provider,
        "state": _entered.excluded.state,
        "attempts": func.greatest(operations.c.attempts, operations.c.not_done + 1),
        "updated_at": func.now(),
    },
)
_SHIPPING = (OperationKind.BOOK, OperationKind.CANCEL)


async def enter(connection: Writing, order_id: OrderId, found: Sequence[Found]) -> None:
    """
    Write down what providers did or refused for an order, if our books do not have it. What was done stays `unknown`
    until the step it belongs to has looked it up, because only that knows what it means for the order. So does what is
    forgotten: its step finds it too old to be looked up, and asks an operator.
    """
    rows = [
        {
            "key": operation_key(order_id, entry.kind, entry.n),
            "kind": entry.kind,
            "n": entry.n,
            "provider": entry.provider,
            "state": OperationState.REFUSED if entry.refusal else OperationState.UNKNOWN,
            "refusal": entry.refusal,
            "is_money": entry.kind not in _SHIPPING,
            "is_forgotten": entry.is_forgotten,
        }
        for entry in found
    ]
    await connection.execute(_MISSING, {"taken_order": order_id, "found": rows})


_PAID = (
    update(orders)
    .where(
        orders.c.id == _ORDER,
        orders.c.status == literal(OrderStatus.AWAITING_PAYMENT.value),
        # One that waits for its customer is asked about, where it waits.
        orders.c.payment_next_action.is_(None),
    )
    .values(status=OrderStatus.PROCESSING.value, version=orders.c.version + 1, updated_at=func.now())
)


async def has_paid(connection: Writing, order_id: OrderId) -> None:
    """An order that waits for a payment has one: the card was given in the time that is lost."""
    await connection.execute(_PAID, {"taken_order": order_id})
