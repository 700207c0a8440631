"""
What payment providers tell us of themselves about orders that have ended: a person has to look at it.
"""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, Text, Uuid, bindparam, func, select

from fulfillment.contracts.naming import payments_source
from fulfillment.contracts.payments import PaymentNews
from fulfillment.db.attention import news_data
from fulfillment.db.changes import Change, Fact, apply
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.inbox import InboxEvent
from fulfillment.db.late_events import put_forward
from fulfillment.db.locked_orders import lock
from fulfillment.db.tables import order_events
from fulfillment.domain.attention import ACTIONS
from fulfillment.domain.events import EventKind
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import AttentionReason, OrderStatus

_REASON = AttentionReason.PROVIDER_DISPUTE


def payments_actor(provider: str) -> str:
    """How a payment provider is called in timelines."""
    return f"provider:{provider}"


_ASKED: Select[Any] = select(order_events.c.key).where(
    order_events.c.order_id == bindparam("asked_order", type_=Uuid),
    order_events.c.kind == EventKind.ATTENTION_NEEDED.value,
    func.starts_with(order_events.c.key, bindparam("asked_news", type_=Text)),
)
# What follows the name of the news in the key of a question: its number, or that it came late.
_QUESTION = re.compile(r":(?:\d+|late)")


async def was_asked(connection: Writing, order_id: OrderId, news: PaymentNews) -> bool:
    """Whether it is on the timeline: asked by the workflow while it ran, or put before an operator here."""
    found = await connection.execute(_ASKED, {"asked_order": order_id, "asked_news": news.name})
    return any(_QUESTION.fullmatch(key.removeprefix(news.name)) for key in found.scalars())


async def record(connection: Writing, order_id: OrderId, news: PaymentNews, window: timedelta) -> None:
    """
    Put a dispute before an operator, who is to look at it within `window`; the order keeps its status.

    Nothing to do for other news, and for what is written down already.
    """
    if not news.type.is_a_dispute:
        return
    key = f"{news.name}:late"
    # Two who write it at the same moment come one after the other.
    if (await lock(connection, order_id, key, tuple(OrderStatus))).done:
        return
    asked = {"reason": _REASON, "operation": None, "actions": list(ACTIONS[_REASON]), **news_data(news)}
    fact = Fact(kind=EventKind.ATTENTION_NEEDED, key=key, actor=payments_actor(news.provider), data=asked)
    event = InboxEvent(
        source=payments_source(news.provider),
        event_id=news.id,
        type=news.type,
        order_id=order_id,
        subject=news.payment,
        occurred_at=news.occurred_at,
    )
    change = Change(order_id=order_id, facts=(fact,), during=tuple(OrderStatus))
    await apply(Reading(connection), change, put_forward(event, window))
