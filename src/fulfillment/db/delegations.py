"""
Delegations: for a time, somebody decides in the right of somebody else.

A delegation lends roles that its delegator has, never those that were lent to them: there are no chains.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, and_, any_, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from fulfillment.db.engine import Reading
from fulfillment.db.principals import principal_id
from fulfillment.db.tables import delegations, principals
from fulfillment.domain.approvals import Authority
from fulfillment.domain.identity import Scope

Direction = Literal["given", "received"]
_KEY = principal_id("")
_COLUMNS: tuple[ColumnElement[Any], ...] = (
    delegations.c.id,
    delegations.c.delegator,
    delegations.c.delegate,
    delegations.c.roles,
    delegations.c.starts_at,
    delegations.c.ends_at,
    delegations.c.revoked_at,
    delegations.c.created_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelegation:
    """The delegate decides with these roles of the delegator from `starts_at` until just before `ends_at`."""

    delegator: str
    delegate: str
    roles: Collection[str]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A delegation as it is written down; what it lends now, `active_for` says."""

    id: UUID
    delegator: str
    delegate: str
    roles: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    created_at: datetime

    @property
    def position(self) -> tuple[datetime, UUID]:
        """Its place in a list."""
        return self.created_at, self.id


async def put(connection: Reading, new: NewDelegation) -> Delegation:
    """There is one per pair: another takes its place, and is not revoked even if the one before was."""
    values = {"roles": sorted(set(new.roles)), "starts_at": new.starts_at, "ends_at": new.ends_at}
    pair = {"delegator": new.delegator, "delegate": new.delegate}
    statement = insert(delegations).values(id=uuid4(), **pair, **values)
    replaced = statement.on_conflict_do_update(
        index_elements=list(pair), set_={**values, "revoked_at": None, "updated_at": func.now()}
    )
    return _delegation((await connection.execute(replaced.returning(*_COLUMNS))).one())


async def listed(
    connection: Reading, person: str, direction: Direction, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Delegation]:
    """What somebody has delegated, or what was delegated to them, ended and revoked ones too; oldest first."""
    mine = delegations.c.delegator if direction == "given" else delegations.c.delegate
    place = delegations.c.created_at, delegations.c.id
    query = select(*_COLUMNS).where(mine == person).order_by(*place).limit(limit)
    if after is not None:
        query = query.where(tuple_(*place) > after)
    return [_delegation(row) for row in await connection.execute(query)]


async def revoke(connection: Reading, delegation_id: UUID, *, delegator: str | None) -> Delegation | None:
    """
    A delegation lends nothing from now on. May be repeated.

    With a delegator, only theirs is found; None when there is none.
    """
    revoked_at = func.coalesce(delegations.c.revoked_at, func.now())
    change = update(delegations).where(delegations.c.id == delegation_id)
    change = change.values(revoked_at=revoked_at, updated_at=func.now())
    if delegator is not None:
        change = change.where(delegations.c.delegator == delegator)
    row = (await connection.execute(change.returning(*_COLUMNS))).first()
    return _delegation(row) if row else None


async def active_for(connection: Reading, delegate: str, now: datetime) -> tuple[Authority, ...]:
    """
    What somebody may decide with on behalf of others at this moment, by delegator.

    A delegator with an API key lends what they have now; one who was revoked, or may not decide any more, has nothing
    to lend. That their keys have ended takes nothing away: people without a good key are the very ones who delegate.
    The roles of a delegator with a JWT are known from the token that they delegated with.
    """
    rows = await connection.execute(_active(delegate, now))
    lent = ((row.delegator, _still_held(row)) for row in rows)
    return tuple(Authority(roles=roles, on_behalf_of=delegator) for delegator, roles in lent if roles)


async def may_be_delegated_to(connection: Reading, person: str) -> bool:
    """Whether they could use it, as far as is known: a caller with an API key may decide, and was not revoked."""
    if not person.startswith(_KEY):
        return True
    known = select(principals.c.name).where(
        principals.c.name == person.removeprefix(_KEY),
        principals.c.revoked_at.is_(None),
        literal(Scope.APPROVALS_DECIDE.value) == any_(principals.c.scopes),
    )
    return (await connection.execute(known)).first() is not None


def _active(delegate: str, now: datetime) -> Select[Any]:
    has_key = delegations.c.delegator == _KEY + principals.c.name
    return (
        select(
            delegations.c.delegator,
            delegations.c.roles,
            principals.c.roles.label("held"),
            principals.c.scopes,
            principals.c.revoked_at,
        )
        .outerjoin(principals, has_key)
        .where(delegations.c.delegate == delegate, _is_active(now))
        .order_by(delegations.c.delegator)
    )


def _is_active(now: datetime) -> ColumnElement[bool]:
    return and_(delegations.c.revoked_at.is_(None), delegations.c.starts_at <= now, delegations.c.ends_at > now)


def _still_held(row: Row[Any]) -> frozenset[str]:
    if not row.delegator.startswith(_KEY):
        return frozenset(row.roles)
    if row.held is None or row.revoked_at is not None or Scope.APPROVALS_DECIDE not in row.scopes:
        return frozenset()
    return frozenset(row.roles).intersection(row.held)


def _delegation(row: Row[Any]) -> Delegation:
    return Delegation(**{**row._mapping, "roles": tuple(row.roles)})
