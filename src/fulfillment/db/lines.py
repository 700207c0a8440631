"""
The lines of orders, as they are written.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import CTE, BigInteger, Integer, Select, Text, Uuid, bindparam, delete, insert, select, true

from fulfillment.contracts.orders import Line
from fulfillment.db.changes import Effect
from fulfillment.db.engine import Reading
from fulfillment.db.records import records
from fulfillment.db.tables import order_lines
from fulfillment.domain.ids import OrderId, Sku

_OF_ORDER = order_lines.c.order_id == bindparam("lines_of", type_=Uuid)
_DEMAND: Select[Any] = select(order_lines.c.sku, order_lines.c.quantity).where(_OF_ORDER)
_GONE = delete(order_lines).where(_OF_ORDER)


def demand(lines: Iterable[Line]) -> dict[Sku, int]:
    """Pieces per article."""
    return {line.sku: line.quantity for line in lines}


async def demand_of(connection: Reading, order_id: OrderId) -> dict[Sku, int]:
    """Pieces per article of a written order."""
    rows = await connection.execute(_DEMAND, {"lines_of": order_id})
    return {Sku(row.sku): row.quantity for row in rows}


async def remove(connection: Reading, order_id: OrderId) -> None:
    """Take all lines of an order away: a statement of its own, for no other may write the same positions."""
    await connection.execute(_GONE, {"lines_of": order_id})


def write(lines: Sequence[Line]) -> Effect:
    """Write the lines of an order that has none."""
    return Effect(insert_lines, line_rows(lines))


def insert_lines(row: CTE) -> CTE:
    """Insert the parameter `line` (see `line_rows`) for the order in `row`."""
    line = records("line", position=Integer, sku=Text, name=Text, quantity=Integer, unit_price=BigInteger)
    source = select(row.c.id, line.c.position, line.c.sku, line.c.name, line.c.quantity, line.c.unit_price)
    return (
        insert(order_lines)
        .from_select(
            ["order_id", "position", "sku", "name", "quantity", "unit_price"], source.join_from(row, line, true())
        )
        .cte("written_lines")
    )


def line_rows(lines: Sequence[Line]) -> dict[str, Any]:
    """The parameters of `insert_lines`."""
    return {
        "line": [
            {
                "position": n,
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": line.unit_price.amount,
            }
            for n, line in enumerate(lines, start=1)
        ]
    }
