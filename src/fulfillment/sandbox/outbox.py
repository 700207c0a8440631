"""
Events not yet delivered. Only the oldest of each subject has a time to be sent at, which keeps them in order.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fulfillment.sandbox.store import Store, timestamp

_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (0.5, 1, 2, 5, 10))


@dataclass(frozen=True, slots=True)
class OutboundEvent:
    """
    One event of a parcel or a payment, its subject; the id and the body are the same at every attempt.
    """

    sequence: int
    id: str
    subject: str
    body: str
    attempts: int
    next_at: str


def delay_after(attempts: int) -> timedelta:
    """
    The pause after so many attempts.
    """
    return _DELAYS[min(attempts, len(_DELAYS)) - 1]


class Outbox:
    """
    The events to be pushed; `changed` is set whenever there may be something new to send.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed = asyncio.Event()

    def add(self, subject: str, body: Mapping[str, object]) -> str:
        """
        Add an event inside the caller's transaction; its id.
        """
        event_id = f"evt_{uuid4().hex}"
        self._store.execute(
            "INSERT INTO outbox (id, tracking_number, body, attempts, next_at) SELECT ?1, ?2, ?3, 0,"
            " CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE tracking_number = ?2) THEN NULL ELSE ?4 END",
            (event_id, subject, json.dumps(body), timestamp()),
        )
        self.changed.set()
        return event_id

    def heads(self, limit: int) -> list[OutboundEvent]:
        """
        The oldest event of each subject, the one due first in front.
        """
        rows = self._store.all(
            "SELECT sequence, id, tracking_number AS subject, body, attempts, next_at FROM outbox"
            " WHERE next_at IS NOT NULL"
            " ORDER BY next_at, sequence LIMIT ?",
            (limit,),
        )
        return [OutboundEvent(**row) for row in rows]

    def delivered(self, event: OutboundEvent) -> None:
        """
        Drop an event; the next one of its subject is due.
        """
        with self._store.transaction():
            self._store.execute("DELETE FROM outbox WHERE sequence = ?", (event.sequence,))
            self._store.execute(
                "UPDATE outbox SET next_at = ?1"
                " WHERE sequence = (SELECT MIN(sequence) FROM outbox WHERE tracking_number = ?2)",
                (timestamp(), event.subject),
            )

    def failed(self, event: OutboundEvent) -> None:
        """
        Try an event again later.
        """
        with self._store.transaction():
            self._store.execute(
                "UPDATE outbox SET attempts = ?, next_at = ? WHERE sequence = ?",
                (
                    event.attempts + 1,
                    timestamp(datetime.now(UTC) + delay_after(event.attempts + 1)),
                    event.sequence,
                ),
            )

    def size(self) -> int:
        """
        How many events wait.
        """
        row = self._store.one("SELECT COUNT(*) AS size FROM outbox")
        return row["size"] if row else 0
