"""
What is still to be done for one order of the file: by its customer, by an operator, by the carrier.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from fulfillment.domain.attention import Action
from fulfillment.domain.orders import TRANSITIONS, FailureCode, OrderStatus
from fulfillment.local.demo.decisions import Decisions
from fulfillment.local.demo.scenarios import STRAIGHT, Customer, Scenario
from fulfillment.local.demo.shop import SeenOrder

# What a provider does late (`tok_late`) is done then.
_FINDING_OUT = timedelta(seconds=4)


DECISIONS = "decisions"


class Part(StrEnum):
    """Who does something."""

    CANCEL = "cancel_at"
    PAY = "pay_later"
    CUSTOMER = "customer"
    PROVIDER = "provider"
    ACT = "actions"
    PARCEL = "carrier"


@dataclass(frozen=True, slots=True)
class Move:
    """One thing to be done: a card given, an operator's answer, an event of parcel or payment, or a cancellation."""

    part: Part
    what: str = ""


class Script:
    """
    The rest of a scenario, and in `asked` what operators were asked and answered. What never came to pass is kept as
    `remarks`; then, or when the service said no, the order `deviates`: nobody knows where it is going.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.remarks: list[str] = []
        self.asked: dict[str, list[str]] = {}
        self.deviates = False
        self.decisions = Decisions(scenario.plan)
        self._cancel_at = scenario.cancel_at
        self._cards = deque(scenario.pay_later)
        self._answers = deque(scenario.actions)
        self._events = deque(scenario.steps)
        self._is_cancelled = False
        self._lets_pass = scenario.lets_pass
        self._is_found_waiting = scenario.expected.status is OrderStatus.DELIVERED
        self._moves_late = scenario.moves_late
        self._customer = scenario.customer
        self._needs_customer = scenario.needs_customer
        self._news = scenario.provider_event
        self._tells_at = scenario.provider_at if scenario.provider else None
        self._told_late = False
        self._moved_at = -1

    @property
    def awaits_cancelling(self) -> bool:
        """The order is still to be cancelled."""
        return self._cancel_at is not None

    def heard(self, seen: SeenOrder) -> None:
        """News of the order: what cannot come any more is not waited for."""
        if seen.asks:
            self.asked.setdefault(seen.asks, [])
        if seen.action_url:
            self._needs_customer = False
        if self._tells_at and not _may_become(seen.status, self._tells_at):
            self.remarks.append(f"{Part.PROVIDER}: the order was not seen {self._tells_at}")
            self._tells_at, self.deviates = None, True
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
        if self._tells_at is seen.status and self._news:
            return Move(Part.PROVIDER, self._news)
        return self._next(seen)

    def _next(self, seen: SeenOrder) -> Move | None:
        match seen.status:
            case OrderStatus.NEEDS_ATTENTION if not self._is_finding_out(seen):
                return _first(Part.ACT, self._answers)
            case OrderStatus.AWAITING_PAYMENT if not self._is_cancelled:
                if self._acts(seen):
                    return Move(Part.CUSTOMER, self._customer)
                return _first(Part.PAY, self._cards)
            # Whether the carrier was faster than a cancellation is for the carrier to say.
            case OrderStatus.AWAITING_SHIPMENT | OrderStatus.SHIPPED if not self._is_kept_back(seen):
                return _first(Part.PARCEL, self._events)
            case _ if self.is_to_come_late(seen):
                return _first(Part.ACT, self._answers) if seen.asks else _first(Part.PARCEL, self._events)
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
            case Part.PROVIDER:
                self._tells_at, self._told_late = None, seen.status.is_final
            case Part.ACT:
                self.asked.setdefault(seen.asks or "", []).append(move.what)
                self._answered(Action(self._answers.popleft()))

    def refused(self, move: Move, why: str) -> None:
        """The service said no to a move; what was to follow of the same kind is left."""
        self.deviates = True
        match move.part:
            case Part.CANCEL:
                self._cancel_at = None
            case Part.PAY:
                self._cards.clear()
            case Part.PROVIDER:
                self._tells_at = None
            case _:
                self._answers.clear()
        # An order may well be expected to be too far to be cancelled.
        if move.part is not Part.CANCEL:
            self.remarks.append(f"{move.part}: {move.what} was refused, {why}")

    def decision_refused(self, why: str, unsaid: str | None) -> None:
        """The service did not take what somebody said; without a plan it may have come too late, and others speak."""
        if unsaid:
            self.remarks.append(f"{DECISIONS}: {unsaid} was refused, {why}")
            self.deviates = True

    def rests(self, seen: SeenOrder) -> bool:
        """Nobody is going to do anything about the order, except for the carrier."""
        pays = self._cards and _may_become(seen.status, OrderStatus.AWAITING_PAYMENT)
        votes = self.decisions.left and seen.status is OrderStatus.AWAITING_APPROVAL
        to_come = self._cancel_at or self._tells_at or self._answers or pays or votes or self._acts(seen)
        return seen.version > self._moved_at and not to_come

    def waits_in_vain(self, seen: SeenOrder) -> bool:
        """The order waits for somebody who does not come."""
        waits = seen.status is OrderStatus.NEEDS_ATTENTION and not self._answers
        if seen.status is OrderStatus.AWAITING_PAYMENT:
            acts = self._acts(seen) or self._cards or self._is_cancelled
            waits = not (acts or self._lets_pass is FailureCode.PAYMENT_EXPIRED)
        elif seen.status is OrderStatus.AWAITING_APPROVAL:
            ends = self._lets_pass is FailureCode.APPROVAL_EXPIRED or self._is_cancelled
            waits = self.decisions.is_spent and not ends
        return waits and seen.version > self._moved_at and self._cancel_at is not seen.status

    def is_to_come_late(self, seen: SeenOrder) -> bool:
        """
        The order has ended, but the carrier takes its parcel all the same, or its payment is disputed; and an operator
        looks at that.
        """
        if self._moves_late and seen.status.is_final:
            return bool(seen.tracking_number and self._answers)
        is_asked = self._told_late and (bool(self._answers) or seen.version <= self._moved_at)
        return seen.status.is_final and (self._tells_at is seen.status or is_asked)

    def waits_for(self, seen: SeenOrder) -> str | None:
        """Who or what is to move an order next, in words; None once it has ended."""
        match seen.status:
            case OrderStatus.NEEDS_ATTENTION:
                return "an operator"
            case OrderStatus.AWAITING_APPROVAL:
                return "a deadline" if self.decisions.is_spent else f"a yes of {' or '.join(seen.approvers)}"
            case OrderStatus.AWAITING_PAYMENT:
                return "a deadline" if self._lets_pass is FailureCode.PAYMENT_EXPIRED else "the customer"
            case OrderStatus.AWAITING_SHIPMENT | OrderStatus.SHIPPED:
                return "a deadline" if self._lets_pass and not self._events else "the carrier"
            case status if status.is_final:
                return "an operator" if self.is_to_come_late(seen) else None
            case _:
                return "the providers"

    def left(self) -> list[str]:
        """What was never asked for, once the order is over."""
        parts = {Part.PAY: list(self._cards), Part.ACT: [str(answer) for answer in self._answers]}
        unused = [f"{part}: nobody asked for {', '.join(rest)}" for part, rest in parts.items() if rest]
        if unsaid := self.decisions.unsaid():
            unused.append(f"{DECISIONS}: nobody was asked for {unsaid}")
        if self._needs_customer:
            unused.append(f"{Part.CUSTOMER}: the bank asked for nothing")
        return [*unused, *([f"{Part.CANCEL}: the order was not seen {self._cancel_at}"] if self._cancel_at else [])]

    def _is_kept_back(self, seen: SeenOrder) -> bool:
        return not seen.tracking_number or (self._is_cancelled and seen.status is not OrderStatus.SHIPPED)

    def _acts(self, seen: SeenOrder) -> bool:
        """The customer does something about what the bank asks for."""
        return seen.action_url is not None and self._customer is not Customer.IGNORES

    def _answered(self, action: Action) -> None:
        if action is Action.RESHIP:
            self._events = deque(STRAIGHT)
        elif action is Action.FOUND:
            self._events = deque(STRAIGHT[-1:])
        elif action is Action.KEEP_WAITING and self._is_found_waiting and not self._answers:
            self._events = deque(STRAIGHT)

    def _is_finding_out(self, seen: SeenOrder) -> bool:
        looks_it_up = bool(self._answers) and self._answers[0] in (Action.RETRY_LOOKUP, Action.IT_HAPPENED)
        return looks_it_up and datetime.now(UTC) < seen.updated_at + _FINDING_OUT


def _first(part: Part, rest: Sequence[str]) -> Move | None:
    return Move(part, rest[0]) if rest else None


def _may_become(status: OrderStatus, target: OrderStatus) -> bool:
    """Whether an order can still get there, unless an operator sends it back."""
    found, looking = {status}, {status}
    while looking := looking - {OrderStatus.NEEDS_ATTENTION}:
        looking = {after for before in looking for after in TRANSITIONS[before]} - found
        found |= looking
    return target in found
