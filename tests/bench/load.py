"""
Closed-loop load: so many orders in flight, the next one begins when one is done.

Whether an order is done is asked of PostgreSQL, for all sagas alike: one statement every 20 ms on a connection of its
own, whose backend is left out of what PostgreSQL is charged with. When it was done is what its row says, so that the
pause between two looks is in no latency.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

Item = TypeVar("Item")

_PAUSE = 0.02
_PATIENCE = 120


class Stuck(Exception):
    """Orders do not arrive: there is nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run of orders took: the whole of it in seconds, each order in milliseconds."""

    order_ids: list[UUID]
    seconds: float
    latencies_ms: list[float]


class Watch:
    """Tells when orders are done; `query` takes ids and returns id and time of those that are."""

    def __init__(self, connection: "asyncpg.Connection[Any]", query: str) -> None:
        self._connection = connection
        self._query = query
        self._waiting: dict[UUID, asyncio.Future[datetime]] = {}

    async def done(self, order_id: UUID) -> datetime:
        """When the order was done, by the database's clock (which is this machine's)."""
        future: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self._waiting[order_id] = future
        try:
            async with asyncio.timeout(_PATIENCE):
                return await future
        except TimeoutError:
            msg = f"order {order_id} is not done after {_PATIENCE} s"
            raise Stuck(msg) from None

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look for as long as the block runs."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})

    async def _look(self) -> None:
        while True:
            if self._waiting:
                for order_id, at in await self._connection.fetch(self._query, list(self._waiting)):
                    self._waiting.pop(order_id).set_result(at)
            await asyncio.sleep(_PAUSE)


async def drive(items: Iterable[Item], in_flight: int, begin: Callable[[Item], Awaitable[UUID]], watch: Watch) -> Load:
    """
    Run orders through, so many at a time; `begin` sends one on its way and returns its id.

    Raises:
        Stuck: an order is not done in time.
    """
    remaining = iter(items)
    finished: list[tuple[UUID, float]] = []
    started = datetime.now(UTC)
    lanes = [asyncio.create_task(_lane(remaining, begin, watch, finished)) for _ in range(in_flight)]
    try:
        async with watch.looking():
            await asyncio.gather(*lanes)
    finally:
        for lane in lanes:
            lane.cancel()
    return Load(
        order_ids=[order_id for order_id, _ in finished],
        seconds=(datetime.now(UTC) - started).total_seconds(),
        latencies_ms=[milliseconds for _, milliseconds in finished],
    )


async def _lane(
    remaining: Iterator[Item],
    begin: Callable[[Item], Awaitable[UUID]],
    watch: Watch,
    finished: list[tuple[UUID, float]],
) -> None:
    for item in remaining:
        before = datetime.now(UTC)
        order_id = await begin(item)
        at = await watch.done(order_id)
        finished.append((order_id, (at - before).total_seconds() * 1000))
