"""
What the payment provider's answers do to an order; pure.
"""

from fulfillment.db.changes import SYSTEM, Change, Fact
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus, PaymentStatus
from fulfillment.domain.payments import NextAction

_NOTHING_TO_DO = {"payment_next_action": None}
_TOKEN_IS_SPENT = {"payment_token": None, "payment_token_key": None}


def authorized(
    order_id: OrderId,
    key: str,
    amount: Money,
    during: tuple[OrderStatus, ...],
    path: tuple[OrderStatus, ...] = (),
    *,
    actor: str = SYSTEM,
) -> Change:
    """Money is set aside, from the card that `actor` gave."""
    return Change(
        order_id=order_id,
        facts=(_fact(EventKind.PAYMENT_AUTHORIZED, key, amount, actor),),
        path=path,
        during=during,
        values={"payment_status": PaymentStatus.AUTHORIZED, "authorized": amount.amount, **_NOTHING_TO_DO},
    )


def awaits_customer(order_id: OrderId, n: int, action: NextAction) -> Change:
    """The bank asks the customer for something before authorisation number `n`."""
    # The page is for the customer alone: it is shown with the order for as long as it is of use.
    asked = Fact(
        kind=EventKind.PAYMENT_REQUESTED, key=f"payment_requested:{n}:action", data={"next_action": action.type}
    )
    return Change(
        order_id=order_id,
        facts=(asked,),
        path=(OrderStatus.AWAITING_PAYMENT,),
        during=(OrderStatus.PROCESSING,),
        values={"payment_next_action": {"type": action.type, "url": action.url}},
    )


def captured(
    order_id: OrderId, key: str, amount: Money, during: tuple[OrderStatus, ...], path: tuple[OrderStatus, ...] = ()
) -> Change:
    """The money is taken: all that was set aside."""
    return Change(
        order_id=order_id,
        facts=(_fact(EventKind.PAYMENT_CAPTURED, key, amount),),
        path=path,
        during=during,
        values={
            "payment_status": PaymentStatus.CAPTURED,
            "authorized": 0,
            "captured": amount.amount,
            **_TOKEN_IS_SPENT,
        },
    )


def declined(order_id: OrderId, key: str, refusal: str, during: tuple[OrderStatus, ...], actor: str = SYSTEM) -> Change:
    """The issuer of the card that `actor` gave says no."""
    return Change(
        order_id=order_id,
        facts=(_declined(key, refusal, actor),),
        during=during,
        values={"payment_status": PaymentStatus.FAILED, **_NOTHING_TO_DO},
    )


def declined_for_now(
    order_id: OrderId, key: str, refusal: str, n: int, during: tuple[OrderStatus, ...], actor: str
) -> Change:
    """The issuer of the order's card number `n`, which `actor` gave, says no; the order waits for another one."""
    requested = Fact(kind=EventKind.PAYMENT_REQUESTED, key=f"payment_requested:{n + 1}")
    return Change(
        order_id=order_id,
        facts=(_declined(key, refusal, actor), requested),
        path=(OrderStatus.AWAITING_PAYMENT,) if during == (OrderStatus.PROCESSING,) else (),
        during=during,
        values={"payment_status": PaymentStatus.FAILED, **_NOTHING_TO_DO, **_TOKEN_IS_SPENT},
    )


def voided(order_id: OrderId, key: str, amount: Money, during: tuple[OrderStatus, ...]) -> Change:
    """The money that was set aside, or was to be, is free again."""
    return Change(
        order_id=order_id,
        facts=(_fact(EventKind.PAYMENT_VOIDED, key, amount),),
        during=during,
        values={"payment_status": PaymentStatus.VOIDED, "authorized": 0, **_NOTHING_TO_DO, **_TOKEN_IS_SPENT},
    )


def refunded(order_id: OrderId, key: str, amount: Money, *, captured: int, refunded: int) -> Change:
    """The money that was taken is given back; `captured` and `refunded` are the order's figures before."""
    return Change(
        order_id=order_id,
        facts=(_fact(EventKind.PAYMENT_REFUNDED, key, amount),),
        during=(OrderStatus.CANCELLING,),
        values={
            "payment_status": PaymentStatus.REFUNDED,
            "authorized": 0,
            # Money nobody told us was taken: what is given back was.
            "captured": max(captured, refunded + amount.amount),
            "refunded": refunded + amount.amount,
            **_TOKEN_IS_SPENT,
        },
    )


def _fact(kind: EventKind, key: str, amount: Money, actor: str = SYSTEM) -> Fact:
    return Fact(kind=kind, key=key, actor=actor, data={"amount": amount.amount, "currency": amount.currency})


def _declined(key: str, refusal: str, actor: str) -> Fact:
    return Fact(kind=EventKind.PAYMENT_DECLINED, key=key, actor=actor, data={"code": refusal})
