"""
Callers with API keys, as the database has them.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from fulfillment.api_key import MARK, ApiKey
from fulfillment.db.engine import Reading, Writing
from fulfillment.db.tables import api_keys, principals
from fulfillment.domain.identity import CUSTOMER_SCOPES, ROLE_FORM, Principal, Scope, is_role

_USED_AT_MOST_EVERY = timedelta(minutes=1)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAMES = "1 to 63 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit"
_LONGEST_CUSTOMER_ID = 100
_SHOWN = 12


class PrincipalError(Exception):
    """Callers or keys cannot be changed like this; the message says why."""


class InvalidPrincipal(PrincipalError):
    """A caller cannot be like this; the message says what is allowed."""


class NameTaken(PrincipalError):
    """A caller of this name exists, or existed: what it placed would be somebody else's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a caller {name}, or was: a name is never given again; choose another")


class NameRevoked(PrincipalError):
    """The caller was revoked, and that is for ever."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the caller {name} was revoked for ever; create one with another name")


class UnknownName(PrincipalError):
    """There is no caller of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no caller {_shown(name)}")


class UnknownKey(PrincipalError):
    """No key begins like this."""

    def __init__(self, prefix: str) -> None:
        super().__init__(f"there is no key {_shown(prefix)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrincipal:
    """
    A caller to be.

    Raises:
        InvalidPrincipal: there can be no such caller.
    """

    name: str
    scopes: Collection[Scope]
    roles: Collection[str] = field(default_factory=tuple)
    customer_id: str | None = None

    def __post_init__(self) -> None:
        # A name that looks like a key could not be told from one where both may be given.
        if not _NAME.fullmatch(self.name) or self.name.startswith(MARK):
            msg = f"a name has {_NAMES}; it does not begin with {MARK} as keys do"
            raise InvalidPrincipal(msg)
        if not all(map(is_role, self.roles)):
            msg = f"a role has {ROLE_FORM}"
            raise InvalidPrincipal(msg)
        if self.customer_id is not None:
            self._check_customer(self.customer_id)

    @property
    def columns(self) -> dict[str, object]:
        """What a row says of it, beside its name."""
        return {
            "scopes": sorted(set(self.scopes)),
            "roles": sorted(set(self.roles)),
            "customer_id": self.customer_id,
        }

    def _check_customer(self, customer_id: str) -> None:
        if (
            not 0 < len(customer_id) <= _LONGEST_CUSTOMER_ID
            or customer_id != customer_id.strip()
            or "\0" in customer_id
        ):
            msg = f"a customer id has 1 to {_LONGEST_CUSTOMER_ID} characters, none of them NUL, no space around them"
            raise InvalidPrincipal(msg)
        if not CUSTOMER_SCOPES.issuperset(self.scopes):
            allowed = ", ".join(sorted(CUSTOMER_SCOPES))
            msg = f"a caller bound to a customer reads, pays and cancels its own orders; no more than {allowed}"
            raise InvalidPrincipal(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A key that is good now: whose, for how long (None: no end), and whether its last use is not noted yet."""

    principal: Principal
    expires_in: timedelta | None
    use_is_news: bool


def _shown(typed: str) -> str:
    """The beginning of what is not there: it may be a whole key with a slip in it, and messages are kept in logs."""
    return typed if len(typed) <= _SHOWN else f"{typed[:_SHOWN]}[...]"


def principal_id(name: str) -> str:
    """How the timeline calls the caller of this name."""
    return f"key:{name}"


def is_revoked() -> ColumnElement[bool]:
    """Of a key joined with its caller: whether either was revoked."""
    return api_keys.c.revoked_at.is_not(None) | principals.c.revoked_at.is_not(None)


def is_expired() -> ColumnElement[bool]:
    """Of a key: whether its time is over."""
    return api_keys.c.expires_at.is_not(None) & (api_keys.c.expires_at <= func.now())


def _use_is_news() -> ColumnElement[bool]:
    used = api_keys.c.last_used_at
    return or_(used.is_(None), used < func.now() - _USED_AT_MOST_EVERY)


def _known() -> Select[Any]:
    return (
        select(
            (api_keys.c.expires_at - func.now()).label("expires_in"),
            principals.c.name,
            principals.c.scopes,
            principals.c.roles,
            principals.c.customer_id,
            _use_is_news().label("use_is_news"),
        )
        .join(principals, principals.c.name == api_keys.c.principal)
        # An index compares byte by byte, and how long that takes tells nothing of use: what is compared is the SHA-256
        # of what was sent, and nobody can choose texts whose digests come closer to one they do not know.
        .where(api_keys.c.digest == bindparam("key_digest", type_=LargeBinary), ~is_revoked(), ~is_expired())
    )


_KNOWN = _known()


async def find(connection: Reading | Writing, key: ApiKey) -> KnownKey | None:
    """Who holds this key; None when it is unknown, expired or revoked."""
    row = (await connection.execute(_KNOWN, {"key_digest": key.digest})).first()
    if row is None:
        return None
    principal = Principal(
        id=principal_id(row.name),
        # A scope of a newer release means nothing to this one.
        scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        roles=frozenset(row.roles),
        customer_id=row.customer_id,
    )
    return KnownKey(principal=principal, expires_in=row.expires_in, use_is_news=row.use_is_news)


async def note_use(connection: Reading, key: ApiKey) -> None:
    """
    A key was used now; kept to the minute.

    Whoever finds the row locked leaves the note to others: no request waits for another one, or for an operator.
    """
    unnoted = select(api_keys.c.prefix).where(api_keys.c.prefix == key.prefix, _use_is_news())
    mine = unnoted.with_for_update(skip_locked=True).scalar_subquery()
    await connection.execute(update(api_keys).where(api_keys.c.prefix == mine).values(last_used_at=func.now()))


async def create(connection: Writing, new: NewPrincipal, key: ApiKey, *, expires_at: datetime | None = None) -> None:
    """
    A caller with its first key.

    Raises:
        NameTaken: there is one of this name, or was.
    """
    try:
        await connection.execute(insert(principals).values(name=new.name, **new.columns))
    except IntegrityError:
        raise NameTaken(new.name) from None
    await _add(connection, new.name, key, expires_at)


async def rotate(
    connection: Writing, name: str, key: ApiKey, *, overlap: timedelta, expires_at: datetime | None = None
) -> None:
    """
    Another key for a caller; those it has end after the overlap, unless they end sooner.

    Raises:
        UnknownName: there is no such caller.
        NameRevoked: it was revoked, and that is for ever.
    """
    caller = select(principals.c.revoked_at).where(principals.c.name == name)
    row = (await connection.execute(caller.with_for_update())).first()
    if row is None:
        raise UnknownName(name)
    if row.revoked_at is not None:
        raise NameRevoked(name)
    end, ends = func.now() + overlap, api_keys.c.expires_at
    others = (api_keys.c.principal == name) & or_(ends.is_(None), ends > end)
    await connection.execute(update(api_keys).where(others).values(expires_at=end))
    await _add(connection, name, key, expires_at)


async def revoke(connection: Writing, name: str) -> None:
    """
    A caller is one no more: its keys are dead, and its name is never given again. May be repeated.

    Raises:
        UnknownName: there is no such caller.
    """
    revoked_at = func.coalesce(principals.c.revoked_at, func.now())
    change = update(principals).where(principals.c.name == name).values(revoked_at=revoked_at)
    if (await connection.execute(change)).rowcount == 0:
        raise UnknownName(name)


async def revoke_key(connection: Writing, prefix: str) -> str:
    """
    A single key is dead; the name of its caller, who may have others. May be repeated.

    Raises:
        UnknownKey: no key has this prefix.
    """
    revoked_at = func.coalesce(api_keys.c.revoked_at, func.now())
    change = update(api_keys).where(api_keys.c.prefix == prefix).values(revoked_at=revoked_at)
    name: str | None = (await connection.execute(change.returning(api_keys.c.principal))).scalar()
    if name is None:
        raise UnknownKey(prefix)
    return name


async def _add(connection: Writing, name: str, key: ApiKey, expires_at: datetime | None) -> None:
    row = {"prefix": key.prefix, "principal": name, "digest": key.digest, "expires_at": expires_at}
    await connection.execute(insert(api_keys).values(row))
