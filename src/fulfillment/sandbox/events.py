"""
Pushing the events of parcels and payments: signed (Standard Webhooks), at least once, in order per subject.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx2
import structlog
from standardwebhooks import Webhook

from fulfillment.sandbox.faults import Faults
from fulfillment.sandbox.outbox import OutboundEvent, Outbox

CONCURRENCY = 8
TIMEOUT_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class EventPusher:
    """
    One loop that sends what the outbox holds until it is cancelled; `urls` by the first part of the event's type.
    """

    def __init__(
        self, outbox: Outbox, faults: Faults, client: httpx2.AsyncClient, urls: Mapping[str, str], secret: str
    ) -> None:
        self._outbox = outbox
        self._faults = faults
        self._client = client
        self._urls = urls
        self._webhook = Webhook(secret)
        self._in_flight: set[str] = set()

    async def run(self) -> None:
        """
        Send for ever; events of different subjects in parallel.
        """
        async with asyncio.TaskGroup() as deliveries:
            while True:
                self._outbox.changed.clear()
                pause = self._start_due(deliveries)
                try:
                    # Not `wait_for`: until Python 3.12 it loses a cancellation that comes with what it waits for.
                    async with asyncio.timeout(pause):
                        await self._outbox.changed.wait()
                except TimeoutError:
                    continue

    def _start_due(self, deliveries: asyncio.TaskGroup) -> float | None:
        """
        Start what is due, as far as there is room; the seconds until there is more to do, none if a change tells.
        """
        now = datetime.now(UTC)
        for event in self._outbox.heads(2 * CONCURRENCY):
            if event.subject in self._in_flight:
                continue
            if len(self._in_flight) == CONCURRENCY:
                return None
            wait = (datetime.fromisoformat(event.next_at) - now).total_seconds()
            if wait > 0:
                return wait
            self._in_flight.add(event.subject)
            deliveries.create_task(self._deliver(event))
        return None

    async def _deliver(self, event: OutboundEvent) -> None:
        fault = self._faults.draw("events")
        await asyncio.sleep(fault.latency)
        status = None if fault.unavailable else await self._send(event)
        if status is not None and 200 <= status < 300 and not fault.lose_answer:
            self._outbox.delivered(event)
        else:
            self._outbox.failed(event)
            if event.attempts == 0:
                _log.warning("event_not_delivered", event_id=event.id, status=status, retried=True)
        self._in_flight.discard(event.subject)
        self._outbox.changed.set()

    async def _send(self, event: OutboundEvent) -> int | None:
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(event.id, now, event.body),
        }
        url = self._urls[json.loads(event.body)["type"].partition(".")[0]]
        try:
            response = await self._client.post(url, content=event.body, headers=headers)
        except httpx2.HTTPError:
            return None
        return response.status_code
