"""
Who calls the API of a local stack: a caller for each part people play, each with a key that outlives restarts.
"""

from collections.abc import Mapping

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from fulfillment.api_key import ApiKey
from fulfillment.db.engine import Writing, connect
from fulfillment.db.principals import NewPrincipal, find, principal_id
from fulfillment.db.tables import api_keys, principals
from fulfillment.domain.identity import CUSTOMER_SCOPES, Scope
from fulfillment.local.errors import StackError
from fulfillment.settings import Database

SHOP = "shop"
OPERATOR = "operator"
DEPUTY = "approver_deputy"
"""An approver without a role: decides what somebody lends them."""
APPROVERS: Mapping[str, frozenset[str]] = {
    "approver_manager": frozenset({"manager"}),
    "approver_manager_2": frozenset({"manager"}),
    "approver_director": frozenset({"director"}),
    "approver_vp": frozenset({"vp"}),
    "approver_ceo": frozenset({"ceo"}),
    "approver_compliance": frozenset({"compliance"}),
    "approver_compliance_2": frozenset({"compliance"}),
    DEPUTY: frozenset(),
}
"""Who decides about orders, and in which roles."""
CUSTOMER_ID = "C-1"
"""The customer whose orders are all that the caller `customer` sees."""

_DECIDING = frozenset({Scope.ORDERS_READ, Scope.APPROVALS_READ, Scope.APPROVALS_DECIDE})


def _callers() -> tuple[NewPrincipal, ...]:
    shop = {Scope.ORDERS_PLACE, Scope.ORDERS_READ, Scope.ORDERS_CHANGE, Scope.INVENTORY_READ}
    desk = {Scope.ORDERS_READ, Scope.ORDERS_CHANGE, Scope.APPROVALS_READ, Scope.OPERATIONS}
    stock = {Scope.INVENTORY_READ, Scope.INVENTORY_WRITE}
    return (
        NewPrincipal(name=SHOP, scopes=shop),
        NewPrincipal(name=OPERATOR, scopes=desk | stock),
        NewPrincipal(name="admin", scopes=tuple(Scope)),
        *(NewPrincipal(name=name, scopes=_DECIDING, roles=roles) for name, roles in APPROVERS.items()),
        NewPrincipal(name="customer", scopes=CUSTOMER_SCOPES, customer_id=CUSTOMER_ID),
    )


CALLERS: Mapping[str, NewPrincipal] = {caller.name: caller for caller in _callers()}


async def introduce(database_dsn: str, keys: Mapping[str, str]) -> dict[str, str]:
    """
    Make the callers known to the service; doing it again changes nothing.

    Who was revoked by hand stays revoked and is left out: a name is never given again. Who is still known, but whose
    key was revoked or has expired (after a rotation, say), gets another one.

    Args:
        database_dsn: a database with the newest schema.
        keys: the key of every caller.

    Returns:
        The keys that are good, by caller.

    Raises:
        StackError: the database does not take them.
    """
    database = connect(Database.model_validate({"url": database_dsn, "pool_size": 1}), application="fulfillment-local")
    try:
        async with database.transaction() as connection:
            found = {name: await _good_key(connection, name, ApiKey(text)) for name, text in keys.items()}
    except (OSError, SQLAlchemyError) as error:
        msg = f"the development keys could not be written to the database: {error}"
        raise StackError(msg) from error
    finally:
        await database.close()
    return {name: key.text for name, key in found.items() if key}


async def _good_key(connection: Writing, name: str, key: ApiKey) -> ApiKey | None:
    """This key, or another one where it is not good any more; None for a caller who was revoked."""
    if not await _is_welcome(connection, CALLERS[name]):
        return None
    if not await _is_good(connection, name, key):
        key = ApiKey.new()
        await _is_good(connection, name, key)
    return key


async def _is_welcome(connection: Writing, caller: NewPrincipal) -> bool:
    """Write the caller down as this release has it, unless it was revoked."""
    statement = (
        insert(principals)
        .values(name=caller.name, **caller.columns)
        .on_conflict_do_update(index_elements=["name"], set_=caller.columns, where=principals.c.revoked_at.is_(None))
        .returning(principals.c.name)
    )
    return (await connection.execute(statement)).first() is not None


async def _is_good(connection: Writing, name: str, key: ApiKey) -> bool:
    """Write the key down unless it is there; whether it opens anything."""
    row = {"prefix": key.prefix, "principal": name, "digest": key.digest}
    await connection.execute(insert(api_keys).values(row).on_conflict_do_nothing())
    known = await find(connection, key)
    return known is not None and known.principal.id == principal_id(name)
