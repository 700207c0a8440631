"""
One step at Stripe: how long it may take, and what each way of failing means.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import stripe

from fulfillment.domain.errors import OutcomeUnknown, ProviderUnavailable
from fulfillment.gateways.http import UnexpectedAnswer, retry_after

PROVIDER = "payment provider"
MISSING = "resource_missing"
"""Stripe has no such object."""
UNEXPECTED_STATE = "payment_intent_unexpected_state"
"""The payment intent is not where it would have to be: that call, or another one, has happened already."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Deadline:
    """All calls of one step together get this time."""

    def __init__(self, timeout: timedelta) -> None:
        self._seconds = timeout.total_seconds()

    @property
    def phases(self) -> httpx.Timeout:
        """A connection that is never made fails early, so that it is known that nothing was sent."""
        return httpx.Timeout(self._seconds, connect=self._seconds / 2, pool=self._seconds / 2)

    @asynccontextmanager
    async def effect(self, operation: str) -> AsyncIterator[None]:
        """
        Around calls that move money, or may.

        Raises:
            ProviderUnavailable: it was not done.
            OutcomeUnknown: it may have been done.
            UnexpectedAnswer: Stripe refuses the call itself: the key, its rights, a parameter.
        """
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            raise OutcomeUnknown(f"Stripe {operation}") from error
        except stripe.StripeError as error:
            # Stripe's own error is left out: its message and body name cards. What httpx says is harmless.
            raise _meaning(operation, error) from error.__cause__

    @asynccontextmanager
    async def harmless(self, operation: str) -> AsyncIterator[None]:
        """
        Around calls after which nothing has changed that counts: without an answer they are made again.

        Raises:
            ProviderUnavailable: no answer.
            UnexpectedAnswer: as in `effect`.
        """
        try:
            async with self.effect(operation):
                yield
        except OutcomeUnknown as error:
            raise ProviderUnavailable(PROVIDER) from error


def _meaning(operation: str, error: stripe.StripeError) -> Exception:
    if isinstance(error, stripe.RateLimitError):
        return ProviderUnavailable(PROVIDER, retry_after(error.headers or {}))
    if isinstance(error, stripe.APIConnectionError):
        return _without_answer(operation, error)
    status = error.http_status
    # A conflict: another call with this key, or on this object, is still under way.
    if status is None or status < 300 or status == 409 or status >= 500:
        return OutcomeUnknown(f"Stripe {operation}")
    return UnexpectedAnswer(f"Stripe {operation} ({error.code}, {error.request_id})", status)


def _without_answer(operation: str, error: stripe.APIConnectionError) -> Exception:
    if isinstance(error.__cause__, _NOT_SENT):
        return ProviderUnavailable(PROVIDER)
    return OutcomeUnknown(f"Stripe {operation}")
