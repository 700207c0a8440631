"""
Which of all the ways an order can go the orders of a run went.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.local.demo.progress import Board


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    Attributes:
        statuses: those in which an order was seen.
        failures: the codes of orders that ended without a delivery.
        questions: why an operator was asked, and the answers given.
    """

    statuses: frozenset[OrderStatus]
    failures: frozenset[FailureCode]
    questions: Mapping[AttentionReason, Sequence[str]]

    @classmethod
    def of(cls, board: Board) -> Self:
        """What the service told of the orders on a board."""
        questions: dict[AttentionReason, dict[str, None]] = {}
        for progress in board.all:
            for reason, answers in progress.script.asked.items():
                questions.setdefault(AttentionReason(reason), {}).update(dict.fromkeys(answers))
        return cls(
            statuses=frozenset().union(*(progress.passed for progress in board.all)),
            failures=frozenset(
                FailureCode(progress.seen.code) for progress in board.all if progress.seen and progress.seen.code
            ),
            questions={reason: tuple(answers) for reason, answers in questions.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "statuses": _sorted(OrderStatus, self.statuses),
            "failure_codes": _sorted(FailureCode, self.failures),
            "attention_reasons": {
                reason.value: list(self.questions[reason]) for reason in AttentionReason if reason in self.questions
            },
        }

    def __str__(self) -> str:
        return (
            f"{len(self.statuses)} of {len(OrderStatus)} statuses, {len(self.failures)} of {len(FailureCode)} failure"
            f" codes, {len(self.questions)} of {len(AttentionReason)} questions to operators"
        )


def _sorted(kind: type[StrEnum], seen: Iterable[StrEnum]) -> list[str]:
    return [member.value for member in kind if member in set(seen)]
