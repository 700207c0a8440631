"""
Policies as they are written down, for tests.
"""

from typing import Any


def a_document(**changes: Any) -> dict[str, Any]:
    """Two levels by amount, one that risk alone asks; what is changed replaces its part."""
    return {
        "version": "2026-11",
        "base_currency": "USD",
        "rates": {"GBP": "1.25"},
        "levels": [
            {"role": "manager", "from": {"USD": 100_000, "JPY": 150_000}},
            {"role": "director", "from": {"USD": 1_000_000, "JPY": 1_500_000}, "quorum": 2},
            {"role": "fraud-desk"},
        ],
        "risk": {"first_order": 10, "countries": {"KP": 100}, "forced": [{"score": 50, "role": "fraud-desk"}]},
        **changes,
    }


def a_level(role: str = "manager", **changes: Any) -> dict[str, Any]:
    """A level from 1 000.00 USD on."""
    return {"role": role, "from": {"USD": 100_000}, **changes}
