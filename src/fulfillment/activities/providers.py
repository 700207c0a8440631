"""
The shape of every step that reaches a provider: intent, look-up if it may have happened, call.
"""

from collections.abc import Awaitable, Callable

from fulfillment.db.engine import Database
from fulfillment.db.operations import Operation, close
from fulfillment.domain.errors import OutcomeUnknown
from fulfillment.domain.operations import OperationState
from fulfillment.gateways.answers import Answer


async def ask(
    database: Database,
    operation: Operation,
    *,
    find: Callable[[str], Awaitable[Answer | None]],
    call: Callable[[], Awaitable[Answer]],
) -> Answer:
    """
    The provider's answer to an intended operation. An earlier attempt's answer is looked up before asking again:
    the provider may have done it although we never heard.

    Raises:
        ProviderUnavailable: it was not done.
        OutcomeUnknown: it may have been done; the ledger says so.
    """
    if operation.may_have_happened:
        found = await find(operation.key)
        if found is not None:
            return found
    try:
        return await call()
    except OutcomeUnknown:
        async with database.statement() as connection:
            await close(connection, operation.key, OperationState.UNKNOWN)
        raise
