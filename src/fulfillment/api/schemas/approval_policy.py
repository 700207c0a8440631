"""
The policy of approvals, and what it says of an order, as callers ask for it and are told.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from fulfillment.api.schemas.common import (
    Country,
    Currency,
    CurrencyCode,
    MoneyView,
    Text100,
    View,
    extensible,
)
from fulfillment.api.schemas.orders import LARGEST_TOTAL
from fulfillment.domain.approval_policy import Assessment, AtLeast, Forced, LevelRule, Policy, RiskFacts, RiskRules
from fulfillment.domain.approvals import Mode, PlannedLevel
from fulfillment.domain.money import Money

_MOST_UNITS = 1_000_000

ModeName = Annotated[str, Field(json_schema_extra=extensible(Mode), examples=["sequential"])]
VersionName = Annotated[
    str,
    Field(description="Its version, `+`, and a part of the hash of all rules.", examples=["2026-11+3f9a01bc"]),
]
MinorUnits = Annotated[int, Field(ge=0)]
Points = Annotated[int, Field(ge=0)]


class ExplanationQuery(BaseModel):
    """An order that might be placed: what is left out is not judged."""

    model_config = ConfigDict(extra="forbid")

    amount: int = Field(ge=0, le=LARGEST_TOTAL, description="Its total in minor units.", examples=[129999])
    currency: Currency = Field(description="Its currency, ISO 4217.", examples=["USD"])
    customer_id: Text100 | None = Field(
        default=None, description="Whose it is: what they ordered before is read, and not counted.", examples=["C-1007"]
    )
    country: Country | None = Field(default=None, description="Where it goes.", examples=["DE"])
    units: int | None = Field(
        default=None, ge=1, le=_MOST_UNITS, description="The most pieces of one article.", examples=[3]
    )

    @property
    def total(self) -> Money:
        """What it costs."""
        return Money(self.amount, self.currency)


class LevelRuleOut(View):
    """One level, and when it is asked."""

    model_config = ConfigDict(serialize_by_alias=True)

    role: str
    quorum: Annotated[int, Field(ge=1)]
    """So many people of this role are to say yes."""
    from_: Annotated[Mapping[CurrencyCode, MinorUnits], Field(serialization_alias="from")]
    """It is asked from these totals on, in minor units; empty: only when risk forces it."""
    reminders: list[timedelta]
    """How long after it was asked it is reminded."""
    escalate_after: timedelta
    """So long after it was asked the next higher role may decide as well."""
    expire_after: timedelta
    """So long after that nobody may any more."""
    escalates_to: str | None
    """The next higher role; null for the highest."""

    @classmethod
    def of(cls, rule: LevelRule) -> Self:
        level = rule.level
        return cls(
            role=level.role,
            quorum=level.quorum,
            from_=rule.thresholds,
            reminders=list(level.reminders),
            escalate_after=level.escalate_after,
            expire_after=level.expire_after,
            escalates_to=level.escalates_to,
        )


class AtLeastOut(View):
    """So many points from this number on."""

    number: int
    points: Points

    @classmethod
    def of(cls, rule: AtLeast | None) -> Self | None:
        return cls(number=rule.number, points=rule.points) if rule else None


class ForcedOut(View):
    """From this score on the level of this role is asked, whatever the order costs."""

    score: int
    role: str

    @classmethod
    def of(cls, rule: Forced) -> Self:
        return cls(score=rule.score, role=rule.role)


class RiskRulesOut(View):
    """The points for what may mean trouble, and what follows from their sum, the score."""

    first_order: Points
    """The customer has placed none before."""
    unusual_address: Points
    """It goes where the customer's parcels usually do not."""
    orders_within_hour: AtLeastOut | None
    """Of the customer, this one included."""
    units_of_one_sku: AtLeastOut | None
    countries: Mapping[str, Points]
    """By destination."""
    forced: list[ForcedOut]
    refuse_from: int | None
    """From this score on the order is rejected; null: never."""

    @classmethod
    def of(cls, rules: RiskRules) -> Self:
        return cls(
            first_order=rules.first_order,
            unusual_address=rules.unusual_address,
            orders_within_hour=AtLeastOut.of(rules.orders_within_hour),
            units_of_one_sku=AtLeastOut.of(rules.units_of_one_sku),
            countries=rules.countries,
            forced=[ForcedOut.of(rule) for rule in rules.forced],
            refuse_from=rules.refuse_from,
        )


class PolicyOut(View):
    """Whose approval orders need that are placed or amended now."""

    version: VersionName
    mode: ModeName
    """Whether the levels are asked one after the other or all at once."""
    deadline: timedelta
    """For all levels together."""
    base_currency: CurrencyCode
    rates: Mapping[CurrencyCode, str]
    """Base currency for one unit of a currency without thresholds; a total is rounded up to the next minor unit."""
    levels: list[LevelRuleOut]
    """From low to high."""
    risk: RiskRulesOut

    @classmethod
    def of(cls, policy: Policy) -> Self:
        return cls(
            version=policy.version,
            mode=policy.plan.mode,
            deadline=policy.plan.deadline,
            base_currency=policy.base_currency,
            # Exact: rates come from decimals with few digits.
            rates={name: f"{Decimal(rate.numerator) / rate.denominator:f}" for name, rate in policy.rates.items()},
            levels=[LevelRuleOut.of(rule) for rule in policy.levels],
            risk=RiskRulesOut.of(policy.risk),
        )


class AskedLevelOut(View):
    """A level that is asked."""

    role: str
    quorum: Annotated[int, Field(ge=1)]
    """So many people of this role are to say yes."""
    reasons: list[str]
    """Why: `amount`; `no_rate`, its currency has neither thresholds nor a rate; `risk`."""

    @classmethod
    def of(cls, level: PlannedLevel) -> Self:
        return cls(role=level.role, quorum=level.quorum, reasons=list(level.reasons))


class ScoreOut(View):
    """The points of an order."""

    score: Points
    points: Mapping[str, int]
    """Those of each rule that applies."""
    not_judged: list[str]
    """Rules that would have to know more."""


class ExplanationOut(View):
    """What would happen to an order if it was placed now."""

    policy: VersionName
    total: MoneyView
    compared: MoneyView | None
    """What is compared with the thresholds: the total, or its worth in the base currency; null: there is no rate."""
    outcome: Annotated[str, Field(json_schema_extra={"x-extensible-enum": ["automatic", "approval", "refused"]})]
    """`automatic`: nobody is asked; `approval`: the levels are; `refused`: it is rejected for its risk."""
    mode: ModeName
    """Whether the levels are asked one after the other or all at once."""
    levels: list[AskedLevelOut]
    """Those that are asked, from low to high."""
    risk: ScoreOut

    @classmethod
    def of(cls, policy: Policy, total: Money, facts: RiskFacts) -> Self:
        assessment, compared = policy.assess(total, facts), policy.compared(total)
        return cls(
            policy=policy.version,
            total=MoneyView.of(total),
            compared=MoneyView.of(compared) if compared else None,
            outcome=_outcome(assessment),
            mode=policy.plan.mode,
            levels=[] if assessment.refused else [AskedLevelOut.of(level) for level in assessment.plan.levels],
            risk=ScoreOut(
                score=assessment.score,
                points=assessment.points,
                not_judged=list(policy.risk.not_judged(facts)),
            ),
        )


def _outcome(assessment: Assessment) -> str:
    if assessment.refused:
        return "refused"
    return "automatic" if assessment.plan.is_automatic else "approval"
