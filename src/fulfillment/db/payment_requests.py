"""
Cards given after an order was placed, and the keys of the requests they came with.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Integer, LargeBinary, Select, Text, Uuid, bindparam, func, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from fulfillment.contracts.steps import TakePayment
from fulfillment.db.changes import OutOfStep
from fulfillment.db.engine import Reading
from fulfillment.db.tables import orders, payment_requests
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedCard:
    """A card as it is stored; `key` is the id of the key its token is encrypted with."""

    method: str
    token: bytes
    key: str


_ORDER = bindparam("paid_order", type_=Uuid)
_N = bindparam("request_n", type_=Integer)
_REQUESTED: Select[Any] = select(payment_requests.c.key).where(
    payment_requests.c.order_id == _ORDER, payment_requests.c.n == _N
)


def _paid() -> CTE:
    return (
        update(orders)
        .where(
            orders.c.id == _ORDER,
            orders.c.status == OrderStatus.AWAITING_PAYMENT.value,
            ~_REQUESTED.exists(),
        )
        .values(
            status=OrderStatus.PROCESSING.value,
            payment_method=bindparam("card_method", type_=Text),
            payment_token=bindparam("card_token", type_=LargeBinary),
            payment_token_key=bindparam("card_token_key", type_=Text),
            version=orders.c.version + 1,
            updated_at=func.now(),
        )
        .returning(orders.c.id)
        .cte("paid")
    )


def _taken() -> ReturningInsert[tuple[int]]:
    paid = _paid()
    source = select(
        paid.c.id,
        _N,
        bindparam("request_key", type_=Text),
        bindparam("request_fingerprint", type_=Text),
        bindparam("request_fingerprint_key", type_=Text),
        bindparam("request_actor", type_=Text),
    )
    return (
        insert(payment_requests)
        .from_select(["order_id", "n", "key", "fingerprint", "fingerprint_key", "actor"], source)
        .returning(payment_requests.c.n)
    )


_TAKEN = _taken()


async def take(connection: Reading, request: TakePayment, card: EncryptedCard) -> None:
    """
    Keep a card with its request; the order is processed again. Nothing happens when the request is there already.

    Raises:
        OutOfStep: the order does not wait for a payment.
    """
    payment, numbered = request.payment, {"paid_order": request.order_id, "request_n": request.n}
    values = {
        **numbered,
        "card_method": card.method,
        "card_token": card.token,
        "card_token_key": card.key,
        "request_key": payment.key,
        "request_fingerprint": payment.fingerprint,
        "request_fingerprint_key": payment.fingerprint_key,
        "request_actor": payment.actor,
    }
    if (await connection.execute(_TAKEN, values)).first() is not None:
        return
    if (await connection.execute(_REQUESTED, numbered)).first() is None:
        raise OutOfStep(request.order_id, "not waiting for a payment", "another card")


_WAITS: Select[Any] = select(orders.c.id).where(
    orders.c.id == _ORDER,
    orders.c.status == OrderStatus.AWAITING_PAYMENT.value,
    orders.c.payment_next_action.is_not(None),
)


async def waits_for_customer(connection: Reading, order_id: OrderId) -> bool:
    """Whether an order waits for its customer to do what the bank asks for."""
    return (await connection.execute(_WAITS, {"paid_order": order_id})).first() is not None
