"""
What became of the lines of a file of orders: counted, the first of them kept, those not placed written down.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from fulfillment.cli.http import Json
from fulfillment.local.order_lines import Line, unread_text

MOST_ITEMS = 1000
"""Lines that are told one by one; of a larger file only the first refusals are."""
MOST_REFUSALS = 50

_MOST_NAMES = 20


class Outcome(StrEnum):
    """What became of a line."""

    PLACED = "placed"
    PLACED_BEFORE = "placed before"
    REFUSED = "refused"
    BAD_LINE = "bad line"

    @property
    def is_good(self) -> bool:
        """The order is placed."""
        return self in (Outcome.PLACED, Outcome.PLACED_BEFORE)


@dataclass(frozen=True, slots=True)
class Told:
    """A line and what became of it; `answer` is the receipt or the problem."""

    line: int
    outcome: Outcome
    reference: object
    answer: Json = field(repr=False)

    def as_json(self) -> Json:
        return {
            "line": self.line,
            "outcome": self.outcome.replace(" ", "_"),
            "reference": self.reference,
            "id": self.answer.get("id"),
            "code": self.answer.get("code"),
            "detail": self.answer.get("detail"),
        }


class Tally:
    """What has been done so far; takes the same room however much that is."""

    def __init__(self) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.read = 0
        self.extra: set[str] = set()
        self.codes: set[str] = set()
        self._items: list[Told] = []
        self._refusals: list[Told] = []
        self._began = time.monotonic()

    def add(self, told: Told, extra: Iterable[str]) -> None:
        self.counts[told.outcome] += 1
        if self.counts.total() <= MOST_ITEMS:
            self._items.append(told)
        if not told.outcome.is_good:
            self.codes.add(str(told.answer.get("code")))
            if len(self._refusals) < MOST_REFUSALS:
                self._refusals.append(told)
        if len(self.extra) < _MOST_NAMES:
            self.extra.update(extra)

    @property
    def items(self) -> list[Told] | None:
        """Every line, in the order of the file; None when there are too many."""
        return _in_order(self._items) if self.counts.total() <= MOST_ITEMS else None

    @property
    def refusals(self) -> list[Told]:
        """The first lines that are not placed."""
        return _in_order(self._refusals)

    @property
    def not_placed(self) -> int:
        return self.counts[Outcome.REFUSED] + self.counts[Outcome.BAD_LINE]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def _in_order(told: Iterable[Told]) -> list[Told]:
    return sorted(told, key=lambda one: one.line)


class RefusedFile:
    """Lines that are not placed, each with the reason beside it, to be mended and placed again."""

    def __init__(self, path: Path) -> None:
        # Card tokens are among what is written.
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Each line was written at once: what fails here is the one that failed before, and that was told.
        with suppress(OSError):
            self._file.close()

    def write(self, line: Line, original: Json | None, problem: Json) -> None:
        reason = {
            "line": line.number,
            "code": problem.get("code"),
            "detail": problem.get("detail"),
            "errors": problem.get("errors", []),
        }
        if original is None:
            reason["text"] = unread_text(line)
        self._file.write(json.dumps({**(original or {}), "refused": reason}, ensure_ascii=False) + "\n")
        self._file.flush()
