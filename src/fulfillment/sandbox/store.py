"""
The state: one SQLite connection, used inline by one event loop, so that every transaction is alone.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL, code TEXT, effect TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS control (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS ledger (
    sequence INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, operation TEXT NOT NULL,
    id TEXT, authorization_id TEXT, amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, code TEXT,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_order ON ledger (order_id, sequence);
CREATE INDEX IF NOT EXISTS ledger_void ON ledger (authorization_id) WHERE operation = 'void';
CREATE TABLE IF NOT EXISTS unbooked (
    key TEXT PRIMARY KEY, order_id TEXT NOT NULL, operation TEXT NOT NULL, id TEXT NOT NULL,
    authorization_id TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, code TEXT,
    at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unbooked_authorization ON unbooked (authorization_id);
CREATE VIEW IF NOT EXISTS operations AS
    SELECT key, order_id, operation, id, authorization_id, amount, currency, status, code, at FROM ledger
    UNION ALL
    SELECT key, order_id, operation, id, authorization_id, amount, currency, status, code, at FROM unbooked;
CREATE TABLE IF NOT EXISTS authorizations (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL, token TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,
    state TEXT NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS authorizations_order ON authorizations (order_id);
CREATE TABLE IF NOT EXISTS late (key TEXT PRIMARY KEY, body TEXT NOT NULL, due_at TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS parcels (
    sequence INTEGER PRIMARY KEY, tracking_number TEXT NOT NULL UNIQUE, key TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL, status TEXT NOT NULL, scenario TEXT, items TEXT NOT NULL,
    booked_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS parcels_order ON parcels (order_id, sequence);
CREATE INDEX IF NOT EXISTS parcels_live ON parcels (updated_at)
    WHERE status IN ('booked', 'picked_up', 'in_transit');
-- What a payment is called stands in `tracking_number` too: state files live longer than names.
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, tracking_number TEXT NOT NULL, body TEXT NOT NULL,
    attempts INTEGER NOT NULL, next_at TEXT
);
CREATE INDEX IF NOT EXISTS outbox_next ON outbox (next_at);
CREATE INDEX IF NOT EXISTS outbox_parcel ON outbox (tracking_number, sequence);
"""


def timestamp(at: datetime | None = None) -> str:
    """
    RFC 3339 in UTC, now by default; all of one width, so that they compare as text.
    """
    return f"{(at or datetime.now(UTC)).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def of_order(order_id: str | None) -> str:
    """
    The condition on parameter 2 that narrows to one order, written so that its index is used.
    """
    return "?2 IS NULL" if order_id is None else "order_id = ?2"


class Store:
    """
    The SQLite file. Not safe for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Survives a killed process, not a power cut: enough for a simulation, and no fsync per request.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """
        Let go of the file.
        """
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        All or nothing; nothing may be awaited inside.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, statement: str, parameters: Mapping[str, object] | tuple[object, ...] = ()) -> sqlite3.Cursor:
        """
        Run one statement.
        """
        return self._connection.execute(statement, parameters)

    def one(self, statement: str, parameters: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """
        The first row, if any.
        """
        row: sqlite3.Row | None = self._connection.execute(statement, parameters).fetchone()
        return row

    def all(self, statement: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """
        Every row.
        """
        return self._connection.execute(statement, parameters).fetchall()
