"""
Whose approval the rules ask for: at every limit, in every kind of currency, for every kind of risk.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from fulfillment.domain.approval_policy import (
    NOBODY_IS_ASKED,
    Assessment,
    AtLeast,
    Forced,
    LevelRule,
    Policy,
    RiskFacts,
    RiskRules,
)
from fulfillment.domain.approvals import Plan, PlannedLevel
from fulfillment.domain.money import Money

LEVELS = ("manager", "director", "vp", "ceo")
FROM = {
    "USD": (100_000, 1_000_000, 10_000_000, 100_000_000),
    "JPY": (150_000, 1_500_000, 15_000_000, 150_000_000),
    "KWD": (300_000, 3_000_000, 30_000_000, 300_000_000),
}
"""The same sums, about: yen have no minor unit, dinars have a thousand."""
RATES = {"EUR": Fraction("1.08"), "KRW": Fraction("0.0007"), "BHD": Fraction("2.65")}
NOTHING_KNOWN = RiskFacts()


def a_level(role: str, n: int) -> LevelRule:
    return LevelRule(level=PlannedLevel(role=role), thresholds={currency: FROM[currency][n] for currency in FROM})


def a_policy(risk: RiskRules | None = None, levels: tuple[LevelRule, ...] | None = None) -> Policy:
    return Policy(
        version="1",
        base_currency="USD",
        levels=tuple(a_level(role, n) for n, role in enumerate(LEVELS)) if levels is None else levels,
        plan=Plan(policy="1"),
        rates=RATES,
        risk=risk or RiskRules(),
    )


def asked(assessment: Assessment) -> dict[str, tuple[str, ...]]:
    """The levels that are asked, with their reasons."""
    return {level.role: level.reasons for level in assessment.plan.levels}


def by_amount(*roles: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(roles, ("amount",))


@pytest.mark.parametrize(("currency", "n"), list(product(FROM, range(len(LEVELS)))))
def test_a_level_is_asked_from_its_threshold_on_with_all_below_it(currency: str, n: int) -> None:
    policy, threshold = a_policy(), FROM[currency][n]
    found = [asked(policy.assess(Money(threshold + step, currency), NOTHING_KNOWN)) for step in (-1, 0, 1)]

    assert found == [by_amount(*LEVELS[:n]), by_amount(*LEVELS[: n + 1]), by_amount(*LEVELS[: n + 1])]


@pytest.mark.parametrize(
    ("total", "worth"),
    [
        # 92592 cents are 99 999.36, rounded up 100 000; one less is 99 998.28.
        (Money(92_592, "EUR"), Money(100_000, "USD")),
        (Money(92_591, "EUR"), Money(99_999, "USD")),
        # Won have no minor unit: 1 428 572 * 0.07 cents are 100 000.04.
        (Money(1_428_572, "KRW"), Money(100_001, "USD")),
        (Money(1_428_571, "KRW"), Money(100_000, "USD")),
        (Money(1_428_557, "KRW"), Money(99_999, "USD")),
        (Money(1, "KRW"), Money(1, "USD")),
        # Dinars have a thousand fils: 377 358 * 0.265 cents are 99 999.87.
        (Money(377_358, "BHD"), Money(100_000, "USD")),
        (Money(377_354, "BHD"), Money(99_999, "USD")),
        (Money(10**15, "EUR"), Money(108 * 10**13, "USD")),
    ],
    ids=str,
)
def test_a_total_in_another_currency_is_compared_by_its_worth_rounded_up(total: Money, worth: Money) -> None:
    policy = a_policy()

    assert policy.compared(total) == worth
    assert asked(policy.assess(total, NOTHING_KNOWN)) == asked(policy.assess(worth, NOTHING_KNOWN))


def test_a_base_currency_without_a_minor_unit_is_rounded_up_to_the_next_whole_one() -> None:
    levels = (LevelRule(level=PlannedLevel(role="manager"), thresholds={"JPY": 162}),)
    policy = replace(a_policy(levels=levels), base_currency="JPY", rates={"EUR": Fraction(161)})

    assert policy.compared(Money(100, "EUR")) == Money(161, "JPY")
    assert policy.compared(Money(101, "EUR")) == Money(163, "JPY")


def test_a_currency_with_thresholds_is_never_turned_into_another() -> None:
    assert a_policy().compared(Money(5, "JPY")) == Money(5, "JPY")


@pytest.mark.parametrize("amount", [1, 10**15])
def test_a_currency_nothing_is_known_of_needs_the_first_level_with_thresholds(amount: int) -> None:
    desk = LevelRule(level=PlannedLevel(role="desk"))
    policy = a_policy(levels=(desk, a_level("manager", 0), a_level("director", 1)))
    total = Money(amount, "CHF")

    assert policy.compared(total) is None
    assert asked(policy.assess(total, NOTHING_KNOWN)) == {"manager": ("no_rate",)}


def test_a_policy_without_thresholds_asks_nobody_by_amount() -> None:
    policy = a_policy(levels=(LevelRule(level=PlannedLevel(role="desk")),))

    assert policy.assess(Money(10**15, "CHF"), NOTHING_KNOWN).plan.is_automatic


@pytest.mark.parametrize("currency", ["USD", "JPY", "EUR", "CHF"])
def test_what_is_free_asks_nobody_even_where_every_cent_does(currency: str) -> None:
    every_cent = LevelRule(level=PlannedLevel(role="manager"), thresholds={"USD": 0, "JPY": 0})
    risky = RiskRules(first_order=50, forced=(Forced(score=50, role="manager"),))
    policy = a_policy(risky, levels=(every_cent,))
    first = RiskFacts(first_order=True)

    assert policy.assess(Money(0, currency), first).plan.is_automatic
    assert not policy.assess(Money(1, currency), first).plan.is_automatic


RULES = RiskRules(
    first_order=1,
    unusual_address=2,
    orders_within_hour=AtLeast(number=50, points=4),
    units_of_one_sku=AtLeast(number=500, points=8),
    countries={"KP": 16, "DE": 0},
)


@pytest.mark.parametrize(
    ("facts", "points"),
    [
        (RiskFacts(), {}),
        (RiskFacts(first_order=True), {"first_order": 1}),
        (RiskFacts(first_order=False), {}),
        (RiskFacts(unusual_address=True), {"unusual_address": 2}),
        (RiskFacts(unusual_address=False), {}),
        (RiskFacts(orders_within_hour=49), {}),
        (RiskFacts(orders_within_hour=50), {"orders_within_hour": 4}),
        (RiskFacts(orders_within_hour=51), {"orders_within_hour": 4}),
        (RiskFacts(most_units=499), {}),
        (RiskFacts(most_units=500), {"units_of_one_sku": 8}),
        (RiskFacts(most_units=501), {"units_of_one_sku": 8}),
        (RiskFacts(country="KP"), {"country": 16}),
        (RiskFacts(country="DE"), {}),
        (RiskFacts(country="FR"), {}),
        (
            RiskFacts(first_order=True, unusual_address=True, orders_within_hour=50, most_units=500, country="KP"),
            {"first_order": 1, "unusual_address": 2, "orders_within_hour": 4, "units_of_one_sku": 8, "country": 16},
        ),
    ],
    ids=str,
)
def test_each_rule_gives_its_points_from_its_limit_on(facts: RiskFacts, points: dict[str, int]) -> None:
    assessment = a_policy(RULES).assess(Money(1, "USD"), facts)

    assert (assessment.points, assessment.score) == (points, sum(points.values()))


def test_rules_that_would_have_to_know_more_are_named_and_those_that_are_not_there_are_not() -> None:
    known = RiskFacts(first_order=False, unusual_address=False, orders_within_hour=1, most_units=1, country="FR")

    assert RULES.not_judged(known) == ()
    assert RULES.not_judged(NOTHING_KNOWN) == (
        "first_order",
        "unusual_address",
        "orders_within_hour",
        "units_of_one_sku",
        "country",
    )
    assert RiskRules().not_judged(NOTHING_KNOWN) == ()


@pytest.mark.parametrize(
    ("orders_within_hour", "amount", "expected"),
    [
        (1, 1, {}),
        (2, 1, {"director": ("risk",)}),
        (3, 1, {"manager": ("risk",), "director": ("risk",)}),
        (3, 100_000, {"manager": ("amount", "risk"), "director": ("risk",)}),
        (1, 1_000_000, {"manager": ("amount",), "director": ("amount",)}),
        (2, 1_000_000, {"manager": ("amount",), "director": ("amount", "risk")}),
    ],
)
def test_forced_levels_stand_in_their_order_and_merge_with_those_by_amount(
    orders_within_hour: int, amount: int, expected: dict[str, tuple[str, ...]]
) -> None:
    # Two orders within the hour have a score of 30, three one of 60.
    rules = RiskRules(
        orders_within_hour=AtLeast(number=2, points=30),
        first_order=30,
        forced=(Forced(score=60, role="manager"), Forced(score=30, role="director"), Forced(score=31, role="director")),
    )
    facts = RiskFacts(orders_within_hour=orders_within_hour, first_order=orders_within_hour == 3)
    found = asked(a_policy(rules).assess(Money(amount, "USD"), facts))

    assert found == expected
    assert list(found) == [role for role in LEVELS if role in expected]


@pytest.mark.parametrize(("points", "is_forced"), [(49, False), (50, True), (51, True)])
def test_a_level_is_forced_from_its_score_on(points: int, is_forced: bool) -> None:
    rules = RiskRules(countries={"KP": points}, forced=(Forced(score=50, role="manager"),))
    assessment = a_policy(rules).assess(Money(1, "USD"), RiskFacts(country="KP"))

    assert asked(assessment) == ({"manager": ("risk",)} if is_forced else {})


@pytest.mark.parametrize(("points", "refused"), [(89, False), (90, True), (91, True)])
@pytest.mark.parametrize("amount", [0, 1, 10**9])
def test_an_order_is_refused_from_its_score_on_whatever_it_costs(
    points: int,
    refused: bool,
    amount: int,
) -> None:
    rules = RiskRules(countries={"KP": points}, refuse_from=90)

    assert a_policy(rules).assess(Money(amount, "USD"), RiskFacts(country="KP")).refused is refused


def test_without_a_limit_no_score_refuses() -> None:
    assert not a_policy(RiskRules(countries={"KP": 10**6})).assess(Money(1, "USD"), RiskFacts(country="KP")).refused


def test_the_plan_keeps_what_the_policy_says_of_each_level() -> None:
    planned = PlannedLevel(role="manager", quorum=3, escalates_to="director")
    policy = a_policy(levels=(LevelRule(level=planned, thresholds={"USD": 1}),))
    plan = policy.assess(Money(1, "USD"), NOTHING_KNOWN).plan

    assert plan == replace(policy.plan, levels=(replace(planned, reasons=("amount",)),))


def test_the_policy_that_asks_nobody_asks_nobody() -> None:
    assessment = NOBODY_IS_ASKED.assess(Money(10**15, "CHF"), RiskFacts(first_order=True, country="KP"))

    assert assessment.plan.is_automatic
    assert not assessment.refused
