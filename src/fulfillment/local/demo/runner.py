"""
Running the orders of a file against a service: stock in, orders placed, parcels moved, everything watched to its end.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx2

from fulfillment.local.demo.orders_file import OrdersFile
from fulfillment.local.demo.progress import Board, Progress
from fulfillment.local.demo.providers import Parcels
from fulfillment.local.demo.shop import Refused, Shop

AT_ONCE = 16
"""Orders that are being placed, paid and booked at the same time, and requests under way."""
STANDSTILL = timedelta(seconds=60)
"""Without any news for this long the demo gives up."""

_LOOK_EVERY = 0.25
# Watching is not to cost the service more than a fifth of the time.
_LOOK_SHARE = 4

Show = Callable[[Board], None]


class Runner:
    """Takes the orders of a file to their ends; `show` is told after every look at them."""

    def __init__(self, shop: Shop, parcels: Parcels, show: Show, standstill: timedelta = STANDSTILL) -> None:
        self._shop = shop
        self._parcels = parcels
        self._show = show
        self._standstill = standstill.total_seconds()

    async def run(self, file: OrdersFile) -> Board:
        """
        Run until nothing more is to come, or nothing moves any more.

        Raises:
            DemoError: the service does not answer.
            Refused: the warehouse does not take the stock.
        """
        await _each(file.stock, self._shop.count)
        board = Board(file.orders)
        placing = asyncio.create_task(_each(board.all, lambda progress: self._place(board, progress)))
        try:
            while not board.is_over and not board.given_up:
                if placing.done():
                    placing.result()
                await self._look(board)
                if time.monotonic() > board.changed_at + self._standstill:
                    board.given_up = f"given up: no order has moved for {self._standstill:g} s"
        finally:
            placing.cancel()
            await asyncio.wait({placing})
        return board

    async def _place(self, board: Board, progress: Progress) -> None:
        board.sent(progress)
        try:
            board.placed(progress, await self._shop.place(progress.order))
        except Refused as refusal:
            board.refused(progress, refusal)

    async def _look(self, board: Board) -> None:
        began = time.monotonic()
        if board.oldest_open:
            async for seen in self._shop.placed_since(board.oldest_open):
                board.saw(seen)
        # A carrier that is away for a moment is asked again at the next look.
        with suppress(httpx2.HTTPError):
            await self._move(board)
        self._show(board)
        await asyncio.sleep(max(_LOOK_EVERY, _LOOK_SHARE * (time.monotonic() - began)))

    async def _move(self, board: Board) -> None:
        if all(progress.order.scenario.arrives for progress in board.all):
            await self._parcels.advance()
        else:
            await _each((progress for progress in board.all if progress.next_step), self._step)

    async def _step(self, progress: Progress) -> None:
        if progress.next_step and progress.seen and progress.seen.tracking_number:
            await self._parcels.happen(progress.seen.tracking_number, progress.next_step)
            progress.stepped()


async def _each(items: Iterable[Any], act: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Do it to each, some at the same time; the first failure ends all."""
    waiting = iter(items)

    async def some() -> None:
        for item in waiting:
            await act(item)

    tasks = [asyncio.create_task(some()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
