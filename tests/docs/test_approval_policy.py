"""
docs/approval-policy.md: its policy can be used, and says of each order of its table what the table says.
"""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from fulfillment.domain.approval_policy import Policy, RiskFacts
from fulfillment.domain.money import Money, exponent
from fulfillment.settings.approvals import Approvals
from fulfillment.settings.policy_document import PolicyDocument, RiskEntry
from tests.docs.generated import DOCS

PAGE = (DOCS / "approval-policy.md").read_text()
ORDERS = re.findall(
    r"^\| ([\d.]+) ([A-Z]{3})(?: to ([A-Z]{2}))?(?:, (\d+) pieces[^|]*)? \|([^|]*)\|([^|]*)\|$", PAGE, re.MULTILINE
)


def example() -> str:
    """The TOML of the page."""
    (found,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """The policy of the page, from a file."""
    (tmp_path / "policy.toml").write_text(example())
    return Approvals.model_validate({"policy": str(tmp_path / "policy.toml")}).effective()


def money(amount: str, currency: str) -> Money:
    return Money(int(Decimal(amount).scaleb(exponent(currency))), currency)


def test_the_page_has_orders_of_every_kind() -> None:
    assert len(ORDERS) == len(re.findall(r"^\| [\d.]+ [A-Z]{3}", PAGE, re.MULTILINE)) >= 10


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_each_order_of_the_table_is_judged_as_it_says(policy: Policy, order: tuple[str, ...]) -> None:
    amount, currency, country, units, worth, who = (part.strip() for part in order)
    total = money(amount, currency)
    assessment = policy.assess(total, RiskFacts(country=country or "DE", most_units=int(units or 1)))
    compared = re.match(r"([\d.]+) ([A-Z]{3})", worth)
    score = re.search(r"score (\d+)", who)

    assert policy.compared(total) == (money(*compared.groups()) if compared else None if worth else total)
    assert assessment.refused == who.startswith("rejected")
    assert assessment.score == (int(score[1]) if score else 0)
    if not assessment.refused:
        assert [level.role for level in assessment.plan.levels] == re.findall(r"`([a-z-]+)`", who)


def test_the_example_has_every_key() -> None:
    keys = {*PolicyDocument.model_fields, *RiskEntry.model_fields, "role", "from", "quorum"}

    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", example())] == []


@pytest.mark.parametrize("told", re.findall(r"^FULFILLMENT_APPROVALS__POLICY: (.*)$", PAGE, re.MULTILINE))
def test_what_the_page_says_of_mistakes_is_what_is_said(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "levels[1]" in told:
        Path("policy.toml").write_text(example().replace("USD = 1_000_000", "USD = 99_999"))

    with pytest.raises(ValidationError) as refused:
        Approvals.model_validate({"policy": "policy.toml"})

    assert refused.value.errors()[0]["msg"] == f"Value error, {told}"
