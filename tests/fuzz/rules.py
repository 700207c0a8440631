"""
Refusals of bodies that keep to their schema: rules that reach across fields or into the database.
"""

import json
import re

_CODES = {
    # The same key with another body: which bodies were sent before is no matter of a schema.
    "idempotency_key_reused",
}
_MESSAGES = [
    "is already on another line; add the quantities up",
    "must be the currency of the first line",
    "must add up to at most [0-9]+ minor units",
    "must be left out of a test order",
    "must not be those of a test order; place one instead",
    "must be the next_cursor of an earlier answer",
    "must not lead to more than [0-9]+ pieces",
    # Whether one is needed depends on the action, and on what the order asks about.
    "is not needed for this answer; leave it out",
    "is required: .+",
    # Whose a delegation can be depends on who there is, on the time, and on who asks.
    "there is no caller of this name .+",
    "must be somebody else",
    "must be in the future",
    "must be after from, .+",
    "you have none that you could delegate",
    "must be among your own: .+",
    "must be somebody whose delegation to you is valid now, .+",
    "must say for whom you decide, .+",
    "name one of the levels: .+",
]
_MESSAGE = re.compile("|".join(_MESSAGES))


def is_beyond_schema(status: int, content: bytes) -> bool:
    """Whether a refusal names such rules alone."""
    if status != 422:
        return False
    problem = json.loads(content)
    if problem["code"] in _CODES:
        return True
    errors = problem.get("errors", [])
    return bool(errors) and all(_MESSAGE.fullmatch(error["message"]) for error in errors)
