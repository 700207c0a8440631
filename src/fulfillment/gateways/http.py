"""
One HTTP call to a provider, and what each way of failing means: not done, or nobody knows.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import httpx2

from fulfillment.domain.errors import OutcomeUnknown, ProviderUnavailable

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_NOT_DONE = {429, 502, 503}
_NOBODY_KNOWS = {500, 504}
# What a provider asks for beyond that is not worth an order that stands still.
_LONGEST_PAUSE = timedelta(minutes=10)


class UnexpectedAnswer(Exception):
    """An answer the provider's contract does not have: a bug of theirs or ours, retried and alerted, never final."""

    def __init__(self, operation: str, status: int) -> None:
        super().__init__(f"{operation}: unexpected answer {status}")


class ProviderClient:
    """Calls to one provider over a shared pool of connections."""

    def __init__(self, client: httpx2.AsyncClient, *, provider: str, url: str, timeout: timedelta) -> None:
        self._client = client
        self._provider = provider
        self._url = url.rstrip("/")
        self._deadline = timeout.total_seconds()
        # Each phase has its own limit, and an answer that trickles in meets each of them: so there is one for all.
        self._phases = httpx2.Timeout(self._deadline, connect=self._deadline / 2, pool=self._deadline / 2)

    async def post(self, path: str, key: str, body: dict[str, Any], *, expected: Collection[int]) -> httpx2.Response:
        """
        Ask for an effect.

        Raises:
            ProviderUnavailable: it was not done.
            OutcomeUnknown: it may have been done.
            UnexpectedAnswer: a status that is not in `expected`.
        """
        return await self._send("POST", path, expected=expected, headers={"Idempotency-Key": key}, json=body)

    async def get(self, path: str, *, expected: Collection[int]) -> httpx2.Response:
        """
        Ask what is known; a look-up nobody answers changes nothing, so it is never unknown.

        Raises:
            ProviderUnavailable: no answer.
            UnexpectedAnswer: a status that is not in `expected`.
        """
        try:
            return await self._send("GET", path, expected=expected)
        except OutcomeUnknown as error:
            raise ProviderUnavailable(self._provider) from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        expected: Collection[int],
        **content: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx2.Response:
        operation = f"{self._provider} {method} {path.split('/')[1]}"
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._client.request(method, self._url + path, timeout=self._phases, **content)
        except _NOT_SENT as error:
            raise ProviderUnavailable(self._provider) from error
        except (httpx2.TransportError, TimeoutError) as error:
            raise OutcomeUnknown(operation) from error
        if response.status_code in expected:
            return response
        if response.status_code in _NOT_DONE:
            raise ProviderUnavailable(self._provider, retry_after(response.headers))
        if response.status_code in _NOBODY_KNOWS:
            raise OutcomeUnknown(operation)
        raise UnexpectedAnswer(operation, response.status_code)


def record_in(response: httpx2.Response) -> dict[str, Any]:
    """
    The JSON object of an answer.

    Raises:
        UnexpectedAnswer: the body is something else.
    """
    try:
        record = response.json()
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise UnexpectedAnswer("a body that is no JSON object", response.status_code)
    return record


def text_in(response: httpx2.Response, field: str) -> str:
    """
    A text in the JSON object of an answer.

    Raises:
        UnexpectedAnswer: it is not there.
    """
    text = record_in(response).get(field)
    if not isinstance(text, str):
        raise UnexpectedAnswer(f"a body without {field}", response.status_code)
    return text


def is_unknown(response: httpx2.Response) -> bool:
    """
    Whether the provider says that it never heard of something; any other 404 only says that we asked the wrong place.

    Raises:
        UnexpectedAnswer: such a 404.
    """
    if response.status_code != 404:
        return False
    if record_in(response).get("code") != "not_found":
        raise UnexpectedAnswer("a look-up at the wrong place", response.status_code)
    return True


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The pause a provider asks for in its answer, as far as it is bearable."""
    seconds = headers.get("Retry-After", "")
    if not (seconds.isascii() and seconds.isdigit()):
        return None
    return min(timedelta(seconds=int(seconds[:9])), _LONGEST_PAUSE)
