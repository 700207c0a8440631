"""
How Alembic reaches the database. Every migration gives up after five seconds of waiting for a lock: a migration that
waits behind a long query makes every later query wait behind itself.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from fulfillment.db.engine import async_url
from fulfillment.db.tables import metadata

_LOCK_TIMEOUT = "5s"
# One migration at a time: two pods that start together must not both upgrade.
_ADVISORY_LOCK = 0x6F72646572


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        context.run_migrations()


async def _run_online() -> None:
    engine = create_async_engine(async_url(context.config.attributes["url"]))
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


def _run_offline() -> None:
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        context.run_migrations()


if context.is_offline_mode():
    _run_offline()
else:
    asyncio.run(_run_online())
