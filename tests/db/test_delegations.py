"""
Delegations: what they lend, to whom, and when they end.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from fulfillment.db import delegations, principals
from fulfillment.db.delegations import Delegation, NewDelegation
from fulfillment.db.engine import Database
from fulfillment.domain.approvals import Authority
from fulfillment.domain.identity import Scope
from tests.fixtures.identity import a_caller

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
JWT = "jwt:https://issuer.example#boss"


async def delegated(
    database: Database,
    delegator: str,
    delegate: str,
    *roles: str,
    starts_at: datetime = NOW - DAY,
    ends_at: datetime = NOW + DAY,
) -> Delegation:
    new = NewDelegation(delegator=delegator, delegate=delegate, roles=roles, starts_at=starts_at, ends_at=ends_at)
    async with database.statement() as connection:
        return await delegations.put(connection, new)


async def lent(database: Database, delegate: str, now: datetime = NOW) -> tuple[Authority, ...]:
    async with database.statement() as connection:
        return await delegations.active_for(connection, delegate, now)


async def lenders(database: Database, delegate: str, now: datetime = NOW) -> dict[str | None, Collection[str]]:
    return {authority.on_behalf_of: authority.roles for authority in await lent(database, delegate, now)}


async def revoke(database: Database, delegation: Delegation, delegator: str | None) -> Delegation | None:
    async with database.statement() as connection:
        return await delegations.revoke(connection, delegation.id, delegator=delegator)


async def approver(database: Database, name: str, *roles: str) -> str:
    await a_caller(database, name, Scope.APPROVALS_DECIDE, roles=roles)
    return principals.principal_id(name)


async def test_a_delegation_lends_its_roles_from_its_beginning_until_just_before_its_end(database: Database) -> None:
    boss = await approver(database, "boss", "director", "vp")
    await delegated(database, boss, "key:ada", "director", starts_at=NOW, ends_at=NOW + DAY)

    assert await lent(database, "key:ada", NOW) == (Authority(roles=frozenset({"director"}), on_behalf_of=boss),)
    assert await lent(database, "key:ada", NOW + DAY - MOMENT)
    assert not await lent(database, "key:ada", NOW - MOMENT)
    assert not await lent(database, "key:ada", NOW + DAY)
    assert not await lent(database, boss)
    assert not await lent(database, "key:bob")


async def test_roles_that_the_delegator_has_lost_are_not_lent(database: Database) -> None:
    boss = await approver(database, "boss", "director", "vp")
    await delegated(database, boss, "key:ada", "director", "vp")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE principals SET roles = '{vp,ceo}' WHERE name = 'boss'"))

    assert await lenders(database, "key:ada") == {boss: {"vp"}}

    async with database.transaction() as connection:
        await connection.execute(text("UPDATE principals SET roles = '{}' WHERE name = 'boss'"))
    assert not await lent(database, "key:ada")


@pytest.mark.parametrize(
    "lost",
    ["UPDATE principals SET revoked_at = now()", "UPDATE principals SET scopes = '{approvals:read}'"],
    ids=["revoked", "without the scope"],
)
async def test_a_delegator_who_may_not_decide_any_more_lends_nothing(database: Database, lost: str) -> None:
    boss = await approver(database, "boss", "director")
    await delegated(database, boss, "key:ada", "director")
    async with database.transaction() as connection:
        await connection.execute(text(lost))

    assert not await lent(database, "key:ada")


async def test_a_delegator_without_a_good_key_still_lends(database: Database) -> None:
    boss = await approver(database, "boss", "director")
    await delegated(database, boss, "key:ada", "director")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE api_keys SET revoked_at = now() WHERE principal = 'boss'"))

    assert await lenders(database, "key:ada") == {boss: {"director"}}


async def test_a_caller_that_does_not_exist_lends_nothing(database: Database) -> None:
    await delegated(database, "key:nobody", "key:ada", "director")

    assert not await lent(database, "key:ada")


async def test_a_delegator_with_a_token_lends_what_was_written_down(database: Database) -> None:
    await delegated(database, JWT, "key:ada", "director")

    assert await lenders(database, "key:ada") == {JWT: {"director"}}


async def test_what_was_lent_is_not_lent_on(database: Database) -> None:
    boss, ada = await approver(database, "boss", "director"), await approver(database, "ada", "manager")
    await delegated(database, boss, ada, "director")
    # Refused by the API; even so it would lend nothing: the manager has never been a director.
    await delegated(database, ada, "key:bob", "manager", "director")

    assert await lenders(database, "key:bob") == {ada: {"manager"}}


async def test_two_people_may_stand_in_for_each_other(database: Database) -> None:
    boss, ada = await approver(database, "boss", "director"), await approver(database, "ada", "manager")
    await delegated(database, boss, ada, "director")
    await delegated(database, ada, boss, "manager")

    assert await lenders(database, ada) == {boss: {"director"}}
    assert await lenders(database, boss) == {ada: {"manager"}}


async def test_a_revoked_delegation_lends_nothing_and_says_since_when(database: Database) -> None:
    boss = await approver(database, "boss", "director")
    given = await delegated(database, boss, "key:ada", "director")

    revoked, again = await revoke(database, given, boss), await revoke(database, given, boss)

    assert revoked is not None
    assert revoked.revoked_at is not None
    assert revoked == again
    assert not await lent(database, "key:ada")


async def test_nobody_revokes_the_delegation_of_somebody_else_unless_they_may_revoke_all(database: Database) -> None:
    boss = await approver(database, "boss", "director")
    given = await delegated(database, boss, "key:ada", "director")

    assert await revoke(database, given, "key:ada") is None
    assert await lent(database, "key:ada")
    assert await revoke(database, given, None) is not None
    assert not await lent(database, "key:ada")


async def test_another_delegation_to_the_same_person_takes_the_place_of_the_first(database: Database) -> None:
    boss = await approver(database, "boss", "director", "vp")
    first = await delegated(database, boss, "key:ada", "director")
    await revoke(database, first, boss)

    second = await delegated(database, boss, "key:ada", "vp", starts_at=NOW, ends_at=NOW + 2 * DAY)

    assert second == Delegation(
        id=first.id,
        delegator=boss,
        delegate="key:ada",
        roles=("vp",),
        starts_at=NOW,
        ends_at=NOW + 2 * DAY,
        revoked_at=None,
        created_at=first.created_at,
    )
    assert await lenders(database, "key:ada") == {boss: {"vp"}}


async def test_the_lists_are_complete_and_of_one_person(database: Database) -> None:
    given = [await delegated(database, JWT, f"key:d{n}", "manager") for n in range(3)]
    received = [await delegated(database, f"key:b{n}", JWT, "manager") for n in range(3)]
    await revoke(database, given[1], None)

    async with database.statement() as connection:
        first = await delegations.listed(connection, JWT, "given", after=None, limit=2)
        rest = await delegations.listed(connection, JWT, "given", after=first[-1].position, limit=2)
        others = await delegations.listed(connection, JWT, "received", after=None, limit=9)

    assert [one.id for one in (*first, *rest)] == [one.id for one in given]
    assert [one.id for one in others] == [one.id for one in received]
    assert [one.revoked_at is None for one in (*first, *rest)] == [True, False, True]


async def test_only_callers_that_exist_can_be_delegates_tokens_always_may(database: Database) -> None:
    await approver(database, "ada")
    await approver(database, "old")
    async with database.transaction() as connection:
        await principals.revoke(connection, "old")

    async with database.statement() as connection:
        possible = {
            person: await delegations.may_be_delegated_to(connection, person)
            for person in ("key:ada", "key:old", "key:nobody", JWT)
        }

    assert possible == {"key:ada": True, "key:old": False, "key:nobody": False, JWT: True}
