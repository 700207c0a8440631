"""
Asking a process over HTTP whether it is ready.
"""

from collections.abc import Awaitable, Callable

import httpx2

from fulfillment.local.errors import NotReady

Probe = Callable[[str], Awaitable[None]]


def http_probe(client: httpx2.AsyncClient) -> Probe:
    """A check that a URL answers with 2xx; it raises `NotReady` otherwise."""

    async def probe(url: str) -> None:
        try:
            answer = await client.get(url)
        except httpx2.HTTPError as error:
            msg = f"GET {url}: {type(error).__name__}"
            raise NotReady(msg) from error
        if not answer.is_success:
            msg = f"GET {url}: {answer.status_code} {answer.text[:200]}"
            raise NotReady(msg)

    return probe
