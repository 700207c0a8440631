"""
Where every order of the file stands, and whether that is what was expected.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from fulfillment.domain.ids import OrderId
from fulfillment.domain.money import Money
from fulfillment.domain.orders import FailureCode, OrderStatus
from fulfillment.local.demo.approvals import SeenApproval
from fulfillment.local.demo.orders_file import FileOrder
from fulfillment.local.demo.script import Move, Script
from fulfillment.local.demo.service import Refused
from fulfillment.local.demo.shop import Receipt, SeenOrder

_NEVER_PAID = (FailureCode.APPROVAL_EXPIRED, FailureCode.PAYMENT_EXPIRED)
_NOT_TO_BE_PAID = (OrderStatus.CANCELLING, OrderStatus.CANCELLED, OrderStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Purse:
    """
    The money of orders in one currency.

    Attributes:
        ordered: what they are worth.
        set_aside: on cards, neither taken nor freed.
        captured: taken.
        refunded: of that, given back.
    """

    ordered: Money
    set_aside: Money
    captured: Money
    refunded: Money

    @property
    def kept(self) -> Money:
        """What stays with the shop."""
        return Money(self.captured.amount - self.refunded.amount, self.captured.currency)

    def with_order(self, total: Money, seen: SeenOrder | None) -> Self:
        """One more order; nothing has become of the money of one that nobody has seen."""
        if seen is None:
            return replace(self, ordered=self.ordered + total)
        return replace(
            self,
            ordered=self.ordered + total,
            set_aside=self.set_aside + seen.authorized,
            captured=self.captured + seen.captured,
            refunded=self.refunded + seen.refunded,
        )


class Progress:
    """One order of the file on its way."""

    def __init__(self, order: FileOrder) -> None:
        self.order = order
        self.receipt: Receipt | None = None
        self.refusal: Refused | None = None
        self.seen: SeenOrder | None = None
        self.sent = False
        self.script = Script(order.scenario)
        self.passed: set[OrderStatus] = set()
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
        if self.script.is_to_come_late(seen):
            return False
        if seen.status.is_final or self.script.waits_in_vain(seen):
            return True
        arrived = {scenario.expected.status, *([scenario.destination] if self.script.deviates else [])}
        return seen.status in arrived and self.script.rests(seen)

    @property
    def is_past_capture(self) -> bool:
        """Its money has been taken, or is not going to be."""
        if self.is_over or self.order.scenario.lets_pass in _NEVER_PAID:
            return True
        if self.seen is None:
            return False
        return bool(self.seen.captured.amount) or self.seen.status in _NOT_TO_BE_PAID or not self.order.total.amount

    @property
    def next_move(self) -> Move | None:
        """What is to be done for it now."""
        if self._is_moving or self.is_over or self.seen is None:
            return None
        return self.script.next(self.seen)

    def saw(self, seen: SeenOrder) -> None:
        """The service told of it."""
        self.seen = seen
        self.passed.add(seen.status)
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
        if self.state != expected.status or expected.code not in (None, *self._codes):
            detail = f": {self.refusal}" if self.refusal else ""
            wanted, found = _told(expected.status, expected.code), _told(self.state, self.code)
            remarks.insert(0, f"expected {wanted}, is {found}{detail}")
        # An order without a reference is called after its line.
        named = ", ".join(dict.fromkeys((f"line {self.order.line}", self.order.name)))
        return f"{named}: {'; '.join(remarks)}" if remarks else None

    @property
    def _codes(self) -> tuple[str | None, ...]:
        """What may be expected of it: at its end also what was asked on the way."""
        has_ended = self.seen is not None and self.seen.status.is_final
        return (self.code, *(self.script.asked if has_ended else ()))

    @property
    def waits_for(self) -> str | None:
        """Who or what is to move it next, in words; None when it is over."""
        if self.is_over:
            return None
        return self.script.waits_for(self.seen) if self.seen else "the API" if self.sent else "their turn"

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
        self.approvals: Sequence[SeenApproval] = ()
        self._placed: dict[OrderId, Progress] = {}

    def sent(self, progress: Progress) -> None:
        """An order is on its way to the service."""
        progress.sent = True

    def placed(self, progress: Progress, receipt: Receipt) -> None:
        """An order was accepted."""
        progress.receipt = receipt
        progress.passed.add(OrderStatus.RECEIVED)
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

    def of(self, order_id: OrderId) -> Progress | None:
        """The order of this id, once it is placed."""
        return self._placed.get(order_id)

    def heard(self) -> None:
        """Somebody was heard about an order, even if it waits for others still."""
        self.changed_at = time.monotonic()

    @property
    def decisions(self) -> int:
        """How often somebody decided."""
        return sum(progress.script.decisions.said for progress in self.all)

    @property
    def approvers(self) -> frozenset[str]:
        """The roles that orders wait for."""
        return frozenset(role for item in self.all if item.seen and not item.is_over for role in item.seen.approvers)

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
    def waiting_for(self) -> Counter[str]:
        """How many orders are to be moved next by whom or what; those that are over are not waited for."""
        return Counter(who for progress in self.all if (who := progress.waits_for))

    @property
    def money(self) -> list[Purse]:
        """What has become of the money, per currency."""
        nothing = {progress.order.total.currency: Money(0, progress.order.total.currency) for progress in self.all}
        purses = {currency: Purse(none, none, none, none) for currency, none in sorted(nothing.items())}
        for progress in self.all:
            currency = progress.order.total.currency
            purses[currency] = purses[currency].with_order(progress.order.total, progress.seen)
        return list(purses.values())

    @property
    def captured(self) -> list[Money]:
        """The money taken so far, per currency."""
        return [purse.captured for purse in self.money if purse.captured.amount]

    @property
    def disappointments(self) -> list[str]:
        """Everything that is not as expected."""
        differing = [text for progress in self.all if (text := progress.disappointment)]
        return [self.given_up, *differing] if self.given_up else differing


def _told(state: str, code: str | None) -> str:
    return f"{state} ({code})" if code else state
