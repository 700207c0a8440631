"""
What is still to be done for one order of the file: by its customer, by an operator, by the carrier.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fulfillment.domain.attention import Action
from fulfillment.domain.orders import TRANSITIONS, FailureCode, OrderStatus
from fulfillment.local.demo.scenarios import STRAIGHT, Scenario
from fulfillment.local.demo.shop import SeenOrder


class Part(StrEnum):
    """Who does something."""

    CANCEL = "cancel_at"
    PAY = "pay_later"
    ACT = "actions"
    PARCEL = "carrier"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing to be done: a card given, an operator's answer, an event of the parcel, or a cancellation."""

    part: Part
    what: str = ""


class Script:
    """
    The rest of a scenario. What never came to pass is kept as `remarks`; then, or when the service said no, the order
    `deviates`: nobody knows where it is going.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.remarks: list[str] = []
        self.deviates = False
        self._cancel_at = scenario.cancel_at
        self._cards = deque(scenario.pay_later)
        self._answers = deque(scenario.actions)
        self._events = deque(scenario.steps)
        self._is_cancelled = False
        self._expires = scenario.lets_pass is FailureCode.PAYMENT_EXPIRED
        self._moved_at = -1

    @property
    def awaits_cancelling(self) -> bool:
        """The order is still to be cancelled."""
        return self._cancel_at is not None

    def heard(self, seen: SeenOrder) -> None:
        """News of the order: what cannot come any more is not waited for."""
        at = self._cancel_at
        if at and not _may_become(seen.status, at):
            self.remarks.append(f"cancel_at: the order was not seen {at}")
            self._cancel_at, self.deviates = None, True
        if seen.status is OrderStatus.SHIPPED and self._events and self._events[0] == "picked_up":
            self._events.popleft()

    def next(self, seen: SeenOrder) -> Move | None:
        """What is to be done now that the service knows of what was done last."""
        if seen.version <= self._moved_at:
            return None
        if self._cancel_at is seen.status:
            return Move(Part.CANCEL)
        match seen.status:
            case OrderStatus.NEEDS_ATTENTION:
                return _first(Part.ACT, self._answers)
            case OrderStatus.AWAITING_PAYMENT if not self._is_cancelled:
                return _first(Part.PAY, self._cards)
            # Whether the carrier was faster than a cancellation is for the carrier to say.
            case OrderStatus.AWAITING_SHIPMENT | OrderStatus.SHIPPED if not self._is_kept_back(seen):
                return _first(Part.PARCEL, self._events)
            case _:
                return None

    def done(self, move: Move, seen: SeenOrder) -> None:
        """A move was made, based on what was `seen`."""
        self._moved_at = seen.version
        match move.part:
            case Part.CANCEL:
                self._cancel_at, self._is_cancelled = None, True
            case Part.PAY:
                self._cards.popleft()
            case Part.PARCEL:
                self._events.popleft()
            case Part.ACT:
                self._answered(Action(self._answers.popleft()))

    def refused(self, move: Move, why: str) -> None:
        """The service said no to a move; what was to follow of the same kind is left."""
        self.deviates = True
        match move.part:
            case Part.CANCEL:
                self._cancel_at = None
            case Part.PAY:
                self._cards.clear()
            case _:
                self._answers.clear()
        # An order may well be expected to be too far to be cancelled.
        if move.part is not Part.CANCEL:
            self.remarks.append(f"{move.part}: {move.what} was refused, {why}")

    def rests(self, seen: SeenOrder) -> bool:
        """Nobody is going to do anything about the order, except for the carrier."""
        pays = self._cards and _may_become(seen.status, OrderStatus.AWAITING_PAYMENT)
        return seen.version > self._moved_at and not (self._cancel_at or self._answers or pays)

    def waits_in_vain(self, seen: SeenOrder) -> bool:
        """The order waits for somebody who does not come."""
        waits = seen.status is OrderStatus.NEEDS_ATTENTION and not self._answers
        if seen.status is OrderStatus.AWAITING_PAYMENT:
            waits = not (self._cards or self._is_cancelled or self._expires)
        return waits and seen.version > self._moved_at and self._cancel_at is not seen.status

    def left(self) -> list[str]:
        """What was never asked for, once the order is over."""
        parts = {Part.PAY: list(self._cards), Part.ACT: [str(answer) for answer in self._answers]}
        unused = [f"{part}: nobody asked for {', '.join(rest)}" for part, rest in parts.items() if rest]
        return [*unused, *([f"{Part.CANCEL}: the order was not seen {self._cancel_at}"] if self._cancel_at else [])]

    def _is_kept_back(self, seen: SeenOrder) -> bool:
        return not seen.tracking_number or (self._is_cancelled and seen.status is not OrderStatus.SHIPPED)

    def _answered(self, action: Action) -> None:
        if action is Action.RESHIP:
            self._events = deque(STRAIGHT)
        elif action is Action.FOUND:
            self._events = deque(STRAIGHT[-1:])


def _first(part: Part, rest: Sequence[str]) -> Move | None:
    return Move(part, rest[0]) if rest else None


def _may_become(status: OrderStatus, target: OrderStatus) -> bool:
    """Whether an order can still get there, unless an operator sends it back."""
    found, looking = {status}, {status}
    while looking := looking - {OrderStatus.NEEDS_ATTENTION}:
        looking = {after for before in looking for after in TRANSITIONS[before]} - found
        found |= looking
    return target in found
