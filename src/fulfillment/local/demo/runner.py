"""
Running the orders of a file against a service: stock in, orders placed, everything that is to happen to them, each
watched to its end.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import httpx2

from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId
from fulfillment.local.demo.approvals import ApprovalDesk
from fulfillment.local.demo.approvers import Approvers
from fulfillment.local.demo.at_once import each
from fulfillment.local.demo.orders_file import OrdersFile
from fulfillment.local.demo.outage import Outage
from fulfillment.local.demo.progress import Board, Progress
from fulfillment.local.demo.providers import Parcels, PaymentProvider
from fulfillment.local.demo.scenarios import Customer
from fulfillment.local.demo.script import Move, Part
from fulfillment.local.demo.service import Refused
from fulfillment.local.demo.shop import SeenOrder, Shop

STANDSTILL = timedelta(seconds=60)
"""Without any news for this long the demo gives up."""

_LOOK_EVERY = 0.25
_LOOK_IN_HASTE = 0.02
# Watching is not to cost the service more than a fifth of the time.
_LOOK_SHARE = 4

Show = Callable[[Board], None]


class Runner:
    """Takes the orders of a file to their ends; `show` is told after every look at them."""

    def __init__(
        self,
        shop: Shop,
        parcels: Parcels,
        payments: PaymentProvider,
        desk: ApprovalDesk,
        show: Show,
        standstill: timedelta = STANDSTILL,
    ) -> None:
        self._shop = shop
        self._parcels = parcels
        self._payments = payments
        self._desk = desk
        self._show = show
        self._standstill = standstill.total_seconds()

    async def run(self, file: OrdersFile) -> Board:
        """
        Run until nothing more is to come, or nothing moves any more.

        Raises:
            DemoError: the service does not answer.
            Refused: the warehouse does not take the stock.
        """
        await each(file.stock, self._shop.count)
        board = Board(file.orders)
        outage = Outage(board, self._payments)
        placing = self._placing(board, [item for item in board.all if item not in outage.meeting])
        tasks = [asyncio.create_task(Approvers(self._desk, board).run()), placing]
        try:
            while not board.is_over and not board.given_up:
                for task in tasks:
                    if task.done():
                        task.result()
                with suppress(httpx2.HTTPError):
                    if await outage.begins():
                        tasks.append(self._placing(board, outage.meeting))
                await self._look(board, outage)
                if time.monotonic() > board.changed_at + self._standstill:
                    board.given_up = f"given up: no order has moved for {self._standstill:g} s"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        board.approvals = await self._desk.all()
        return board

    def _placing(self, board: Board, orders: Sequence[Progress]) -> asyncio.Task[None]:
        return asyncio.create_task(each(orders, lambda progress: self._place(board, progress)))

    async def _place(self, board: Board, progress: Progress) -> None:
        board.sent(progress)
        try:
            receipt = await self._shop.place(progress.order)
        except Refused as refusal:
            board.refused(progress, refusal)
            return
        board.placed(progress, receipt)
        if progress.order.scenario.is_hasty:
            board.saw(receipt.as_seen(progress.order.total.currency))
            await self._catch(board, progress, receipt.id)

    async def _catch(self, board: Board, progress: Progress, order_id: OrderId) -> None:
        """Cancel an order in a status that it leaves soon."""
        while progress.script.awaits_cancelling:
            await self._do(board, progress)
            board.saw(await self._shop.read(order_id))
            await asyncio.sleep(_LOOK_IN_HASTE)

    async def _look(self, board: Board, outage: Outage) -> None:
        began = time.monotonic()
        if board.oldest_open:
            async for seen in self._shop.placed_since(board.oldest_open):
                board.saw(seen)
        pause = max(_LOOK_EVERY, _LOOK_SHARE * (time.monotonic() - began))
        # A provider that is away for a moment is asked again at the next look.
        with suppress(httpx2.HTTPError):
            await outage.ends()
            await self._move(board, waiting=outage.meeting if outage.is_on else ())
        self._show(board)
        await asyncio.sleep(pause)

    async def _move(self, board: Board, waiting: Sequence[Progress]) -> None:
        if all(progress.order.arrives for progress in board.all):
            await self._parcels.advance()
            return
        due = (progress for progress in board.all if progress.next_move and progress not in waiting)
        await each(due, lambda progress: self._do(board, progress))

    async def _do(self, board: Board, progress: Progress) -> None:
        """Make the next move for one order, unless somebody is at it."""
        move, seen = progress.next_move, progress.seen
        if move is None or seen is None:
            return
        with progress.moving():
            try:
                told = await self._make(move, progress.order.idempotency_key, seen)
            except Refused as refusal:
                progress.script.refused(move, str(refusal))
            else:
                progress.script.done(move, seen)
                board.saw(told)

    async def _make(self, move: Move, key: str, seen: SeenOrder) -> SeenOrder:
        """The order as it is told afterwards."""
        match move.part:
            case Part.CANCEL:
                return await self._shop.cancel(seen.id, f"{key}-cancel")
            case Part.PAY:
                return await self._shop.pay(seen.id, f"{key}-pay-{seen.version}", move.what)
            case Part.ACT:
                finds_out = move.what == Action.IT_HAPPENED
                found = await self._payments.done_under(await self._shop.doubted(seen.id)) if finds_out else None
                return await self._shop.act(seen.id, f"{key}-act-{seen.version}", move.what, found)
            case Part.CUSTOMER:
                await self._payments.settle(seen.action_url or "", agree=move.what == Customer.AGREES)
                return seen
            case Part.PROVIDER:
                await self._payments.happen(await self._shop.payment_of(seen.id), move.what)
                return seen
            case Part.PARCEL:
                await self._parcels.happen(seen.tracking_number or "", move.what)
                return seen
