"""
Telling a database that is away from a statement that is wrong.
"""

import sqlalchemy.exc

# Classes of SQLSTATE: connection, resources, operator intervention (shutdown, statement time-out), read-only standby.
_AWAY = ("08", "53", "57", "25006")


def is_outage(error: BaseException) -> bool:
    """Whether the same statement may succeed later, once the database is well again."""
    if isinstance(error, OSError | TimeoutError | sqlalchemy.exc.TimeoutError | sqlalchemy.exc.InterfaceError):
        return True
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_AWAY)
