"""
The service over HTTP, with the keys of a local stack: patient with one that is busy or away.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx2

from fulfillment.local.demo.errors import DemoError

PATIENCE = timedelta(minutes=2)
"""How long one request is repeated while the service says it is busy, or nothing."""

PAGE = 200
"""Entries of a list asked for at once."""
_LONGEST_PAUSE = 30.0


class Refused(Exception):
    """The service said no, with a reason."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class Service:
    """
    Requests of callers of the stack.

    Every method raises `Refused` for an answer that will not change, and `DemoError` when there is none in time.
    """

    def __init__(
        self, http: httpx2.AsyncClient, api: str, keys: Mapping[str, str], patience: timedelta = PATIENCE
    ) -> None:
        self._http = http
        self._api = api
        self._keys = keys
        self._patience = patience.total_seconds()

    async def pages(self, caller: str, path: str, params: Mapping[str, str | int]) -> AsyncIterator[Mapping[str, Any]]:
        """Every entry of a list."""
        query = {**params, "limit": PAGE}
        while True:
            page = (await self.send(caller, "GET", path, params=query)).json()
            for item in page["items"]:
                yield item
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    async def send(
        self,
        caller: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx2.Response:
        """
        One request of a caller.

        Repeating is safe: reads change nothing, and the same key or count names the same intention.
        """
        deadline = time.monotonic() + self._patience
        sent = {"Authorization": f"Bearer {self._keys[caller]}", **(headers or {})}
        while True:
            try:
                answer = await self._http.request(method, self._api + path, headers=sent, json=json, params=params)
            except httpx2.TransportError as error:
                why, pause = type(error).__name__, 1.0
            else:
                if answer.status_code not in (429, 503):
                    return _checked(answer)
                why, pause = f"{answer.status_code}", _retry_after(answer)
            if time.monotonic() + pause > deadline:
                msg = f"{method} {path}: no answer within {self._patience:g} s, at last {why}"
                raise DemoError(msg)
            await asyncio.sleep(pause)


def _checked(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise Refused(problem.get("code", f"HTTP {answer.status_code}"), problem.get("detail", answer.reason_phrase))


def _retry_after(answer: httpx2.Response) -> float:
    try:
        return min(max(float(answer.headers["Retry-After"]), 0.1), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return 1.0
