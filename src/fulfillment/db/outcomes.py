"""
The operations ledger, after a provider was called: what became of an intent. A result that is known stays.
"""

from sqlalchemy import ARRAY, CTE, Integer, Text, Update, any_, bindparam, func, update

from fulfillment.db.changes import Effect
from fulfillment.db.engine import Reading
from fulfillment.db.operations import OPEN
from fulfillment.db.tables import operations
from fulfillment.domain.operations import OperationState


async def close(connection: Reading, key: str, state: OperationState, *, refusal: str | None = None) -> None:
    """Note a result that changes nothing about the order."""
    await connection.execute(_CLOSE, {"closed_key": key, "closed_state": state, "closed_refusal": refusal})


async def park(connection: Reading, key: str, refusal: str) -> None:
    """Note that the provider refused what has to be done: an operator may have it asked again."""
    await connection.execute(_PARK, {"closed_key": key, "closed_refusal": refusal})


async def abandon(connection: Reading, *keys: str) -> None:
    """Note that operations without a result have none to come: they are undone."""
    await connection.execute(_ABANDON, {"abandoned_keys": list(keys)})


async def name(connection: Reading, key: str, reference: str) -> str | None:
    """
    Keep the provider's name for what has no result yet, so that it can be looked up. It has answered: its failures are
    counted anew.

    Returns:
        The name that is kept: the one an earlier attempt gave it, if there was one; None when it has a result.
    """
    kept: str | None = await connection.scalar(_NAME, {"named_key": key, "given_name": reference})
    return kept


async def failed(connection: Reading, key: str, *, failures: int, not_done: bool) -> int:
    """
    Count an attempt the provider did not answer, as so many `failures`; unless it was certainly `not_done`, nobody
    knows what became of it.

    Returns:
        All failures so far; 0 when the operation has a result.
    """
    parameters = {
        "failed_key": key,
        "more_failures": failures,
        "more_not_done": int(not_done),
        "failed_state": None if not_done else OperationState.UNKNOWN,
    }
    return await connection.scalar(_FAIL, parameters) or 0


async def held_back(connection: Reading, key: str, *, patience: int) -> bool:
    """
    Count an attempt that is not made as a failure that certainly did nothing, unless it would be the last of
    `patience`.
    """
    held = await connection.scalar(_HOLD_BACK, {"failed_key": key, "patience": patience})
    return held is not None


def settle(key: str, state: OperationState, *, reference: str | None = None, refusal: str | None = None) -> Effect:
    """The result of an operation, written with the change it makes to its order."""
    return Effect(
        _settle,
        {"settled_key": key, "settled_state": state, "settled_reference": reference, "settled_refusal": refusal},
    )


def undo(*keys: str) -> Effect:
    """The changed order's operations that are undone with the change, whether their result was known or not."""
    return Effect(_undo, {"undone_keys": list(keys)})


def _open(parameter: str) -> Update:
    return (
        update(operations)
        .where(operations.c.key == bindparam(parameter, type_=Text), operations.c.state.in_(OPEN))
        .values(updated_at=func.now())
    )


_NAME = (
    _open("named_key")
    .values(
        provider_reference=func.coalesce(operations.c.provider_reference, bindparam("given_name", type_=Text)),
        failures=0,
    )
    .returning(operations.c.provider_reference)
)

_CLOSE = _open("closed_key").values(
    state=bindparam("closed_state", type_=Text), refusal=bindparam("closed_refusal", type_=Text)
)

_PARK = _open("closed_key").values(
    state=OperationState.PARKED,
    refusal=bindparam("closed_refusal", type_=Text),
    not_done=operations.c.not_done + 1,
)

_ABANDON = (
    update(operations)
    .where(operations.c.key == any_(bindparam("abandoned_keys", type_=ARRAY(Text))), operations.c.state.in_(OPEN))
    .values(state=OperationState.UNDONE, updated_at=func.now())
)

_FAIL = (
    _open("failed_key")
    .values(
        failures=operations.c.failures + bindparam("more_failures", type_=Integer),
        not_done=operations.c.not_done + bindparam("more_not_done", type_=Integer),
        state=func.coalesce(bindparam("failed_state", type_=Text), operations.c.state),
    )
    .returning(operations.c.failures)
)

_HOLD_BACK = (
    _open("failed_key")
    .where(operations.c.failures + 1 < bindparam("patience", type_=Integer))
    .values(failures=operations.c.failures + 1, not_done=operations.c.not_done + 1)
    .returning(operations.c.failures)
)


def _settle(changed: CTE) -> CTE:
    return (
        update(operations)
        .where(
            operations.c.key == bindparam("settled_key", type_=Text),
            operations.c.order_id == changed.c.id,
            operations.c.state.in_(OPEN),
        )
        .values(
            state=bindparam("settled_state", type_=Text),
            provider_reference=bindparam("settled_reference", type_=Text),
            refusal=bindparam("settled_refusal", type_=Text),
            updated_at=func.now(),
        )
        .cte("settled")
    )


def _undo(changed: CTE) -> CTE:
    return (
        update(operations)
        .where(
            operations.c.key == any_(bindparam("undone_keys", type_=ARRAY(Text))),
            operations.c.order_id == changed.c.id,
            operations.c.state != OperationState.REFUSED,
        )
        .values(state=OperationState.UNDONE, updated_at=func.now())
        .cte("undone")
    )
