"""
A policy as it is written down: whose approval an order needs.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fulfillment.domain.approval_policy import AtLeast, Forced, LevelRule, Policy, RiskRules
from fulfillment.domain.approvals import Mode, Plan, PlannedLevel
from fulfillment.domain.identity import ROLE_FORM, is_role
from fulfillment.domain.iso import COUNTRIES, CURRENCIES
from fulfillment.settings.values import Duration, Section

MOST_LEVELS = 10
MOST_REMINDERS = 10

_LONGEST = timedelta(days=365)
_LARGEST_AMOUNT = 10**15
_LARGEST_SCORE = 1_000_000


def _role(value: str) -> str:
    if not is_role(value):
        msg = f"a role has {ROLE_FORM}"
        raise ValueError(msg)
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        msg = "must be an ISO 4217 code in capitals, like EUR"
        raise ValueError(msg)
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        msg = "must be an ISO 3166-1 alpha-2 code in capitals, like DE"
        raise ValueError(msg)
    return value


def _ascending(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if any(later <= earlier for earlier, later in pairwise(value)):
        msg = "each must be later than the one before"
        raise ValueError(msg)
    return value


Role = Annotated[str, AfterValidator(_role)]
Currency = Annotated[str, AfterValidator(_currency)]
Country = Annotated[str, AfterValidator(_country)]
Span = Annotated[Duration, Field(gt=timedelta(0), le=_LONGEST)]
Reminders = Annotated[tuple[Span, ...], Field(max_length=MOST_REMINDERS), AfterValidator(_ascending)]
MinorUnits = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_AMOUNT)]
Points = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_SCORE)]
Count = Annotated[int, Field(strict=True, ge=1, le=_LARGEST_SCORE)]
# As many digits as a division of two decimals gives back exactly.
Rate = Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=12)]


class LevelEntry(Section):
    """One level: what is left out is as for all levels; without `from` it is asked only when risk forces it."""

    role: Role
    quorum: Annotated[int, Field(strict=True, ge=1, le=10)] = 1
    thresholds: dict[Currency, MinorUnits] = Field(default_factory=dict, alias="from")
    escalate_after: Span | None = None
    expire_after: Span | None = None
    reminders: Reminders | None = None


class AtLeastEntry(Section):
    """So many points from this number on."""

    number: Count
    points: Points

    def to_rule(self) -> AtLeast:
        """The same for the domain."""
        return AtLeast(number=self.number, points=self.points)


class ForcedEntry(Section):
    """From this score on the level of this role is asked."""

    score: Count
    role: Role


class RiskEntry(Section):
    """Points, and what follows from them; what is left out gives none."""

    first_order: Points = 0
    unusual_address: Points = 0
    orders_within_hour: AtLeastEntry | None = None
    units_of_one_sku: AtLeastEntry | None = None
    countries: dict[Country, Points] = Field(default_factory=dict)
    forced: Annotated[tuple[ForcedEntry, ...], Field(max_length=100)] = ()
    refuse_from: Count | None = None

    def to_rules(self) -> RiskRules:
        """The same for the domain."""
        return RiskRules(
            first_order=self.first_order,
            unusual_address=self.unusual_address,
            orders_within_hour=self.orders_within_hour.to_rule() if self.orders_within_hour else None,
            units_of_one_sku=self.units_of_one_sku.to_rule() if self.units_of_one_sku else None,
            countries=self.countries,
            forced=tuple(Forced(score=entry.score, role=entry.role) for entry in self.forced),
            refuse_from=self.refuse_from,
        )


class PolicyDocument(Section):
    """A policy as it is written down. It stands alone: levels and risk rules it leaves out do not exist."""

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$")]
    mode: Mode = Mode.SEQUENTIAL
    deadline: Span = timedelta(days=14)
    escalate_after: Span = timedelta(days=7)
    expire_after: Span = timedelta(days=3)
    reminders: Reminders = (timedelta(days=3), timedelta(days=6))
    base_currency: Currency = "USD"
    rates: dict[Currency, Rate] = Field(default_factory=dict)
    levels: Annotated[tuple[LevelEntry, ...], Field(max_length=MOST_LEVELS)] = ()
    risk: RiskEntry = RiskEntry()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if wrong := [*self._wrong_levels(), *self._wrong_thresholds(), *self._wrong_rates(), *self._wrong_roles()]:
            raise ValueError("; ".join(wrong))
        return self

    def to_policy(self) -> Policy:
        """
        The same for the domain; its version ends in a part of the hash of all its rules.
        """
        policy = Policy(
            version=self.version,
            base_currency=self.base_currency,
            levels=tuple(self._rules()),
            plan=Plan(policy=self.version, mode=self.mode, deadline=self.deadline),
            rates={currency: Fraction(rate) for currency, rate in self.rates.items()},
            risk=self.risk.to_rules(),
        )
        version = f"{self.version}+{_fingerprint(policy)}"
        return replace(policy, version=version, plan=replace(policy.plan, policy=version))

    def _rules(self) -> Iterator[LevelRule]:
        for number, entry in enumerate(self.levels, start=1):
            # A level that only risk asks for has another task, not a higher rank.
            higher = next((later.role for later in self.levels[number:] if later.thresholds), None)
            level = PlannedLevel(
                role=entry.role,
                quorum=entry.quorum,
                reminders=self._reminders_of(entry),
                escalate_after=self._escalate_after_of(entry),
                expire_after=self.expire_after if entry.expire_after is None else entry.expire_after,
                escalates_to=higher,
            )
            yield LevelRule(level=level, thresholds=entry.thresholds)

    def _reminders_of(self, entry: LevelEntry) -> tuple[timedelta, ...]:
        return self.reminders if entry.reminders is None else entry.reminders

    def _escalate_after_of(self, entry: LevelEntry) -> timedelta:
        return self.escalate_after if entry.escalate_after is None else entry.escalate_after

    def _wrong_levels(self) -> Iterator[str]:
        seen: set[str] = set()
        for at, entry in enumerate(self.levels):
            if entry.role in seen:
                yield f"levels[{at}].role: {entry.role} has a level already; give each role one level"
            seen.add(entry.role)
            if any(reminder >= self._escalate_after_of(entry) for reminder in self._reminders_of(entry)):
                yield f"levels[{at}].reminders: each must be before escalate_after; make them earlier, or give none"

    def _wrong_thresholds(self) -> Iterator[str]:
        named = {currency for entry in self.levels for currency in entry.thresholds}
        wanted = sorted(named | {self.base_currency})
        reached: dict[str, int] = {}
        for at, entry in enumerate(self.levels):
            if not entry.thresholds:
                continue
            for currency in wanted:
                threshold = entry.thresholds.get(currency)
                if threshold is None:
                    yield f"levels[{at}].from: has no {currency}; {self._why_wanted(currency)}"
                elif threshold < reached.get(currency, 0):
                    yield f"levels[{at}].from.{currency}: must not be less than that of the level before"
                else:
                    reached[currency] = threshold

    def _why_wanted(self, currency: str) -> str:
        if currency == self.base_currency:
            return "add it, it is the base_currency"
        return "add it, other levels have it"

    def _wrong_rates(self) -> Iterator[str]:
        named = {currency for entry in self.levels for currency in entry.thresholds} | {self.base_currency}
        for currency in sorted(self.rates.keys() & named):
            yield f"rates.{currency}: must be left out, {currency} is the base_currency or has thresholds"

    def _wrong_roles(self) -> Iterator[str]:
        roles = {entry.role for entry in self.levels}
        for at, entry in enumerate(self.risk.forced):
            if entry.role not in roles:
                yield f"risk.forced[{at}].role: {entry.role} has no level; add one, without `from` if only risk asks it"


def _fingerprint(policy: Policy) -> str:
    """Of everything it says: two policies that differ have different ones."""
    canonical = json.dumps(asdict(policy), default=str, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


DEFAULT_DOCUMENT = PolicyDocument.model_validate(
    {
        "version": "default",
        "levels": [
            {"role": "manager", "from": {"USD": 1_000_00}},
            {"role": "director", "from": {"USD": 10_000_00}},
            {"role": "vp", "from": {"USD": 100_000_00}},
            {"role": "ceo", "from": {"USD": 1_000_000_00}},
        ],
        "risk": {
            "first_order": 10,
            "unusual_address": 10,
            "orders_within_hour": {"number": 50, "points": 40},
            "units_of_one_sku": {"number": 500, "points": 40},
            "forced": [{"score": 50, "role": "manager"}],
        },
    }
)
DEFAULT_POLICY = DEFAULT_DOCUMENT.to_policy()
"""What is in force where no policy was written."""
