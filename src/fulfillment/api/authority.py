"""
In whose right somebody decides: in their own, or in that of somebody who delegated it to them.

This only chooses. Whether a decision counts, the request itself judges in its turn.
"""

from collections.abc import Sequence
from datetime import datetime

from fulfillment.api.problems import Problem
from fulfillment.db import delegations
from fulfillment.db.engine import Reading
from fulfillment.domain.approval_requests import ApprovalRequest
from fulfillment.domain.approvals import Authority
from fulfillment.domain.errors import DomainError, LevelNeeded, NotAnApprover
from fulfillment.domain.identity import Principal


async def authority_of(
    connection: Reading,
    caller: Principal,
    request: ApprovalRequest,
    *,
    level: str | None,
    on_behalf_of: str | None,
    now: datetime,
) -> Authority:
    """
    What a caller decides with on a request: as `choose`.

    Raises:
        Problem: `on_behalf_of` names nobody who lends something now, or is missing.
    """
    lent = await delegations.active_for(connection, caller.id, now)
    return choose(request, caller, lent, level=level, on_behalf_of=on_behalf_of)


def choose(
    request: ApprovalRequest,
    caller: Principal,
    lent: Sequence[Authority],
    *,
    level: str | None,
    on_behalf_of: str | None,
) -> Authority:
    """
    Whom `on_behalf_of` names; else the caller's own right, if one of their roles is asked (at the level, if one is
    named); else the one delegator whose right would count.

    Where nothing counts, that of which the refusal tells most.

    Raises:
        Problem: `on_behalf_of` names nobody of `lent`; or it is missing, and several could be meant.
    """
    if on_behalf_of is not None:
        return _named(lent, on_behalf_of)
    own = Authority(roles=caller.roles)
    if not isinstance(_refusal(request, caller, own, level), NotAnApprover):
        return own
    refusals = [(authority, _refusal(request, caller, authority, level)) for authority in lent]
    asked = [
        (authority, refusal)
        for authority, refusal in refusals
        if authority.roles.intersection(request.waiting_for) and not isinstance(refusal, NotAnApprover)
    ]
    possible = [authority for authority, refusal in asked if refusal is None or isinstance(refusal, LevelNeeded)]
    if len(possible) > 1:
        raise _several(possible)
    return next(iter([*possible, *(authority for authority, _ in asked)]), own)


def _refusal(
    request: ApprovalRequest, caller: Principal, authority: Authority, level: str | None
) -> DomainError | None:
    try:
        request.check(caller.id, authority, level)
    except DomainError as refusal:
        return refusal
    return None


def _named(lent: Sequence[Authority], delegator: str) -> Authority:
    for authority in lent:
        if authority.on_behalf_of == delegator:
            return authority
    raise Problem.field("on_behalf_of", "must be somebody whose delegation to you is valid now, as the list has them")


def _several(possible: Sequence[Authority]) -> Problem:
    names = ", ".join(sorted(str(authority.on_behalf_of) for authority in possible))
    return Problem.field("on_behalf_of", f"must say for whom you decide, as several delegated it to you: {names}")
