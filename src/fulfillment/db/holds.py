"""
What orders do to the stock. Rows are always locked in the order of their SKU, so that two orders never wait for each
other in a circle.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ARRAY, CTE, Integer, Text, any_, bindparam, func, insert, literal, select, true, update

from fulfillment.db.changes import SYSTEM, Effect
from fulfillment.db.engine import Writing
from fulfillment.db.records import records
from fulfillment.db.tables import order_lines, stock, stock_movements
from fulfillment.domain.ids import Sku
from fulfillment.domain.inventory import MovementKind

_AVAILABLE = (
    select(stock.c.sku, (stock.c.on_hand - stock.c.reserved).label("available"))
    .where(stock.c.sku == any_(bindparam("skus", type_=ARRAY(Text))))
    .order_by(stock.c.sku)
    .with_for_update()
)


async def lock_available(connection: Writing, skus: set[Sku]) -> dict[Sku, int]:
    """Pieces free to be held, per article that exists; the rows stay locked until the transaction ends."""
    rows = await connection.execute(_AVAILABLE, {"skus": sorted(skus)})
    return {Sku(row.sku): row.available for row in rows}


def hold(row: CTE) -> CTE:
    """Hold the parameter `wanted` (see `wanted`) for the order in `row`; its stock rows are locked already."""
    return _move(_pieces("wanted", row), MovementKind.HELD, on_hand=0, reserved=1)


def wanted(demand: Mapping[Sku, int], key: str) -> dict[str, Any]:
    """The parameters of `hold`."""
    return {"wanted": [{"sku": sku, "quantity": n} for sku, n in demand.items()], "movement_key": key}


def hold_more(demand: Mapping[Sku, int], key: str) -> Effect:
    """Hold some pieces for the changed order; these stock rows are locked already."""
    return Effect(hold, wanted(demand, key))


def exchange(more: Mapping[Sku, int], less: Mapping[Sku, int], key: str) -> tuple[Effect, ...]:
    """Hold some pieces for the changed order and give others back; all of these stock rows are locked already."""
    unwanted = {"unwanted": [{"sku": sku, "quantity": n} for sku, n in less.items()], "movement_key": key}
    return hold_more(more, key), Effect(_give_back, unwanted)


def release(key: str) -> Effect:
    """Give back what the lines of the changed order hold."""
    return Effect(_release, {"movement_key": key})


def leave(key: str) -> Effect:
    """The goods of the changed order's lines leave the warehouse."""
    return Effect(_leave, {"movement_key": key})


def _give_back(changed: CTE) -> CTE:
    return _move(_pieces("unwanted", changed), MovementKind.RELEASED, on_hand=0, reserved=-1)


def _pieces(parameter: str, row: CTE) -> CTE:
    rows = records(parameter, sku=Text, quantity=Integer)
    return select(rows.c.sku, rows.c.quantity, row.c.id.label("order_id")).join(row, true()).cte(f"{parameter}_lines")


def _release(changed: CTE) -> CTE:
    return _move(_locked_lines(changed), MovementKind.RELEASED, on_hand=0, reserved=-1)


def _leave(changed: CTE) -> CTE:
    return _move(_locked_lines(changed), MovementKind.LEFT, on_hand=-1, reserved=-1)


def _locked_lines(changed: CTE) -> CTE:
    return (
        select(stock.c.sku, order_lines.c.quantity, changed.c.id.label("order_id"))
        .join(order_lines, order_lines.c.sku == stock.c.sku)
        .join(changed, changed.c.id == order_lines.c.order_id)
        .order_by(stock.c.sku)
        .with_for_update(of=stock)
        .cte("lines")
    )


def _move(lines: CTE, kind: MovementKind, *, on_hand: int, reserved: int) -> CTE:
    moved = (
        update(stock)
        .where(stock.c.sku == lines.c.sku)
        .values(
            on_hand=stock.c.on_hand + on_hand * lines.c.quantity,
            reserved=stock.c.reserved + reserved * lines.c.quantity,
            version=stock.c.version + 1,
            updated_at=func.now(),
        )
        .returning(stock.c.sku, lines.c.quantity, lines.c.order_id)
        .cte(f"{kind}_stock")
    )
    return (
        insert(stock_movements)
        .from_select(
            ["sku", "order_id", "key", "kind", "on_hand_delta", "reserved_delta", "actor"],
            select(
                moved.c.sku,
                moved.c.order_id,
                bindparam("movement_key", type_=Text),
                literal(kind.value),
                on_hand * moved.c.quantity,
                reserved * moved.c.quantity,
                literal(SYSTEM),
            ),
        )
        .cte(f"{kind}_movements")
    )
