"""
API keys as operators look at them: all but their texts, which nobody has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import case, func, select

from fulfillment.db.engine import Reading
from fulfillment.db.principals import is_expired, is_revoked
from fulfillment.db.tables import api_keys, principals

KeyState = Literal["good", "expired", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key and whom it stands for; `last_used_at` is to the minute."""

    name: str
    prefix: str
    state: KeyState
    scopes: Sequence[str]
    roles: Sequence[str]
    customer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def listed(connection: Reading, *, name: str | None = None, every: bool = False) -> list[ListedKey]:
    """The good keys, those of one caller with a name, with `every` the dead ones too; by caller, oldest first."""
    query = (
        select(
            principals.c.name,
            api_keys.c.prefix,
            case((is_revoked(), "revoked"), (is_expired(), "expired"), else_="good").label("state"),
            principals.c.scopes,
            principals.c.roles,
            principals.c.customer_id,
            api_keys.c.created_at,
            api_keys.c.expires_at,
            # LEAST of PostgreSQL leaves NULL out: the key went with its caller, or before.
            func.least(api_keys.c.revoked_at, principals.c.revoked_at).label("revoked_at"),
            api_keys.c.last_used_at,
        )
        .join(principals, principals.c.name == api_keys.c.principal)
        .order_by(principals.c.name, api_keys.c.created_at, api_keys.c.prefix)
    )
    if name is not None:
        query = query.where(principals.c.name == name)
    if not every:
        query = query.where(~is_revoked(), ~is_expired())
    return [ListedKey(**row) for row in (await connection.execute(query)).mappings()]
