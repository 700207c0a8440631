"""
Connections: one pool per process, whose transactions are explicit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NewType
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fulfillment.settings import Database as DatabaseSettings

Reading = NewType("Reading", AsyncConnection)
"""A connection in autocommit: one statement is one transaction and one round trip. May also run a single write."""
Writing = NewType("Writing", AsyncConnection)
"""A connection inside a transaction that commits when its block ends."""


class Database:
    """The pool of a process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Reading]:
        """For statements that are complete in themselves: no BEGIN, no COMMIT, no round trips for them."""
        async with self._autocommit.connect() as connection:
            yield Reading(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Writing]:
        """All or nothing; never held across a call to somebody else."""
        async with self.engine.begin() as connection:
            yield Writing(connection)

    async def ping(self) -> None:
        """Raises when the database does not answer."""
        async with self.statement() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


def connect(settings: DatabaseSettings, *, application: str) -> Database:
    """A pool that opens its first connection when it is first needed."""
    milliseconds = int(settings.statement_timeout.total_seconds() * 1000)
    arguments: dict[str, Any] = {
        "timeout": settings.pool_timeout.total_seconds(),
        "command_timeout": settings.statement_timeout.total_seconds() + 1,
        "server_settings": {"application_name": application, "statement_timeout": str(milliseconds), "jit": "off"},
    }
    if settings.pooler:
        # A transaction pooler hands each transaction another connection: no named statement may outlive one, and
        # start-up parameters other than the name are refused.
        arguments |= {"statement_cache_size": 0, "prepared_statement_name_func": lambda: f"__{uuid4()}__"}
        arguments["server_settings"] = {"application_name": application}
    engine = create_async_engine(
        async_url(settings.url.get_secret_value()),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout.total_seconds(),
        pool_pre_ping=False,
        hide_parameters=True,
        connect_args=arguments,
    )
    return Database(engine)


def async_url(url: str) -> URL:
    """The address with our driver in it, whatever driver it was written with."""
    return make_url(url).set(drivername="postgresql+asyncpg")
