"""
What is known of a customer when an order is placed: how many came before, how many lately, where their parcels go.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    DateTime,
    Interval,
    Select,
    Text,
    Uuid,
    bindparam,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.engine import Reading, Writing
from fulfillment.db.tables import customers, orders
from fulfillment.domain.ids import OrderId
from fulfillment.domain.orders import OrderStatus

_MOST_MOMENTS = 1000
"""More are not kept of one customer's last hour."""
_MOST_ADDRESSES = 20
_COMPARED = ("line1", "city", "postal_code", "country")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCustomer:
    """
    What the rules may ask about the customer of an order; None: not known.

    Attributes:
        first_order: they have placed none before.
        orders_within_hour: this one included.
        unusual_address: it is not where their parcels usually go; None, too, when there is no usual one.
    """

    first_order: bool | None = None
    orders_within_hour: int | None = None
    unusual_address: bool | None = None


_CUSTOMER = bindparam("of_customer", type_=Text)
_ORDER = bindparam("counted_order", type_=Uuid)
_AN_HOUR_AGO = func.now() - literal(timedelta(hours=1), Interval)
_MOMENTS = ARRAY(DateTime(timezone=True))

_moment = func.unnest(customers.c.recent, type_=DateTime(timezone=True)).column_valued("moment")
_lately = select(_moment).where(_moment > _AN_HOUR_AGO).order_by(_moment.desc()).limit(_MOST_MOMENTS - 1)
_newest = (
    select(orders.c.shipping_address)
    .where(
        orders.c.customer_id == _CUSTOMER,
        orders.c.status != literal(OrderStatus.REJECTED.value, literal_execute=True),
        ~orders.c.test,
        orders.c.id != _ORDER,
    )
    .order_by(orders.c.accepted_at.desc())
    .limit(_MOST_ADDRESSES)
    .subquery("newest")
)
_addresses = select(
    func.jsonb_agg(func.jsonb_build_array(*(_newest.c.shipping_address[part] for part in _COMPARED)))
).scalar_subquery()


def _counting() -> Select[Any]:
    count = insert(customers).from_select(
        ["customer_id", "orders", "recent"],
        select(_CUSTOMER, literal(1), func.array_append(literal([], _MOMENTS), func.now(), type_=_MOMENTS)).where(
            # Placed before: then it is counted already.
            ~exists().where(orders.c.id == _ORDER)
        ),
    )
    counted = (
        count.on_conflict_do_update(
            index_elements=[customers.c.customer_id],
            set_={
                "orders": customers.c.orders + 1,
                "recent": func.array_append(func.array(_lately.scalar_subquery(), type_=_MOMENTS), func.now()),
            },
        )
        .returning(customers.c.orders, func.cardinality(customers.c.recent).label("within_hour"))
        .cte("counted")
    )
    return select(counted.c.orders, counted.c.within_hour, _addresses.label("addresses"))


_COUNTED = _counting()
_ADDRESSES = select(_addresses.label("addresses"))
_NOT_PLACED = update(customers).where(customers.c.customer_id == _CUSTOMER).values(orders=customers.c.orders - 1)
_HAS_ORDERS = exists().where(
    orders.c.customer_id == _CUSTOMER,
    orders.c.status != literal(OrderStatus.REJECTED.value, literal_execute=True),
    ~orders.c.test,
)
_PLACED = select(customers.c.orders).where(customers.c.customer_id == _CUSTOMER).scalar_subquery()
_kept = func.unnest(customers.c.recent).column_valued("kept", joins_implicitly=True)
_WITHIN_HOUR = (
    select(func.count(_kept))
    .select_from(customers)
    .where(customers.c.customer_id == _CUSTOMER, _kept > _AN_HOUR_AGO)
    .scalar_subquery()
)
_READ = select(func.coalesce(_PLACED, 0).label("orders"), _WITHIN_HOUR.label("within_hour"), _HAS_ORDERS.label("known"))


async def count(connection: Writing, order_id: OrderId, customer_id: str, address: Mapping[str, Any]) -> KnownCustomer:
    """
    Count an order that is about to be written; nothing is known when it is written already. Until the transaction ends
    other orders of the customer wait, so that two at the same moment are two.
    """
    parameters = {"of_customer": customer_id, "counted_order": order_id}
    row = (await connection.execute(_COUNTED, parameters)).first()
    if row is None:
        return KnownCustomer()
    return KnownCustomer(
        # A customer from before customers were counted has orders.
        first_order=row.orders <= 1 and not row.addresses,
        orders_within_hour=row.within_hour,
        unusual_address=_is_unusual(address, row.addresses),
    )


async def not_placed(connection: Writing, customer_id: str) -> None:
    """The order that was counted in this transaction is not accepted: the next one may still be the first."""
    await connection.execute(_NOT_PLACED, {"of_customer": customer_id})


async def is_unusual(
    connection: Writing, order_id: OrderId, customer_id: str, address: Mapping[str, Any]
) -> bool | None:
    """Whether another address of a written order is unusual for its customer."""
    row = (await connection.execute(_ADDRESSES, {"of_customer": customer_id, "counted_order": order_id})).one()
    return _is_unusual(address, row.addresses)


async def read_facts(connection: Reading, customer_id: str) -> KnownCustomer:
    """What would be known if the customer placed an order now, without counting one; nothing of its address."""
    row = (await connection.execute(_READ, {"of_customer": customer_id})).one()
    return KnownCustomer(first_order=row.orders <= 0 and not row.known, orders_within_hour=row.within_hour + 1)


def _is_unusual(address: Mapping[str, Any], earlier: Sequence[Sequence[str | None]] | None) -> bool | None:
    """Of addresses that are as frequent the newest is the usual one; `earlier` begins with the newest."""
    if not earlier:
        return None
    usual, _ = Counter(map(_normalised, earlier)).most_common(1)[0]
    return _normalised([address[part] for part in _COMPARED]) != usual


def _normalised(address: Sequence[str | None]) -> tuple[str, ...]:
    return tuple("".join(filter(str.isalnum, part or "")).casefold() for part in address)
