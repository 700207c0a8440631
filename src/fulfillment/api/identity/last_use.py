"""
When keys were used last: noted beside the requests, which never wait for it.
"""

import asyncio
from datetime import timedelta

import structlog

from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database
from fulfillment.db.outages import is_outage

_PATIENCE = timedelta(seconds=2)
"""For one note, and for all that are left when the process ends."""
_MOST_WAITING = 1000
"""A note that finds no room is made when the key is used again."""

_log = structlog.stdlib.get_logger(__name__)


class LastUses:
    """
    Notes one use after the other, on one connection; belongs to one event loop.

    A database that can be read but not written, or that lets a note wait for a lock, makes no difference to anybody.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one_at_a_time = asyncio.Lock()
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    def note(self, key: ApiKey) -> None:
        """This key was used now."""
        if key.digest in self._under_way or len(self._under_way) >= _MOST_WAITING:
            return
        noting = asyncio.create_task(self._note(key))
        self._under_way[key.digest] = noting
        noting.add_done_callback(lambda _: self._under_way.pop(key.digest, None))

    async def close(self) -> None:
        """Finish what is under way, if that does not take long."""
        if self._under_way:
            _, late = await asyncio.wait(set(self._under_way.values()), timeout=_PATIENCE.total_seconds())
            for noting in late:
                noting.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _note(self, key: ApiKey) -> None:
        try:
            async with (
                self._one_at_a_time,
                asyncio.timeout(_PATIENCE.total_seconds()),
                self._database.statement() as connection,
            ):
                await principals.note_use(connection, key)
        except Exception as error:  # noqa: BLE001 - nobody waits for this task, so nobody else would tell of a bug
            if not is_outage(error):
                _log.error("api_key_use_not_noted", exc_info=error)
