"""
Orders and stock in a real database, moved by the steps of the service.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select

from fulfillment.activities.orders import SqlOrderActivities
from fulfillment.bootstrap import terms
from fulfillment.contracts.encryption import Cipher
from fulfillment.contracts.orders import (
    Placement,
    PlaceOrder,
    RecordParcelEvent,
    RejectOrder,
    ReleaseStock,
    StartOrder,
)
from fulfillment.db import inventory
from fulfillment.db.engine import Database
from fulfillment.db.tables import order_events, orders, shipments, stock, stock_movements
from fulfillment.domain.ids import Sku
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.settings import Settings
from tests.fakes.orders import an_event


@dataclass(frozen=True)
class Warehouse:
    """A database, and the database steps on it."""

    database: Database
    steps: SqlOrderActivities

    @classmethod
    def on(cls, database: Database, settings: Settings) -> "Warehouse":
        """The steps as a worker is wired with them."""
        cipher = Cipher(settings.encryption.ring())
        return cls(
            database, SqlOrderActivities(database, cipher, terms(settings.orders), settings.orders.attention_window)
        )

    async def stocked(self, **pieces: int) -> None:
        """So many pieces of articles that are new."""
        for sku, on_hand in pieces.items():
            count = inventory.Count(sku=Sku(sku), on_hand=on_hand, name=None, actor="test")
            async with self.database.transaction() as connection:
                await inventory.create(connection, count)

    async def stocked_up(self, sku: str) -> None:
        """Plenty of an article, new or not."""
        count = inventory.Count(sku=Sku(sku), on_hand=1000, name=None, actor="test")
        async with self.database.transaction() as connection:
            await inventory.create(connection, count) or await inventory.correct(connection, count, expected=None)

    async def place(self, order: StartOrder, run_id: str = "run-1") -> Placement:
        """Place an order for a run of its workflow."""
        return await self.steps.place_order(PlaceOrder(order=order, run_id=run_id))

    async def begin_rejection(self, order_id: UUID) -> None:
        """It is going to be rejected."""
        await self.steps.begin_rejection(_rejection(order_id))

    async def release(self, order_id: UUID) -> None:
        """Give back what it holds."""
        await self.steps.release_stock(ReleaseStock(order_id=order_id))  # type: ignore[arg-type]

    async def end_rejection(self, order_id: UUID) -> None:
        """It is rejected."""
        await self.steps.reject_order(_rejection(order_id))

    async def hear(self, order_id: UUID, event: str, status: OrderStatus, *, picked_up: bool = False) -> None:
        """The carrier says something about its parcel."""
        request = RecordParcelEvent(
            order_id=order_id,  # type: ignore[arg-type]
            n=1,
            event=an_event(order_id, event),
            status=status,
            picked_up=picked_up,
        )
        await self.steps.record_parcel_event(request)

    async def become(self, order_id: UUID, status: OrderStatus) -> None:
        """What other steps would make of an order."""
        async with self.database.transaction() as connection:
            await connection.execute(orders.update().where(orders.c.id == order_id).values(status=status))

    async def order(self, order_id: UUID) -> Any:
        """Its row."""
        async with self.database.statement() as connection:
            return (await connection.execute(select(orders).where(orders.c.id == order_id))).one()

    async def tracking_number(self, order_id: UUID) -> str:
        """The name of its parcel at the carrier."""
        statement = select(shipments.c.tracking_number).where(shipments.c.order_id == order_id)
        async with self.database.statement() as connection:
            return str(await connection.scalar(statement))

    async def events(self, order_id: UUID) -> list[str]:
        """The kinds of its events; their sequence is checked to be gapless (I7)."""
        rows = select(order_events).where(order_events.c.order_id == order_id).order_by(order_events.c.sequence)
        async with self.database.statement() as connection:
            found = (await connection.execute(rows)).all()
        assert [row.sequence for row in found] == list(range(1, len(found) + 1))
        assert (await self.order(order_id)).last_event == len(found)
        return [row.kind for row in found]

    async def figures(self, sku: str) -> tuple[int, int]:
        """Pieces on hand and reserved; movements are checked to add up to them (I2)."""
        sums = select(
            func.coalesce(func.sum(stock_movements.c.on_hand_delta), 0),
            func.coalesce(func.sum(stock_movements.c.reserved_delta), 0),
        ).where(stock_movements.c.sku == sku)
        async with self.database.statement() as connection:
            row = (await connection.execute(select(stock).where(stock.c.sku == sku))).one()
            moved = (await connection.execute(sums)).one()
        assert tuple(moved) == (row.on_hand, row.reserved)
        return row.on_hand, row.reserved

    async def somebody_waits(self) -> bool:
        """Whether a statement waits for a lock."""
        async with self.database.statement() as connection:
            found = await connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(found.scalar())

    async def count(self, table: Table, **where: object) -> int:
        """Rows of a table."""
        statement = select(func.count()).select_from(table).where(*(table.c[name] == v for name, v in where.items()))
        async with self.database.statement() as connection:
            return int(await connection.scalar(statement) or 0)


def _rejection(order_id: UUID) -> RejectOrder:
    return RejectOrder(order_id=order_id, failure=FailureCode.PAYMENT_DECLINED)  # type: ignore[arg-type]
