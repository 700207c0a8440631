"""
What a message or a moment means for a request for approval, and how that is written down.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fulfillment.contracts.approvals import ApprovalFact, Decided, Decision, Note, NoteKind, Reassign, Withdraw
from fulfillment.domain.approval_requests import ApprovalRequest, Escalated, Happening, Level, Reminded
from fulfillment.domain.approvals import Ballot, LevelStatus
from fulfillment.domain.errors import DomainError
from fulfillment.domain.events import EventKind

_LONGEST_NAME = 300
_LONGEST_COMMENT = 1000


class Told:
    """A message, and what became of it; nobody waits for a `silent` one."""

    def __init__(self, message: Decision | Withdraw | Reassign, *, silent: bool = False) -> None:
        self.message = message
        self.silent = silent
        self.decided: Decided | None = None
        self.refusal: DomainError | None = None

    @property
    def expected_version(self) -> int | None:
        """The version of the request it is based on; None: any."""
        return self.message.expected_version

    @property
    def is_answered(self) -> bool:
        """There is something to tell the sender."""
        return self.decided is not None or self.refusal is not None

    def answer(self) -> Decided:
        """
        What the sender is told.

        Raises:
            DomainError: it was refused.
        """
        if self.refusal is not None:
            raise self.refusal
        assert self.decided is not None  # noqa: S101
        return self.decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be written down at once."""

    facts: tuple[ApprovalFact, ...] = ()
    note: Note | None = None

    def decided_by(self, request: ApprovalRequest) -> Decided:
        """What the sender of the message is told."""
        said = self.note.decision if self.note else None
        return _decided(request, said)


def told(request: ApprovalRequest, message: Decision | Withdraw | Reassign, now: datetime) -> Step:
    """
    Let a request hear a message.

    Raises:
        DomainError: it is refused, and nothing has changed.
    """
    before = request.levels
    match message:
        case Decision():
            ballot = request.decide(message.actor, message.authority, message.vote, message.level, now)
            note = Note(kind=NoteKind.TAKEN, ballot=ballot, decision=message, decided=_decided(request, message))
            fact = _fact(EventKind.APPROVAL_DECIDED, message.actor, **_spoken(ballot), status=request.status)
            return Step(facts=(fact, *opened_anew(request, before)), note=note)
        case Withdraw():
            ballot = request.withdraw(message.actor)
            fact = _fact(EventKind.DECISION_WITHDRAWN, message.actor, **_spoken(ballot))
            return Step(facts=(fact,), note=Note(kind=NoteKind.WITHDRAWN, ballot=ballot))
        case Reassign():
            request.reassign(message.level, message.role, now, message.actor)
            fact = _fact(
                EventKind.APPROVAL_REASSIGNED,
                message.actor,
                level=message.level,
                to=message.role,
                reason=message.reason,
            )
            return Step(facts=(fact,))


def can_be_kept(decision: Decision) -> bool:
    """Whether the database can hold what a sender says whom no API has checked: a step that it cannot never ends."""
    names = (decision.actor, decision.key, decision.on_behalf_of or "", decision.level or "", *decision.roles)
    is_short = all(len(name) <= _LONGEST_NAME for name in names) and len(decision.comment or "") <= _LONGEST_COMMENT
    return is_short and not any("\0" in text for text in (*names, decision.comment or "", decision.fingerprint))


def happened(happening: Happening) -> ApprovalFact:
    """What time has done, for the timeline."""
    match happening:
        case Reminded():
            return _fact(EventKind.APPROVAL_REMINDED, level=happening.level, reminder=happening.n)
        case Escalated():
            return _fact(EventKind.APPROVAL_ESCALATED, level=happening.level, to=happening.to, merged=happening.merged)
        case _:
            return _fact(EventKind.APPROVAL_EXPIRED, level=happening.level)


def opened_anew(request: ApprovalRequest, before: tuple[Level, ...]) -> Iterator[ApprovalFact]:
    """The people of a level whose turn has come are asked."""
    was_open = {level.name for level in before if level.status is LevelStatus.OPEN}
    for level in request.levels:
        if level.status is LevelStatus.OPEN and level.name not in was_open:
            yield asked(level)


def asked(level: Level) -> ApprovalFact:
    """The people of a level are asked."""
    return _fact(EventKind.APPROVAL_REQUESTED, level=level.name, role=level.role)


def _decided(request: ApprovalRequest, said: Decision | None) -> Decided:
    answer = Decided(status=request.status, missing=request.missing)
    if said is None:
        return answer
    return replace(answer, fingerprint=said.fingerprint, fingerprint_key=said.fingerprint_key)


def _spoken(ballot: Ballot) -> dict[str, Any]:
    behalf = {"on_behalf_of": ballot.on_behalf_of} if ballot.on_behalf_of else {}
    return {"level": ballot.level, "decision": ballot.vote.value, **behalf}


def _fact(kind: EventKind, actor: str = "system", **data: Any) -> ApprovalFact:  # noqa: ANN401 - JSON
    return ApprovalFact(kind=kind, actor=actor, data=data)
