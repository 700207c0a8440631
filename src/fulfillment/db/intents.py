"""
The statement that writes the intent of an effect into the operations ledger, or counts another attempt at it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    String,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.changes import SYSTEM
from fulfillment.db.tables import operations, order_events, orders, payment_requests
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.operations import OperationKind, OperationState
from fulfillment.domain.orders import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """
    An effect about to be asked of a provider, legal while the order is in one of `during`.

    Where `follows` is the key of an operation in the ledger, the provider is that one's.
    """

    key: str
    order_id: OrderId
    kind: OperationKind
    n: int
    provider: str
    during: tuple[OrderStatus, ...]
    amount: Money | None = None
    follows: str | None = None


COLUMNS = (
    operations.c.key,
    operations.c.order_id,
    operations.c.state,
    operations.c.provider,
    operations.c.provider_reference,
    operations.c.refusal,
    operations.c.attempts,
    operations.c.failures,
    operations.c.not_done,
    operations.c.actor,
    (func.now() - operations.c.created_at).label("age"),
)
"""What is read of an entry of the ledger."""


def parameters(intent: Intent) -> dict[str, Any]:
    """The intent as the statement takes it."""
    return {
        "intent_key": intent.key,
        "intent_order": intent.order_id,
        "intent_kind": intent.kind,
        "intent_n": intent.n,
        "intent_amount": intent.amount.amount if intent.amount else None,
        "intent_currency": intent.amount.currency if intent.amount else None,
        "intent_provider": intent.provider,
        "intent_follows": intent.follows,
        "intent_during": list(intent.during),
    }


# Putting a statement together costs more than executing it: each kind of intent is made once.
@lru_cache(maxsize=32)
def statement(columns: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    """Writes and answers with `COLUMNS` of the entry and these of its order; no row: the order is in another status."""
    entry = _upserted()
    return select(entry, *columns).select_from(entry.join(orders, orders.c.id == entry.c.order_id))


_ORDER = bindparam("intent_order", type_=Uuid)
_KIND = bindparam("intent_kind", type_=Text)


def _actor() -> ScalarSelect[Any]:
    """
    Who brought the order to where this is due: whoever placed it, gave a card, cancelled or answered last.

    An authorisation is for whoever gave the card, whatever somebody has changed since.
    """
    events, cards = order_events.c, payment_requests.c
    # The service does not end an order on behalf of whoever placed it.
    decided = or_(events.actor != SYSTEM, events.kind == EventKind.CANCELLATION_REQUESTED.value)
    newest = (
        select(events.actor, events.at)
        .where(
            events.order_id == _ORDER,
            decided,
            or_(_KIND.is_distinct_from(OperationKind.AUTHORIZE.value), events.kind == EventKind.ORDER_RECEIVED.value),
        )
        .order_by(events.sequence.desc())
        .limit(1)
    )
    # A card that is given later is no event.
    card = select(cards.actor, cards.at).where(cards.order_id == _ORDER).order_by(cards.n.desc()).limit(1)
    either = union_all(newest, card).subquery("either")
    return select(either.c.actor).order_by(either.c.at.desc()).limit(1).scalar_subquery()


def _provider_followed() -> ScalarSelect[Any]:
    followed = operations.alias("followed")
    return (
        select(followed.c.provider).where(followed.c.key == bindparam("intent_follows", type_=Text)).scalar_subquery()
    )


def _upserted() -> CTE:
    source = select(
        bindparam("intent_key", type_=Text),
        orders.c.id,
        _KIND,
        bindparam("intent_n", type_=Integer),
        bindparam("intent_amount", type_=BigInteger),
        bindparam("intent_currency", type_=String),
        literal(OperationState.INTENDED.value, Text),
        func.coalesce(_provider_followed(), bindparam("intent_provider", type_=Text)),
        func.coalesce(_actor(), SYSTEM),
    ).where(
        orders.c.id == _ORDER,
        orders.c.status == any_(bindparam("intent_during", type_=ARRAY(Text))),
    )
    return (
        insert(operations)
        .from_select(["key", "order_id", "kind", "n", "amount", "currency", "state", "provider", "actor"], source)
        .on_conflict_do_update(
            index_elements=[operations.c.key], set_={"attempts": operations.c.attempts + 1, "updated_at": func.now()}
        )
        .returning(*COLUMNS)
        .cte("entry")
    )
