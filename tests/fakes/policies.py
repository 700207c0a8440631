"""
Rules for approvals, made up: no file needed.
"""

from typing import Any

from fulfillment.domain.approval_policy import AtLeast, Forced, LevelRule, Policy, RiskRules
from fulfillment.domain.approvals import Plan, PlannedLevel

DEAR = 50_000
"""A price in cents: two of these need a manager and a director, one of them a manager."""


def a_policy(risk: RiskRules | None = None, **more: Any) -> Policy:
    """Managers are asked from 100.00 euros on, directors as well from 1 000.00 on."""
    levels = (
        LevelRule(level=PlannedLevel(role="manager", escalates_to="director"), thresholds={"EUR": 10_000}),
        LevelRule(level=PlannedLevel(role="director"), thresholds={"EUR": 100_000}),
    )
    values: dict[str, Any] = {
        "version": "rules-1",
        "base_currency": "EUR",
        "levels": levels,
        "plan": Plan(policy="rules-1"),
        "risk": risk or RiskRules(),
    }
    return Policy(**{**values, **more})


def curious(**more: Any) -> RiskRules:
    """Points for everything that can be known of a customer; 50 of them need a manager."""
    values: dict[str, Any] = {
        "first_order": 10,
        "unusual_address": 20,
        "orders_within_hour": AtLeast(number=3, points=40),
        "forced": (Forced(score=50, role="manager"),),
    }
    return RiskRules(**{**values, **more})
