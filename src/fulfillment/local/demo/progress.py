"""
Where every order of the file stands, and whether that is what was expected.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.orders_file import FileOrder
from fulfillment.local.demo.script import Move, Script
from fulfillment.local.demo.shop import Receipt, Refused, SeenOrder


class Progress:
    """One order of the file on its way."""

    def __init__(self, order: FileOrder) -> None:
        self.order = order
        self.receipt: Receipt | None = None
        self.refusal: Refused | None = None
        self.seen: SeenOrder | None = None
        self.sent = False
        self.script = Script(order.scenario)
        self._is_moving = False

    @property
    def state(self) -> str:
        """Its status, or how far placing it has come."""
        if self.seen:
            return self.seen.status
        if self.refusal:
            return "refused"
        if self.receipt:
            return OrderStatus.RECEIVED
        return "placing" if self.sent else "waiting"

    @property
    def code(self) -> str | None:
        """Why it was refused or failed, or what it asks an operator."""
        if self.refusal or self.seen is None:
            return self.refusal.code if self.refusal else None
        return self.seen.asks if self.seen.status is OrderStatus.NEEDS_ATTENTION else self.seen.code

    @property
    def is_over(self) -> bool:
        """Nothing more is to come: it is where it is expected, or where it can never leave."""
        if self.refusal or self.seen is None:
            return self.refusal is not None
        seen, scenario = self.seen, self.order.scenario
        if seen.status.is_final or self.script.waits_in_vain(seen):
            return True
        arrived = {scenario.expected.status, *([scenario.destination] if self.script.deviates else [])}
        return seen.status in arrived and self.script.rests(seen)

    @property
    def next_move(self) -> Move | None:
        """What is to be done for it now."""
        if self._is_moving or self.is_over or self.seen is None:
            return None
        return self.script.next(self.seen)

    def saw(self, seen: SeenOrder) -> None:
        """The service told of it."""
        self.seen = seen
        # What a move under way is going to change is judged afterwards.
        if not self._is_moving:
            self.script.heard(seen)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """While a move is made there is no other."""
        self._is_moving = True
        try:
            yield
        finally:
            self._is_moving = False
            if self.seen:
                self.script.heard(self.seen)

    @property
    def disappointment(self) -> str | None:
        """How its end differs from the expected one."""
        expected = self.order.scenario.expected
        remarks = [*self.script.remarks, *(self.script.left() if self.is_over else [])]
        if self.state != expected.status or expected.code not in (None, self.code):
            detail = f": {self.refusal}" if self.refusal else ""
            wanted, found = _told(expected.status, expected.code), _told(self.state, self.code)
            remarks.insert(0, f"expected {wanted}, is {found}{detail}")
        return f"line {self.order.line}, {self.order.name}: {'; '.join(remarks)}" if remarks else None

    @property
    def seconds(self) -> float | None:
        """From being accepted to its newest change."""
        return (self.seen.updated_at - self.seen.accepted_at).total_seconds() if self.seen else None


class Board:
    """All orders of the file."""

    def __init__(self, orders: Iterable[FileOrder]) -> None:
        self.all: Sequence[Progress] = [Progress(order) for order in orders]
        self.changed_at = time.monotonic()
        self.began_at = self.changed_at
        self.given_up: str | None = None
        self._placed: dict[OrderId, Progress] = {}

    def sent(self, progress: Progress) -> None:
        """An order is on its way to the service."""
        progress.sent = True

    def placed(self, progress: Progress, receipt: Receipt) -> None:
        """An order was accepted."""
        progress.receipt = receipt
        self._placed[receipt.id] = progress
        self.changed_at = time.monotonic()

    def refused(self, progress: Progress, refusal: Refused) -> None:
        """An order was not accepted."""
        progress.refusal = refusal
        self.changed_at = time.monotonic()

    def saw(self, seen: SeenOrder) -> None:
        """The service told of an order."""
        progress = self._placed.get(seen.id)
        if progress and (progress.seen is None or progress.seen.version < seen.version):
            progress.saw(seen)
            self.changed_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Nothing more is to come."""
        return all(progress.is_over for progress in self.all)

    @property
    def oldest_open(self) -> datetime | None:
        """When the oldest of those that are not over was accepted."""
        return min(
            (progress.receipt.accepted_at for progress in self.all if progress.receipt and not progress.is_over),
            default=None,
        )

    @property
    def by_state(self) -> Counter[str]:
        """How many orders are where."""
        return Counter(progress.state for progress in self.all)

    @property
    def captured(self) -> list[Money]:
        """The money taken so far, per currency."""
        sums: Counter[str] = Counter()
        for progress in self.all:
            if progress.seen:
                sums[progress.seen.captured.currency] += progress.seen.captured.amount
        return [Money(amount, currency) for currency, amount in sorted(sums.items()) if amount]

    @property
    def disappointments(self) -> list[str]:
        """Everything that is not as expected."""
        differing = [text for progress in self.all if (text := progress.disappointment)]
        return [self.given_up, *differing] if self.given_up else differing


def _told(state: str, code: str | None) -> str:
    return f"{state} ({code})" if code else state
