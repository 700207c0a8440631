"""
Orders of a file and what the service told of them, for tests.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.orders_file import read
from fulfillment.local.demo.progress import Board
from fulfillment.local.demo.shop import Receipt, SeenOrder
from tests.demo.files import written

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def board_of(folder: Path, *lines: dict[str, Any]) -> Board:
    return Board(read(written(folder, *lines), PlaceOrderBody).orders)


def seen(
    order_id: OrderId, status: OrderStatus, version: int = 1, code: str | None = None, asks: str | None = None
) -> SeenOrder:
    return SeenOrder(
        id=order_id,
        status=status,
        version=version,
        code=code,
        asks=asks,
        carrier="sandbox",
        tracking_number="SBX1",
        payment="captured",
        action_url=None,
        approvers=(),
        authorized=Money(0, "EUR"),
        captured=Money(9900, "EUR"),
        refunded=Money(0, "EUR"),
        accepted_at=NOW,
        updated_at=NOW + timedelta(seconds=2),
    )


def asking(order_id: OrderId, *approvers: str, status: OrderStatus = OrderStatus.AWAITING_APPROVAL) -> SeenOrder:
    """An order that waits for people of these roles."""
    return replace(seen(order_id, status), approvers=approvers)


def place_all(board: Board) -> list[OrderId]:
    receipts = [Receipt(id=OrderId(uuid4()), accepted_at=NOW) for _ in board.all]
    for progress, receipt in zip(board.all, receipts, strict=True):
        board.placed(progress, receipt)
    return [receipt.id for receipt in receipts]
