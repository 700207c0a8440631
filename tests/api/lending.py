"""
Delegations, as tests ask for them.
"""

from typing import Any

import httpx2

PATH = "/v1/delegations"
JWT = "jwt:https://issuer.example#ada"
FROM, UNTIL = "2126-12-01T00:00:00Z", "2126-12-15T00:00:00Z"
TIMES = {"from": FROM, "until": UNTIL}


async def put(caller: httpx2.AsyncClient, delegate: str = "key:ada", **changes: Any) -> httpx2.Response:
    return await caller.put(PATH, json={"delegate": delegate, **TIMES, **changes})


def wrong(answer: httpx2.Response) -> tuple[int, list[str]]:
    """The status, and the fields it names."""
    return answer.status_code, [error["field"] for error in answer.json().get("errors", [])]
