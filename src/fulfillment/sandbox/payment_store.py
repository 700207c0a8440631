"""
Authorizations, the ledger and postponed requests as rows.
"""

from dataclasses import asdict, dataclass, replace
from typing import Literal

from fulfillment.sandbox.payment_rules import Authorization
from fulfillment.sandbox.store import Store, of_order, timestamp

PaymentOperation = Literal["authorize", "capture", "void", "refund"]
_ENTRY = "key, order_id, operation, id, authorization_id, amount, currency, status, code, at"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One thing the provider did or declined; both ids are missing if no authorization came of it.

    It `moves_money` unless it waits for the customer, or voids what holds nothing: the ledger has only what does.
    """

    key: str
    order_id: str
    operation: PaymentOperation
    id: str | None
    authorization_id: str | None
    amount: int
    currency: str
    status: Literal["succeeded", "declined", "requires_action"]
    code: str | None
    at: str
    moves_money: bool = True


def ended(waiting: Entry, code: str | None) -> Entry:
    """
    What becomes of an authorization that waited for its customer: with a code it is declined. Now it is in the ledger.
    """
    return replace(
        waiting,
        id=None if code else waiting.id,
        status="declined" if code else "succeeded",
        code=code,
        at=timestamp(),
        moves_money=True,
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """
    The money of one order in one currency: held by live authorizations, taken, given back.
    """

    order_id: str
    currency: str | None
    authorized: int = 0
    captured: int = 0
    refunded: int = 0


class PaymentStore:
    """
    The statements; callers hold the transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def authorization(self, authorization_id: str) -> Authorization | None:
        """
        One authorization.
        """
        row = self._store.one("SELECT * FROM authorizations WHERE id = ?", (authorization_id,))
        return Authorization(**row) if row else None

    def save(self, authorization: Authorization) -> None:
        """
        Write an authorization as it is now.
        """
        self._store.execute(
            "INSERT INTO authorizations (id, order_id, token, amount, currency, state, captured, refunded)"
            " VALUES (:id, :order_id, :token, :amount, :currency, :state, :captured, :refunded) ON CONFLICT (id)"
            " DO UPDATE SET state = excluded.state, captured = excluded.captured, refunded = excluded.refunded",
            asdict(authorization),
        )

    def append(self, entry: Entry) -> None:
        """
        Write down what was done.
        """
        self._store.execute(
            f"INSERT INTO {'ledger' if entry.moves_money else 'unbooked'} ({_ENTRY}) VALUES"
            " (:key, :order_id, :operation, :id, :authorization_id, :amount, :currency, :status, :code, :at)",
            asdict(entry),
        )

    def take_waiting(self, authorization_id: str) -> Entry:
        """
        Take back the row of an authorization that waits for its customer.
        """
        row = self._store.execute(
            f"DELETE FROM unbooked WHERE operation = 'authorize' AND authorization_id = ? RETURNING {_ENTRY}",
            (authorization_id,),
        ).fetchone()
        return Entry(**row)

    def first_void(self, authorization_id: str) -> Entry | None:
        """
        How an authorization was voided, if it was.
        """
        row = self._store.one(
            f"SELECT {_ENTRY} FROM operations"
            " WHERE operation = 'void' AND authorization_id = ? AND status = 'succeeded' LIMIT 1",
            (authorization_id,),
        )
        return Entry(**row) if row else None

    def answered(self, key: str) -> Entry | None:
        """
        What was done behind the answer to this key.
        """
        row = self._store.one(
            f"SELECT {_ENTRY} FROM operations WHERE key = (SELECT effect FROM answers WHERE key = ?)", (key,)
        )
        return Entry(**row) if row else None

    def entries(self, order_id: str | None, after: int, limit: int) -> list[tuple[int, Entry]]:
        """
        Ledger rows with their positions, oldest first.
        """
        rows = self._store.all(
            f"SELECT sequence, {_ENTRY} FROM ledger WHERE sequence > ?1 AND {of_order(order_id)}"
            " ORDER BY sequence LIMIT ?3",
            (after, order_id, limit),
        )
        return [(row["sequence"], Entry(*tuple(row)[1:])) for row in rows]

    def balances(self, order_id: str | None, after: int, limit: int) -> list[tuple[int, Balance]]:
        """
        One balance per order and currency with its position, in the order of the first ledger row.
        """
        rows = self._store.all(
            "SELECT first, orders.order_id, orders.currency,"
            " COALESCE(SUM(CASE WHEN a.state = 'live' THEN a.amount END), 0),"
            " COALESCE(SUM(a.captured), 0), COALESCE(SUM(a.refunded), 0)"
            " FROM (SELECT order_id, currency, MIN(sequence) AS first FROM ledger"
            f"      WHERE {of_order(order_id)} GROUP BY order_id, currency) AS orders"
            " LEFT JOIN authorizations AS a ON a.order_id = orders.order_id AND a.currency = orders.currency"
            " WHERE first > ?1 GROUP BY orders.order_id, orders.currency, first ORDER BY first LIMIT ?3",
            (after, order_id, limit),
        )
        return [(row["first"], Balance(*tuple(row)[1:])) for row in rows]

    def postponed(self, key: str) -> str | None:
        """
        The body of a postponed authorization.
        """
        row = self._store.one("SELECT body FROM late WHERE key = ?", (key,))
        return row["body"] if row else None

    def postpone(self, key: str, body: str, due_at: str) -> None:
        """
        Keep an authorization for later.
        """
        self._store.execute("INSERT INTO late (key, body, due_at) VALUES (?, ?, ?)", (key, body, due_at))

    def due(self, now: str) -> list[tuple[str, str]]:
        """
        Keys and bodies of the postponed authorizations that are due.
        """
        rows = self._store.all("SELECT key, body FROM late WHERE due_at <= ? ORDER BY due_at", (now,))
        return [(row["key"], row["body"]) for row in rows]

    def forget_postponed(self, key: str) -> None:
        """
        A postponed authorization is done.
        """
        self._store.execute("DELETE FROM late WHERE key = ?", (key,))
