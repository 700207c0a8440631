"""
The callers of a local stack: their keys are good over restarts, and after whatever was done to them by hand.
"""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database
from fulfillment.db.tables import api_keys
from fulfillment.db.tables import principals as callers
from fulfillment.domain.identity import Principal, Scope
from fulfillment.local.callers import CALLERS, introduce
from fulfillment.local.errors import StackError
from fulfillment.local.state import Secrets

KEYS = Secrets.generate().api_keys


async def who(database: Database, text: str) -> Principal | None:
    """Whom the service takes the holder of this key for."""
    async with database.statement() as connection:
        known = await principals.find(connection, ApiKey(text))
    return known.principal if known else None


async def test_every_caller_gets_in_with_just_its_scopes(database: Database, database_url: str) -> None:
    assert await introduce(database_url, KEYS) == KEYS

    found = {name: await who(database, key) for name, key in KEYS.items()}
    for name, caller in CALLERS.items():
        principal = found[name]
        assert principal is not None
        assert (principal.id, principal.scopes) == (f"key:{name}", frozenset(caller.scopes))
        assert (principal.roles, principal.customer_id) == (frozenset(caller.roles), caller.customer_id)


def test_no_caller_but_the_administrator_may_do_everything() -> None:
    assert set(CALLERS["admin"].scopes) == set(Scope)
    for name, caller in CALLERS.items():
        assert (Scope.ADMIN in caller.scopes) is (name == "admin")
    assert CALLERS["customer"].customer_id == "C-1"
    assert {name: set(CALLERS[name].roles) for name in CALLERS if CALLERS[name].roles} == {
        "approver_manager": {"manager"},
        "approver_manager_2": {"manager"},
        "approver_director": {"director"},
        "approver_vp": {"vp"},
        "approver_ceo": {"ceo"},
        "approver_compliance": {"compliance"},
        "approver_compliance_2": {"compliance"},
    }


async def test_a_restart_changes_nothing_and_nothing_secret_is_stored(database: Database, database_url: str) -> None:
    await introduce(database_url, KEYS)
    before = await stored(database)

    assert await introduce(database_url, KEYS) == KEYS

    after = await stored(database)
    assert after == before
    assert not [key for key in KEYS.values() if key.removeprefix("ful_")[9:] in after]


async def test_a_caller_of_an_earlier_release_gets_the_scopes_of_this_one(
    database: Database, database_url: str
) -> None:
    await introduce(database_url, KEYS)
    async with database.statement() as connection:
        await connection.execute(update(callers).values(scopes=["orders:read"], roles=["clerk"]))

    await introduce(database_url, KEYS)

    manager = await who(database, KEYS["approver_manager"])
    assert manager is not None
    assert (manager.scopes, manager.roles) == (
        frozenset(CALLERS["approver_manager"].scopes),
        frozenset({"manager"}),
    )


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
async def test_a_key_that_was_ended_by_hand_is_replaced_and_stays_ended(
    database: Database, database_url: str, column: str
) -> None:
    await introduce(database_url, KEYS)
    async with database.statement() as connection:
        ended = update(api_keys).where(api_keys.c.principal == "shop")
        await connection.execute(ended.values({column: func.now() - timedelta(seconds=1)}))

    keys = await introduce(database_url, KEYS)

    assert {name for name in KEYS if keys[name] != KEYS[name]} == {"shop"}
    assert await who(database, KEYS["shop"]) is None
    shop = await who(database, keys["shop"])
    assert shop is not None
    assert shop.id == "key:shop"
    assert await introduce(database_url, keys) == keys


async def test_a_caller_who_was_revoked_by_hand_does_not_come_back(database: Database, database_url: str) -> None:
    await introduce(database_url, KEYS)
    async with database.statement() as connection:
        await connection.execute(update(callers).where(callers.c.name == "shop").values(revoked_at=func.now()))

    keys = await introduce(database_url, KEYS)

    assert KEYS.keys() - keys.keys() == {"shop"}
    assert await who(database, KEYS["shop"]) is None


async def test_a_database_that_is_not_ready_for_them_is_told_without_their_keys(empty_database_url: str) -> None:
    with pytest.raises(StackError, match="development keys could not be written") as refused:
        await introduce(empty_database_url, KEYS)

    assert "ful_" not in str(refused.value)


async def stored(database: Database) -> str:
    """All that the database knows of callers, but for when a key was used."""
    columns = [column for column in (*callers.c, *api_keys.c) if column.name != "last_used_at"]
    query = select(*columns).join_from(callers, api_keys).order_by(callers.c.name)
    async with database.statement() as connection:
        return str((await connection.execute(query)).all())
