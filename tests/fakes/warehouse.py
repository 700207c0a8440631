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
from fulfillment.contracts.messages import Act, Amend, Readdress
from fulfillment.contracts.orders import Address, Line, StartOrder
from fulfillment.contracts.steps import (
    AmendOrder,
    BeginUndo,
    Changed,
    CloseOrder,
    ContinueAsShipped,
    Placement,
    PlaceOrder,
    ReaddressOrder,
    RecordLateEvent,
    RecordParcelEvent,
    ReleaseStock,
    RequestAttention,
    Reship,
    SettleApproval,
)
from fulfillment.db import inventory
from fulfillment.db.engine import Database
from fulfillment.db.tables import approvals, inbox, order_events, orders, shipments, stock, stock_movements
from fulfillment.domain.approval_policy import NOBODY_IS_ASKED, Policy
from fulfillment.domain.approvals import ApprovalStatus
from fulfillment.domain.attention import ACTIONS, Action
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.domain.shipping import ShipmentStatus
from fulfillment.settings import Settings
from tests.fakes.orders import CARRIER, an_event, tracking_number_of


@dataclass(frozen=True)
class Warehouse:
    """A database, and the database steps on it."""

    database: Database
    steps: SqlOrderActivities

    @classmethod
    def on(cls, database: Database, settings: Settings, policy: Policy = NOBODY_IS_ASKED) -> "Warehouse":
        """The steps as a worker is wired with them, and with these rules for approvals."""
        cipher, window = Cipher(settings.encryption.ring()), settings.orders.attention_window
        return cls(database, SqlOrderActivities(database, cipher, terms(settings.orders), window, policy))

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
        request = BeginUndo(
            order_id=OrderId(order_id), n=1, failure=FailureCode.PAYMENT_DECLINED, actor="system", reason=None
        )
        await self.steps.begin_undo(request)

    async def release(self, order_id: UUID, n: int = 1) -> None:
        """Give back what it holds."""
        await self.steps.release_stock(ReleaseStock(order_id=OrderId(order_id), n=n))

    async def end_rejection(self, order_id: UUID) -> None:
        """It is rejected."""
        request = CloseOrder(
            order_id=OrderId(order_id), status=OrderStatus.REJECTED, failure=FailureCode.PAYMENT_DECLINED
        )
        await self.steps.close_order(request)

    async def amend(
        self, order_id: UUID, *lines: Line, n: int = 1, version: int | None = None, actor: str = "shop"
    ) -> Changed:
        """Replace its lines."""
        change = Amend(lines=lines, actor=actor, expected_version=version)
        return await self.steps.amend_order(AmendOrder(order_id=OrderId(order_id), n=n, change=change))

    async def readdress(self, order_id: UUID, address: Address, n: int = 1, version: int | None = None) -> Changed:
        """Send it somewhere else."""
        change = Readdress(address=address, actor="shop", expected_version=version)
        return await self.steps.readdress_order(ReaddressOrder(order_id=OrderId(order_id), n=n, change=change))

    async def settle(self, order_id: UUID, n: int = 1) -> OrderStatus:
        """Request `n` is approved: it goes on."""
        return await self.steps.settle_approval(SettleApproval(order_id=OrderId(order_id), n=n))

    async def decided(self, order_id: UUID, status: ApprovalStatus, n: int = 1) -> None:
        """What people would make of its request `n`, without their votes."""
        closed = approvals.update().where(approvals.c.order_id == order_id, approvals.c.n == n).values(status=status)
        row = await self.order(order_id)
        agreed = orders.update().where(orders.c.id == order_id)
        async with self.database.transaction() as connection:
            await connection.execute(closed)
            if status is ApprovalStatus.APPROVED:
                await connection.execute(agreed.values(approved_total=row.total, approved_currency=row.currency))

    async def requests(self, order_id: UUID) -> list[Any]:
        """Its requests for approval, as rows."""
        rows = select(approvals).where(approvals.c.order_id == order_id).order_by(approvals.c.n)
        async with self.database.statement() as connection:
            return list(await connection.execute(rows))

    async def ask(self, order_id: UUID, reason: AttentionReason, status: OrderStatus, n: int = 1) -> bool:
        """Ask an operator about it; whether there was anything to ask."""
        request = RequestAttention(
            order_id=OrderId(order_id),
            n=n,
            reason=reason,
            status=status,
            resume=status,
            actions=ACTIONS[reason],
            operation=f"{order_id}:capture:1",
        )
        return await self.steps.request_attention(request)

    async def reship(self, order_id: UUID, n: int = 1) -> Changed:
        """An operator has it sent once more."""
        return await self.steps.reship(Reship(order_id=OrderId(order_id), n=n, answer=an_answer(Action.RESHIP)))

    async def depart(self, order_id: UUID, status: OrderStatus, n: int = 1, parcel: int = 1) -> None:
        """The carrier has its parcel after all."""
        request = ContinueAsShipped(order_id=OrderId(order_id), n=n, parcel=parcel, status=status, refused=True)
        await self.steps.continue_as_shipped(request)

    async def hear(
        self, order_id: UUID, event: str, status: OrderStatus, *, picked_up: bool = False, n: int = 1
    ) -> None:
        """The carrier says something about its parcel."""
        request = RecordParcelEvent(
            order_id=OrderId(order_id),
            n=n,
            event=an_event(order_id, event, id=f"event-{event}-{n}"),
            status=status,
            picked_up=picked_up,
        )
        await self.steps.record_parcel_event(request)

    async def hear_late(self, order_id: UUID, event: str, **more: Any) -> None:
        """The carrier says something nobody waits for."""
        request = RecordLateEvent(order_id=OrderId(order_id), event=an_event(order_id, event, **more))
        await self.steps.record_late_event(request)

    async def booked(self, order_id: UUID, status: ShipmentStatus = ShipmentStatus.BOOKED, n: int = 1) -> None:
        """It has a parcel."""
        parcel = shipments.insert().values(
            order_id=order_id,
            n=n,
            carrier=CARRIER,
            tracking_number=tracking_number_of(order_id, n),
            status=status,
        )
        async with self.database.transaction() as connection:
            await connection.execute(parcel)

    async def become(self, order_id: UUID, status: OrderStatus, **columns: Any) -> None:
        """What other steps would make of an order."""
        async with self.database.transaction() as connection:
            await connection.execute(orders.update().where(orders.c.id == order_id).values(status=status, **columns))

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

    async def late_events(self) -> list[Any]:
        """What came after the end of an order and waits for an operator."""
        rows = select(inbox).where(inbox.c.outcome == "late_event", inbox.c.resolved_at.is_(None)).order_by(inbox.c.id)
        async with self.database.statement() as connection:
            return list(await connection.execute(rows))

    async def count(self, table: Table, **where: object) -> int:
        """Rows of a table."""
        statement = select(func.count()).select_from(table).where(*(table.c[name] == v for name, v in where.items()))
        async with self.database.statement() as connection:
            return int(await connection.scalar(statement) or 0)


def an_answer(action: Action, **more: Any) -> Act:
    """What an operator says."""
    return Act(action=action, actor="operator", reason="seen in the yard", **more)
