"""
Waiting for orders without asking for each: one query per tick for all that are watched, none when none is.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import structlog

from fulfillment.db.engine import Database
from fulfillment.db.outages import is_outage
from fulfillment.db.views import settled_among
from fulfillment.domain.ids import OrderId

TICK = timedelta(milliseconds=200)

_log = structlog.stdlib.get_logger(__name__)


class OrderWatcher:
    """Lets any number of requests wait for their orders; belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[OrderId, set[asyncio.Future[None]]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def settled(self, order_id: OrderId, patience: timedelta) -> bool:
        """Wait until the order has something to tell; False when it has not within `patience` or we are closing."""
        if self._closed:
            return False
        news = asyncio.get_running_loop().create_future()
        self._waiting[order_id].add(news)
        self._watch()
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await news
        except TimeoutError:
            return False
        finally:
            self._forget(order_id, news)
        return not self._closed

    def close(self) -> None:
        """Send everybody who waits home; later callers do not wait at all."""
        self._closed = True
        self._tell(tuple(self._waiting))

    def _watch(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_repeatedly())

    async def _look_repeatedly(self) -> None:
        while self._waiting:
            await self._look()
            await asyncio.sleep(TICK.total_seconds())

    async def _look(self) -> None:
        try:
            async with self._database.statement() as connection:
                self._tell(await settled_among(connection, tuple(self._waiting)))
        except Exception as error:  # noqa: BLE001 - nothing may end this loop while somebody waits
            # Whoever waits has been promised an answer in time, and a receipt is one.
            if not is_outage(error):
                _log.error("orders_not_watched", exc_info=error)

    def _tell(self, order_ids: Iterable[OrderId]) -> None:
        for order_id in order_ids:
            for news in self._waiting.get(order_id, ()):
                with suppress(asyncio.InvalidStateError):
                    news.set_result(None)

    def _forget(self, order_id: OrderId, news: asyncio.Future[None]) -> None:
        self._waiting[order_id].discard(news)
        if not self._waiting[order_id]:
            del self._waiting[order_id]
