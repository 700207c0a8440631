"""
Idempotency: a key is answered once and for all; asking again gives the same answer, whatever happened since.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from fulfillment.sandbox.store import Store


class Refused(Exception):
    """
    Nothing was done and nothing is remembered: the same key may be tried again.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Decline:
    """
    A final no, remembered under its key.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a key was answered, as JSON.

    `code` is set if it was declined; `effect` is the key of the operation it made or found.
    """

    body: str
    code: str | None = None
    effect: str | None = None


def declined(decline: Decline, effect: str | None = None) -> Answer:
    """
    The answer that says no.
    """
    return Answer(json.dumps({"code": decline.code, "message": decline.message}), decline.code, effect)


def fingerprint(operation: str, target: str, body: BaseModel) -> str:
    """
    What a repeated request must have in common with the first one.
    """
    return hashlib.sha256(f"{operation} {target} {body.model_dump_json()}".encode()).hexdigest()


class Answers:
    """
    The answers given so far, by key.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def has(self, key: str) -> bool:
        """
        Whether this key was answered.
        """
        return self._store.one("SELECT 1 FROM answers WHERE key = ?", (key,)) is not None

    def known(self, key: str, request: str) -> Answer | None:
        """
        The answer to this key, if it has one.

        Raises:
            Refused: `key_reused`, if the key was used with another request.
        """
        row = self._store.one("SELECT fingerprint, body, code, effect FROM answers WHERE key = ?", (key,))
        if row is None:
            return None
        if row["fingerprint"] != request:
            raise Refused("key_reused", "this Idempotency-Key was used with another request; use a new key")
        return Answer(row["body"], row["code"], row["effect"])

    def once(self, key: str, request: str, act: Callable[[], Answer]) -> Answer:
        """
        Act and remember the answer in one transaction, or give the remembered one.

        Raises:
            Refused: `key_reused`, or what `act` raises.
        """
        with self._store.transaction():
            known = self.known(key, request)
            if known is not None:
                return known
            answer = act()
            self._store.execute(
                "INSERT INTO answers (key, fingerprint, body, code, effect) VALUES (?, ?, ?, ?, ?)",
                (key, request, answer.body, answer.code, answer.effect),
            )
            return answer

    def fails_again(self, key: str, failures: int) -> bool:
        """
        Count one more request for a key that fails its first so many requests.
        """
        with self._store.transaction():
            row = self._store.execute(
                "INSERT INTO failures (key, count) VALUES (?, 1)"
                " ON CONFLICT (key) DO UPDATE SET count = count + 1 RETURNING count",
                (key,),
            ).fetchone()
        return bool(row["count"] <= failures)
