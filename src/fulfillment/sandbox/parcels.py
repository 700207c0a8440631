"""
The simulated carrier: books, cancels and moves parcels; every move is an event to be pushed.
"""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from fulfillment.sandbox import parcel_rules as rules
from fulfillment.sandbox.answers import Answer, Answers, Refused, declined, fingerprint
from fulfillment.sandbox.outbox import Outbox
from fulfillment.sandbox.parcel_rules import Parcel
from fulfillment.sandbox.schemas import BookBody, EmptyBody, ParcelEventType
from fulfillment.sandbox.store import Store, of_order, timestamp

_PARCEL = "tracking_number, key, order_id, status, scenario, items, booked_at, updated_at"
_LIVE = "status IN ('booked', 'picked_up', 'in_transit')"


class Carrier:
    """
    The parcels and what happens to them.
    """

    def __init__(self, store: Store, answers: Answers, outbox: Outbox) -> None:
        self._store = store
        self._answers = answers
        self._outbox = outbox

    def book(self, key: str, body: BookBody) -> Answer:
        """
        Take on a parcel.

        Raises:
            Refused: `key_reused`.
        """

        def act() -> Answer:
            refusal = rules.refused_address(body.address.postal_code)
            if refusal:
                return declined(refusal)
            tracking_number = f"SBX{uuid4().hex[:16].upper()}"
            self._insert(tracking_number, key, body)
            return Answer(json.dumps({"tracking_number": tracking_number, "status": "booked", "key": key}))

        return self._answers.once(key, fingerprint("book", "", body), act)

    def cancel(self, tracking_number: str, key: str) -> Answer:
        """
        Keep a parcel from being picked up; cancelling a cancelled one changes nothing.

        Raises:
            Refused: `key_reused`, `not_found`, `already_picked_up`, `cancel_refused`.
        """

        def act() -> Answer:
            parcel = self.parcel(tracking_number)
            rules.check_cancellable(parcel)
            self._store.execute(
                "UPDATE parcels SET status = 'cancelled', updated_at = ? WHERE tracking_number = ?",
                (timestamp(), tracking_number),
            )
            return Answer(json.dumps({"tracking_number": tracking_number, "status": "cancelled"}))

        if rules.leaves_before_cancel(self.parcel(tracking_number)):
            self.happen(tracking_number, "picked_up")
        return self._answers.once(key, fingerprint("cancel", tracking_number, EmptyBody()), act)

    def happen(self, tracking_number: str, event: ParcelEventType) -> tuple[str, Parcel]:
        """
        Let something happen to a parcel, likely or not; the id of its event and the parcel after it.

        Raises:
            Refused: `not_found`.
        """
        with self._store.transaction():
            event_id = self._happen(self.parcel(tracking_number), event)
            return event_id, self.parcel(tracking_number)

    def advance(self, order_id: str | None) -> int:
        """
        Move every live parcel, or those of one order, one step; how many moved.
        """
        return self._move(f"{_LIVE} AND ?1 IS NULL AND {of_order(order_id)}", order_id)

    def advance_rested(self, transit: timedelta) -> int:
        """
        Move the live parcels to which nothing has happened for this long; how many moved.
        """
        rested_since = timestamp(datetime.now(UTC) - transit)
        if self._store.one(f"SELECT 1 FROM parcels WHERE {_LIVE} AND updated_at <= ? LIMIT 1", (rested_since,)) is None:
            return 0
        return self._move(f"{_LIVE} AND updated_at <= ?1 AND ?2 IS NULL", None, rested_since)

    def parcel(self, tracking_number: str) -> Parcel:
        """
        One parcel.

        Raises:
            Refused: `not_found`.
        """
        return _found(
            self._store.one(f"SELECT {_PARCEL} FROM parcels WHERE tracking_number = ?", (tracking_number,)),
            "no parcel has this tracking number",
        )

    def parcel_by_key(self, key: str) -> Parcel:
        """
        The parcel booked under this key.

        Raises:
            Refused: `not_found`.
        """
        row = self._store.one(f"SELECT {_PARCEL} FROM parcels WHERE key = ?", (key,))
        return _found(row, "no parcel was booked under this key")

    def parcels(self, order_id: str | None, after: int, limit: int) -> list[tuple[int, Parcel]]:
        """
        Parcels with their positions, oldest first.
        """
        rows = self._store.all(
            f"SELECT sequence, {_PARCEL} FROM parcels WHERE sequence > ?1 AND {of_order(order_id)}"
            " ORDER BY sequence LIMIT ?3",
            (after, order_id, limit),
        )
        return [(row["sequence"], Parcel(*tuple(row)[1:])) for row in rows]

    def _insert(self, tracking_number: str, key: str, body: BookBody) -> None:
        postal_code = body.address.postal_code or ""
        # Of the address only a test scenario is kept: the rest is personal and of no use here.
        scenario = postal_code if postal_code.startswith("TEST-") else None
        items = json.dumps([item.model_dump() for item in body.items])
        now = timestamp()
        self._store.execute(
            f"INSERT INTO parcels ({_PARCEL}) VALUES (?, ?, ?, 'booked', ?, ?, ?, ?)",
            (tracking_number, key, body.order_id, scenario, items, now, now),
        )

    def _move(self, condition: str, order_id: str | None, rested_since: str | None = None) -> int:
        with self._store.transaction():
            rows = self._store.all(
                f"SELECT {_PARCEL} FROM parcels WHERE {condition} ORDER BY sequence", (rested_since, order_id)
            )
            for row in rows:
                parcel = Parcel(**row)
                step = rules.next_step(parcel)
                if step:
                    self._happen(parcel, step)
        return len(rows)

    def _happen(self, parcel: Parcel, event: ParcelEventType) -> str:
        now = timestamp()
        self._store.execute(
            "UPDATE parcels SET status = ?, updated_at = ? WHERE tracking_number = ?",
            (rules.status_after(parcel.status, event), now, parcel.tracking_number),
        )
        data = {"tracking_number": parcel.tracking_number, "reference": parcel.order_id, "occurred_at": now}
        return self._outbox.add(parcel.tracking_number, {"type": f"parcel.{event}", "timestamp": now, "data": data})


def _found(row: sqlite3.Row | None, otherwise: str) -> Parcel:
    if row is None:
        raise Refused("not_found", otherwise)
    return Parcel(**row)
