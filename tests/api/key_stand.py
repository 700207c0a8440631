"""
A register of API keys whose way to the database can be cut or slowed down.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select

from fulfillment.api.identity.keys import CONNECTIONS, PAUSE, KeyRegister
from fulfillment.api.problems import Problem
from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database, connect
from fulfillment.db.tables import api_keys
from fulfillment.settings import Settings
from tests.fixtures.proxy import Proxy, proxy_to_database
from tests.fixtures.settings import MakeSettings


@dataclass
class Clock:
    """Moves only when it is told to."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def move(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()


@dataclass(kw_only=True)
class Stand:
    """A register of keys whose way to the database can be cut, and whose clock can be moved."""

    settings: Settings
    far: Database
    near: Database
    proxy: Proxy
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.register = KeyRegister(self.far, self.clock)

    async def outcome(self, key: ApiKey) -> str:
        """How a key fares."""
        try:
            return (await self.register.check(key.text)).outcome
        except Problem as problem:
            return problem.code

    async def revoke(self, key: ApiKey) -> None:
        async with self.near.transaction() as connection:
            await principals.revoke_key(connection, key.prefix)

    async def back(self) -> None:
        """The database can be reached again, and it is time to try."""
        await self.proxy.start()
        self.clock.move(PAUSE)


async def is_used(database: Database, key: ApiKey) -> bool:
    """Whether its last use is noted."""
    async with database.statement() as connection:
        used = select(api_keys.c.last_used_at).where(api_keys.c.prefix == key.prefix)
        return (await connection.execute(used)).scalar() is not None


@asynccontextmanager
async def a_stand(make_settings: MakeSettings, database_url: str, near: Database) -> AsyncIterator[Stand]:
    """A register with a way of its own to this database, and with as many connections as in production."""
    async with proxy_to_database(database_url) as (proxy, url):
        settings = make_settings(database={"url": url, "pool_size": CONNECTIONS})
        far = connect(settings.database, application="tests")
        stand = Stand(settings=settings, far=far, near=near, proxy=proxy)
        yield stand
        await proxy.stop()
        async with stand.register.running():
            pass
