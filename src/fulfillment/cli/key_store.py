"""
What `fulfillment keys` does with the database, without the HTTP service between them.

Whatever the database says instead of an answer ends the command with a sentence and exit code 1.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import typer
from pydantic import SecretStr

from fulfillment.api_key import MARK, ApiKey
from fulfillment.cli.configuration import USAGE, load
from fulfillment.cli.http import fail, local_stack
from fulfillment.db import principals
from fulfillment.db.engine import Database, connect
from fulfillment.db.key_list import ListedKey, listed
from fulfillment.db.outages import is_outage
from fulfillment.db.principals import InvalidPrincipal, NewPrincipal, PrincipalError
from fulfillment.domain.identity import Scope
from fulfillment.settings import Database as DatabaseSettings
from fulfillment.settings import DatabaseOnly

_URL = "FULFILLMENT_DATABASE__URL"
# SQLSTATE: a table or a column is not there.
_TOO_OLD = ("42P01", "42703")

Keys = list[ListedKey]
Result = TypeVar("Result")


def new_principal(name: str, scopes: list[Scope], roles: list[str], customer: str | None) -> NewPrincipal:
    """A caller to be; one there cannot be ends the command as wrong usage."""
    customer_id = customer.strip() if customer is not None else None
    try:
        return NewPrincipal(name=name, scopes=scopes, roles=roles, customer_id=customer_id)
    except InvalidPrincipal as error:
        typer.echo(f"{error}.", err=True)
        raise typer.Exit(USAGE) from None


def create(new: NewPrincipal, expires_at: datetime | None) -> tuple[ApiKey, Keys]:
    """The key of a new caller."""
    key = ApiKey.new()

    async def work(database: Database) -> Keys:
        async with database.transaction() as connection:
            await principals.create(connection, new, key, expires_at=expires_at)
        return await _keys_of(database, new.name)

    return key, _run(work)


def rotate(name: str, overlap: timedelta, expires_at: datetime | None) -> tuple[ApiKey, Keys]:
    """Another key of a caller, and all it has now."""
    key = ApiKey.new()

    async def work(database: Database) -> Keys:
        async with database.transaction() as connection:
            await principals.rotate(connection, name, key, overlap=overlap, expires_at=expires_at)
        return await _keys_of(database, name)

    return key, _run(work)


def revoke(target: str) -> Keys:
    """The keys of the caller of this name, all revoked; or those of the caller whose key of this prefix is."""

    async def work(database: Database) -> Keys:
        name = target
        async with database.transaction() as connection:
            if target.startswith(MARK):
                name = await principals.revoke_key(connection, target)
            else:
                await principals.revoke(connection, name)
        return await _keys_of(database, name)

    return _run(work)


def find(*, every: bool) -> Keys:
    """The good keys of all callers; with `every` the dead ones too."""

    async def work(database: Database) -> Keys:
        async with database.statement() as connection:
            return await listed(connection, every=every)

    return _run(work)


async def _keys_of(database: Database, name: str) -> Keys:
    async with database.statement() as connection:
        return await listed(connection, name=name, every=True)


def _run(work: Callable[[Database], Awaitable[Result]]) -> Result:
    settings = _settings()
    try:
        return asyncio.run(_connected(settings, work))
    except PrincipalError as error:
        fail(f"{error}.")
    except Exception as error:  # noqa: BLE001 - whatever a database can say, people get a sentence
        fail(_explained(error))


async def _connected(settings: DatabaseSettings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    database = connect(settings, application="keys")
    try:
        return await work(database)
    finally:
        await database.close()


def _settings() -> DatabaseSettings:
    """The database that is named, else that of the local stack of this folder."""
    stack = local_stack()
    if _URL in os.environ or stack is None:
        return load(DatabaseOnly).database
    return DatabaseSettings(url=SecretStr(stack.database_dsn))


def _explained(error: Exception) -> str:
    if is_outage(error):
        return f"The database does not answer ({type(error).__name__}). Does it run, and does {_URL} name it?"
    refusal = getattr(error, "orig", None) or error
    if getattr(refusal, "sqlstate", None) in _TOO_OLD:
        return "The schema of the database is too old: run `fulfillment db upgrade`."
    return f"The database refuses: {str(refusal).partition(chr(10))[0]}"
