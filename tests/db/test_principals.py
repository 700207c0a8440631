"""
Callers and their keys: who may be one, how keys take turns, and how both end.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from fulfillment.api_key import ApiKey
from fulfillment.db import principals
from fulfillment.db.engine import Database
from fulfillment.db.key_list import ListedKey, listed
from fulfillment.db.principals import (
    InvalidPrincipal,
    KnownKey,
    NameRevoked,
    NameTaken,
    NewPrincipal,
    PrincipalError,
    UnknownKey,
    UnknownName,
)
from fulfillment.db.tables import api_keys
from fulfillment.domain.identity import Scope
from tests.fixtures.identity import TESTER_KEY, a_caller
from tests.fixtures.queries import counting_queries
from tests.fixtures.waiting import until

SHOP = NewPrincipal(name="shop", scopes=(Scope.ORDERS_PLACE, Scope.ORDERS_READ), roles=("manager",))
DAY = timedelta(days=1)


async def find(database: Database, key: ApiKey) -> KnownKey | None:
    async with database.statement() as connection:
        return await principals.find(connection, key)


async def is_good(database: Database, key: ApiKey) -> bool:
    return await find(database, key) is not None


async def keys_of(database: Database, name: str) -> list[ListedKey]:
    async with database.statement() as connection:
        return await listed(connection, name=name, every=True)


async def rotated(database: Database, name: str, overlap: timedelta = DAY) -> ApiKey:
    key = ApiKey.new()
    async with database.transaction() as connection:
        await principals.rotate(connection, name, key, overlap=overlap)
    return key


async def revoke(database: Database, name: str) -> None:
    async with database.transaction() as connection:
        await principals.revoke(connection, name)


async def set_key(database: Database, key: ApiKey, **columns: Any) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(api_keys).where(api_keys.c.prefix == key.prefix).values(columns))


async def somebody_waits(database: Database) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.statement() as connection:
        return (await connection.execute(text(query))).rowcount > 0


async def test_a_key_says_whose_it_is(database: Database) -> None:
    key = ApiKey.new()
    async with database.transaction() as connection:
        await principals.create(connection, SHOP, key, expires_at=datetime.now(UTC) + DAY)

    known = await find(database, key)

    assert known is not None
    assert known.principal.id == "key:shop"
    assert known.principal.roles == {"manager"}
    assert known.principal.scopes == {Scope.ORDERS_PLACE, Scope.ORDERS_READ}
    assert known.expires_in is not None
    assert timedelta(0) < DAY - known.expires_in < timedelta(minutes=1)


async def test_a_key_of_which_only_the_prefix_is_right_is_unknown(database: Database) -> None:
    key = await a_caller(database, "shop")
    other = ApiKey(key.text[:-43] + ApiKey.new().text[-43:])

    assert other.prefix == key.prefix
    assert not await is_good(database, other)


async def test_a_scope_of_a_newer_release_is_left_out(database: Database) -> None:
    key = await a_caller(database, "shop", Scope.ORDERS_READ)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE principals SET scopes = scopes || '{orders:fly}' WHERE name = 'shop'"))

    known = await find(database, key)

    assert known is not None
    assert known.principal.scopes == {Scope.ORDERS_READ}


@pytest.mark.parametrize(
    "name", ["", "Shop", "-shop", "a b", "shöp", "a/b", "a#b", "a\n", "n" * 64, "ful_abcdefgh", TESTER_KEY.text]
)
def test_a_name_is_safe_in_logs_commands_and_addresses(name: str) -> None:
    with pytest.raises(InvalidPrincipal, match="1 to 63"):
        NewPrincipal(name=name, scopes=())


@pytest.mark.parametrize("role", ["", "Manager", "a b", "r" * 64])
def test_a_role_is_as_safe(role: str) -> None:
    with pytest.raises(InvalidPrincipal, match="a role has 1 to 63"):
        NewPrincipal(name="shop", scopes=(), roles=("manager", role))


@pytest.mark.parametrize("name", ["a", "0", "approver_manager", "erp.eu-1", "n" * 63])
def test_the_usual_names_are_fine(name: str) -> None:
    assert NewPrincipal(name=name, scopes=(), roles=(name,)).name == name


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope not in ("orders:read", "orders:change")])
def test_a_caller_bound_to_a_customer_may_not_be_given_more_than_customers_can_have(scope: Scope) -> None:
    with pytest.raises(InvalidPrincipal, match="no more than orders:change, orders:read"):
        NewPrincipal(name="ada", scopes=(Scope.ORDERS_READ, scope), customer_id="C-1")


@pytest.mark.parametrize("customer", ["", " ", " C-1", "C-1\n", "c" * 101, "a\0b"])
def test_a_customer_id_is_one_an_order_can_have(customer: str) -> None:
    with pytest.raises(InvalidPrincipal, match="1 to 100"):
        NewPrincipal(name="ada", scopes=(), customer_id=customer)


async def test_a_name_is_never_given_again(database: Database) -> None:
    await a_caller(database, "shop")
    with pytest.raises(NameTaken):
        await a_caller(database, "shop")
    await revoke(database, "shop")
    with pytest.raises(NameTaken):
        await a_caller(database, "shop")


async def test_after_a_rotation_both_keys_are_good_and_the_old_one_ends(database: Database) -> None:
    old = await a_caller(database, "shop", Scope.ORDERS_READ)
    new = await rotated(database, "shop")

    before, after = await find(database, old), await find(database, new)

    assert before is not None
    assert after is not None
    assert before.principal == after.principal
    assert after.expires_in is None
    assert before.expires_in is not None
    assert timedelta(0) < DAY - before.expires_in < timedelta(minutes=1)


async def test_an_overlap_never_makes_a_key_live_longer(database: Database) -> None:
    short, dead = await a_caller(database, "shop"), await rotated(database, "shop")
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await set_key(database, short, expires_at=soon)
    await set_key(database, dead, expires_at=soon, revoked_at=soon - DAY)

    await rotated(database, "shop")
    ends = {key.prefix: key.expires_at for key in await keys_of(database, "shop")}

    assert (ends[short.prefix], ends[dead.prefix]) == (soon, soon)
    assert not await is_good(database, dead)


async def test_an_overlap_of_nothing_ends_the_old_key_at_once(database: Database) -> None:
    old = await a_caller(database, "shop")
    new = await rotated(database, "shop", timedelta(0))

    assert (await is_good(database, old), await is_good(database, new)) == (False, True)


async def test_a_caller_whose_keys_have_all_ended_may_get_another(database: Database) -> None:
    expired = await a_caller(database, "shop")
    await set_key(database, expired, expires_at=datetime.now(UTC))
    new = await rotated(database, "shop")

    assert (await is_good(database, expired), await is_good(database, new)) == (False, True)


async def test_a_revoked_caller_is_one_no_more(database: Database) -> None:
    keys = [await a_caller(database, "shop"), await rotated(database, "shop")]
    await revoke(database, "shop")
    await revoke(database, "shop")

    assert not any([await is_good(database, key) for key in keys])
    assert [key.state for key in await keys_of(database, "shop")] == ["revoked", "revoked"]
    with pytest.raises(NameRevoked):
        await rotated(database, "shop")


async def test_a_rotation_beside_a_revocation_never_brings_a_caller_back(database: Database) -> None:
    await a_caller(database, "shop")
    results = await asyncio.gather(
        *(rotated(database, "shop") for _ in range(4)), revoke(database, "shop"), return_exceptions=True
    )

    assert all(isinstance(result, ApiKey | NameRevoked | None) for result in results)
    assert {key.state for key in await keys_of(database, "shop")} == {"revoked"}


async def test_of_two_rotations_at_once_the_second_ends_the_key_of_the_first(database: Database) -> None:
    await a_caller(database, "shop")
    first = ApiKey.new()
    async with database.transaction() as connection:
        await principals.rotate(connection, "shop", first, overlap=DAY)
        second = asyncio.create_task(rotated(database, "shop"))
        await until(lambda: somebody_waits(database))
    last = await second
    endless = [key.prefix for key in await keys_of(database, "shop") if key.expires_at is None]

    assert endless == [last.prefix]


async def test_a_single_key_can_be_revoked(database: Database) -> None:
    leaked, other = await a_caller(database, "shop"), await rotated(database, "shop")
    for _ in range(2):
        async with database.transaction() as connection:
            assert await principals.revoke_key(connection, leaked.prefix) == "shop"

    assert (await is_good(database, leaked), await is_good(database, other)) == (False, True)


async def test_who_is_not_there_cannot_be_changed(database: Database) -> None:
    async with database.transaction() as connection:
        with pytest.raises(UnknownName):
            await principals.revoke(connection, "nobody")
        with pytest.raises(UnknownName):
            await principals.rotate(connection, "nobody", ApiKey.new(), overlap=DAY)
        with pytest.raises(UnknownKey):
            await principals.revoke_key(connection, "ful_nobody22")


def test_every_refusal_is_a_sentence_for_people() -> None:
    for kind in (NameTaken, NameRevoked, UnknownName, UnknownKey):
        error: PrincipalError = kind("shop")
        assert " shop" in str(error)


async def test_a_good_key_costs_one_statement_and_its_use_is_noted_once_a_minute(database: Database) -> None:
    key = await a_caller(database, "shop")
    first = await find(database, key)
    async with database.statement() as connection:
        await principals.note_use(connection, key)
    with counting_queries(database) as queries:
        second = await find(database, key)
    await set_key(database, key, last_used_at=datetime.now(UTC) - timedelta(seconds=61))
    later = await find(database, key)

    assert len(queries) == 1
    assert [known.use_is_news for known in (first, second, later) if known] == [True, False, True]


async def test_noting_a_use_waits_for_nobody_who_holds_the_key(database: Database) -> None:
    key = await a_caller(database, "shop")
    async with database.transaction() as operator:
        await operator.execute(select(api_keys).where(api_keys.c.prefix == key.prefix).with_for_update())
        async with asyncio.timeout(2), database.statement() as connection:
            await principals.note_use(connection, key)

    assert (await keys_of(database, "shop"))[0].last_used_at is None


async def test_keys_are_listed_with_how_they_stand_and_without_their_secrets(database: Database) -> None:
    old = await a_caller(database, "shop", Scope.ORDERS_READ, roles=("manager",), customer_id="C-1")
    new = await rotated(database, "shop")
    await set_key(database, old, expires_at=datetime.now(UTC) - DAY)
    gone = await a_caller(database, "gone")
    await revoke(database, "gone")
    async with database.statement() as connection:
        good, every = await listed(connection), await listed(connection, every=True)

    assert [(key.name, key.prefix) for key in good] == [("shop", new.prefix), ("tests", TESTER_KEY.prefix)]
    assert [(key.prefix, key.state) for key in every[:-1]] == [
        (gone.prefix, "revoked"),
        (old.prefix, "expired"),
        (new.prefix, "good"),
    ]
    assert replace(good[0], created_at=every[1].created_at) == ListedKey(
        name="shop",
        prefix=new.prefix,
        state="good",
        scopes=["orders:read"],
        roles=["manager"],
        customer_id="C-1",
        created_at=every[1].created_at,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    assert every[0].revoked_at is not None
