"""
The matrix: every step and every undo, whatever may happen to it, and how the order must end then.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Step(StrEnum):
    """What an order asks of the database or of a provider, by the name of its operation in keys."""

    PLACE = "place"
    AUTHORIZE = "authorize"
    BOOK = "book"
    CAPTURE = "capture"
    CANCEL_SHIPMENT = "cancel_shipment"
    VOID = "void"
    REFUND = "refund"
    RELEASE_STOCK = "release_stock"

    @property
    def operation(self) -> str:
        """What stands between order and number in the key of the effect."""
        names = {Step.PLACE: "hold", Step.RELEASE_STOCK: "release", Step.CANCEL_SHIPMENT: "cancel"}
        return names.get(self, self.value)

    @property
    def is_undo(self) -> bool:
        """It takes back what another step did."""
        return self in (Step.CANCEL_SHIPMENT, Step.VOID, Step.REFUND, Step.RELEASE_STOCK)

    @property
    def is_ours(self) -> bool:
        """A step of our own database; all others reach a provider."""
        return self in (Step.PLACE, Step.RELEASE_STOCK)


class Fault(StrEnum):
    """What happens to the step."""

    CUT = "cut"
    LOST = "lost"
    LATE = "late"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    TOO_LATE = "too_late"
    FLAKY = "flaky"
    AWAY = "away"
    KILLED_BEFORE = "killed_before"
    KILLED_AFTER = "killed_after"
    CANCELLED_IN_FLIGHT = "cancelled_in_flight"
    CANCELLED_LOST = "cancelled_lost"
    CANCELLED_LATE = "cancelled_late"
    CANCELLED_IN_BACKOFF = "cancelled_in_backoff"

    @property
    def kills(self) -> bool:
        """A worker dies of it."""
        return self in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)

    @property
    def cancels(self) -> bool:
        """Somebody cancels the order meanwhile."""
        return self.value.startswith("cancelled_")


MEANING = {
    Fault.CUT: "the connection is cut before anything is done",
    Fault.LOST: "done, but the answer is lost",
    Fault.LATE: "no answer in time; done after we gave up",
    Fault.REFUSED: "refused; where an operator is asked, he does it by hand",
    Fault.GIVEN_UP: "refused, capture: away for too long; the operator gives it up",
    Fault.TOO_LATE: "the carrier has the parcel already",
    Fault.FLAKY: "unavailable for a while",
    Fault.AWAY: "unavailable for longer than we wait; where an operator is asked, he tries again later",
    Fault.KILLED_BEFORE: "the worker is killed in flight, nothing was done",
    Fault.KILLED_AFTER: "the worker is killed in flight, it was done",
    Fault.CANCELLED_IN_FLIGHT: "the order is cancelled while the call is in flight",
    Fault.CANCELLED_LOST: "the order is cancelled in flight, it was done, and the answer is lost",
    Fault.CANCELLED_LATE: "the order is cancelled in flight, and it is done after we gave up",
    Fault.CANCELLED_IN_BACKOFF: "the order is cancelled between two attempts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an operator must be asked on the way, and the button that is pressed then."""

    reason: str
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where the order must arrive; `question` is the one an operator is asked on the way."""

    status: str
    code: str | None = None
    question: Question | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One step, one fault, one order; `delay` is how much later than our patience a late answer comes (seconds)."""

    step: Step
    fault: Fault
    end: End
    delay: float = field(default=0.5, compare=False)

    @property
    def name(self) -> str:
        return f"{self.step}/{self.fault}"


_DELIVERED = End(status="delivered")
_CANCELLED = End(status="cancelled", code="cancelled")
_REFUSALS = {
    Step.PLACE: "stock_short",
    Step.AUTHORIZE: "payment_declined",
    Step.BOOK: "carrier_refused",
    Step.CAPTURE: "payment_declined",
}
_OUTAGES = {Step.AUTHORIZE: "payment_unavailable", Step.BOOK: "carrier_unavailable"}

_ASKED_ABOUT = (Step.CAPTURE, Step.CANCEL_SHIPMENT, Step.VOID, Step.REFUND)

_NOBODY_IS_ASKED = "nobody is asked: the order ends by itself, or the step goes on"
_NEVER_GIVEN_UP = "no order is given up because our own database is away, however long"
_A_BUG = "a database refuses only what is a bug of ours"
_NOT_INTERRUPTED = "a database step is never interrupted: the same as cancelled in flight"


def not_applicable(step: Step, fault: Fault) -> str | None:
    """Why this cell makes no sense."""
    reasons = {
        Fault.TOO_LATE: None if step is Step.CANCEL_SHIPMENT else "only a carrier can have left already",
        Fault.GIVEN_UP: None if step in _ASKED_ABOUT else _NOBODY_IS_ASKED,
        Fault.AWAY: _NEVER_GIVEN_UP if step.is_ours else None,
        Fault.CANCELLED_LATE: _NOT_INTERRUPTED if step.is_ours else None,
        Fault.REFUSED: _A_BUG if step is Step.RELEASE_STOCK else None,
    }
    return reasons.get(fault)


def end_of(step: Step, fault: Fault) -> End:
    """How an order must end whose step meets this fault."""
    if fault is Fault.TOO_LATE:
        return _DELIVERED
    if step.is_undo:
        button = {Fault.REFUSED: "resolved_by_hand", Fault.GIVEN_UP: "skip", Fault.AWAY: "retry"}.get(fault)
        return _asking(_CANCELLED, "undo_failed", button) if button else _CANCELLED
    return _CANCELLED if fault.cancels else _end_of_step(step, fault)


def _end_of_step(step: Step, fault: Fault) -> End:
    if fault is Fault.REFUSED:
        return End(status="rejected", code=_REFUSALS[step])
    if fault is Fault.GIVEN_UP:
        return _asking(_CANCELLED, "capture_overdue", "cancel")
    if fault is not Fault.AWAY:
        return _DELIVERED
    if step is Step.CAPTURE:
        return _asking(_DELIVERED, "capture_overdue", "retry")
    return End(status="rejected", code=_OUTAGES[step])


def _asking(end: End, reason: str, button: str) -> End:
    return End(status=end.status, code=end.code, question=Question(reason=reason, button=button))


def cells(seed: int, pattern: str = "*") -> list[Cell]:
    """All cells whose `step/fault` matches the pattern, in the order and with the delays of this seed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    found = list(_all(chance))
    chance.shuffle(found)
    return [cell for cell in found if fnmatchcase(cell.name, pattern)]


def _all(chance: random.Random) -> Iterator[Cell]:
    for step in Step:
        for fault in Fault:
            delay = round(chance.uniform(0.2, 1.2), 2)
            if not not_applicable(step, fault):
                yield Cell(step=step, fault=fault, end=end_of(step, fault), delay=delay)


def sample(seed: int) -> list[Cell]:
    """
    Some cells, with every step and every fault at least once; a worker is killed only at our own steps, because a
    provider's are tried again half a minute later.
    """
    chosen: list[Cell] = []
    for cell in cells(seed):
        is_new = all(cell.fault is not other.fault for other in chosen) or all(
            cell.step is not other.step for other in chosen
        )
        if is_new and (cell.step.is_ours or not cell.fault.kills):
            chosen.append(cell)
    return chosen
