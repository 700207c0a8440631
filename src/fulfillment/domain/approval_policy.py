"""
The rules that say whose approval an order needs: pure functions of its total and of what is known about it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fulfillment.domain.approvals import Mode, Plan, PlannedLevel
from fulfillment.domain.money import Money, exponent

AMOUNT = "amount"
NO_RATE = "no_rate"
RISK = "risk"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFacts:
    """
    What is known about an order when it is placed or changed.

    Attributes:
        country: of the destination, ISO 3166-1 alpha-2; None: not known.
        most_units: of one article; None: not known.
        first_order: the customer has placed none before; None: not known.
        orders_within_hour: of the customer, this one included; None: not known.
        unusual_address: it is not where the customer's parcels usually go; None: not known, or there is no usual one.
    """

    country: str | None = None
    most_units: int | None = None
    first_order: bool | None = None
    orders_within_hour: int | None = None
    unusual_address: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """So many points from this number on."""

    number: int
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """From this score on the level of `role` is asked, whatever the order costs."""

    score: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRules:
    """
    Points for what may mean trouble; none of them means anything by itself. An order whose score reaches `refuse_from`
    is not accepted at all.
    """

    first_order: int = 0
    unusual_address: int = 0
    orders_within_hour: AtLeast | None = None
    units_of_one_sku: AtLeast | None = None
    countries: Mapping[str, int] = field(default_factory=dict)
    forced: tuple[Forced, ...] = ()
    refuse_from: int | None = None

    @property
    def ask_about_customers(self) -> bool:
        """Whether any rule looks at what the customer did before."""
        return bool(self.first_order or self.unusual_address or self.orders_within_hour)

    def points(self, facts: RiskFacts) -> Iterator[tuple[str, int]]:
        """The points of each rule that applies, by its code."""
        return ((code, points) for code, points in self._judged(facts) if points)

    def not_judged(self, facts: RiskFacts) -> tuple[str, ...]:
        """The codes of the rules that would have to know more."""
        return tuple(code for code, points in self._judged(facts) if points is None)

    def _judged(self, facts: RiskFacts) -> Iterator[tuple[str, int | None]]:
        yield "first_order", _points_if(facts.first_order, self.first_order)
        yield "unusual_address", _points_if(facts.unusual_address, self.unusual_address)
        yield "orders_within_hour", _points_from(facts.orders_within_hour, self.orders_within_hour)
        yield "units_of_one_sku", _points_from(facts.most_units, self.units_of_one_sku)
        if facts.country is None:
            yield "country", None if self.countries else 0
        else:
            yield "country", self.countries.get(facts.country, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRule:
    """
    When a level is asked: from these totals on, in minor units by currency, inclusive. Without any it is asked only
    when risk forces it.
    """

    level: PlannedLevel
    thresholds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """
    What the rules say of one order.

    Attributes:
        plan: whose approval it needs; without levels nobody's.
        score: all points together.
        points: those of each rule that applied, by its code.
        refused: the score is so high that the order is not accepted.
    """

    plan: Plan
    score: int
    points: Mapping[str, int]
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    The rules of one version; `levels` go from low to high.

    A total in a currency without thresholds is turned into `base_currency` by `rates` (base units for one unit),
    rounded up to the next minor unit; without a rate it needs the first level that has thresholds. What costs nothing
    needs nobody's approval, whatever the risk; it can still be refused.
    """

    version: str
    base_currency: str
    levels: tuple[LevelRule, ...]
    plan: Plan
    rates: Mapping[str, Fraction] = field(default_factory=dict)
    risk: RiskRules = field(default_factory=RiskRules)

    def assess(self, total: Money, facts: RiskFacts) -> Assessment:
        """Whose approval an order of this total needs, and why."""
        points = dict(self.risk.points(facts))
        score = sum(points.values())
        forced = {rule.role for rule in self.risk.forced if total.amount and score >= rule.score}
        reasons = self._by_amount(total)
        levels = []
        for rule in self.levels:
            why = (*reasons.get(rule.level.role, ()), *((RISK,) if rule.level.role in forced else ()))
            if why:
                levels.append(replace(rule.level, reasons=why))
        refused = self.risk.refuse_from is not None and score >= self.risk.refuse_from
        return Assessment(plan=replace(self.plan, levels=tuple(levels)), score=score, points=points, refused=refused)

    def compared(self, total: Money) -> Money | None:
        """What is compared with the thresholds; None: nothing is known of its currency."""
        if total.currency == self.base_currency or any(total.currency in rule.thresholds for rule in self.levels):
            return total
        return self._in_base(total) if total.currency in self.rates else None

    def _by_amount(self, total: Money) -> dict[str, tuple[str, ...]]:
        """The levels its amount asks for, with the reason; nothing is free in every currency."""
        rules = [rule for rule in self.levels if rule.thresholds]
        if not total.amount or not rules:
            return {}
        worth = self.compared(total)
        if worth is None:
            return {rules[0].level.role: (NO_RATE,)}
        return {
            rule.level.role: (AMOUNT,)
            for rule in rules
            if worth.currency in rule.thresholds and worth.amount >= rule.thresholds[worth.currency]
        }

    def _in_base(self, total: Money) -> Money:
        units = Fraction(total.amount, 10 ** exponent(total.currency)) * self.rates[total.currency]
        minor = units * 10 ** exponent(self.base_currency)
        return Money(-(-minor.numerator // minor.denominator), self.base_currency)


def _points_if(applies: bool | None, points: int) -> int | None:
    """None: it is not known whether the rule applies."""
    if not points:
        return 0
    return None if applies is None else points * applies


def _points_from(number: int | None, rule: AtLeast | None) -> int | None:
    """None: it is not known whether the rule applies."""
    if rule is None:
        return 0
    return None if number is None else rule.points * (number >= rule.number)


NOBODY_IS_ASKED = Policy(version="none", base_currency="USD", levels=(), plan=Plan(policy="none", mode=Mode.SEQUENTIAL))
"""Every order is accepted as it is."""
