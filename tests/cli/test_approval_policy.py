"""
`fulfillment approvals policy` and `explain`.
"""

import json

import pytest
from temporalio.client import Client

from fulfillment.api.resources import ApiResources
from fulfillment.db.engine import Database
from tests.cli.running import Run
from tests.fixtures.settings import MakeSettings
from tests.settings.policies import a_document


@pytest.fixture
def resources(make_settings: MakeSettings, database: Database, temporal: Client) -> ApiResources:
    """Of an API with a policy."""
    return ApiResources.of(make_settings(approvals={"policy": a_document()}), database, temporal)


def lines(text: str) -> list[str]:
    """What is said, without frames and the width of columns."""
    return [
        " ".join(line.replace("│", " ").split()) for line in text.splitlines() if not line.startswith(tuple("┏┡└├"))
    ]


async def test_the_rules_are_shown_as_people_write_money(run: Run, resources: ApiResources) -> None:
    result = await run("approvals", "policy")

    assert result.exit_code == 0, result.output
    assert lines(result.stdout)[0] == f"policy {resources.policy.version}, levels are asked one after the other"
    assert lines(result.stdout)[2:] == [
        "manager 1000.00 USD, 150000 JPY director 1",
        "director 10000.00 USD, 1500000 JPY - 2",
        "fraud-desk only for its risk - 1",
        "rates: 1 GBP = 1.25 USD",
        "risk: first_order 10",
        "risk: country KP 100",
        "risk: from a score of 50 on fraud-desk is asked",
    ]


async def test_an_order_is_explained_with_reasons_quorum_and_points(run: Run, resources: ApiResources) -> None:
    order = ("--amount", "8000.00", "--currency", "GBP", "--country", "KP", "--customer", "C-NEW", "--units", "3")
    result = await run("approvals", "explain", *order)

    assert result.exit_code == 0, result.output
    assert [line for n, line in enumerate(lines(result.stdout)) if n != 1] == [
        f"8000.00 GBP, compared as 10000.00 USD, policy {resources.policy.version}",
        "manager its total 1",
        "director its total 2",
        "fraud-desk its risk 1",
        "They are asked one after the other.",
        "score 110: first_order 10, country 100",
    ]


async def test_an_order_that_needs_nobody_is_told_with_what_was_not_judged(run: Run) -> None:
    result = await run("approvals", "explain", "--amount", "999.99", "--currency", "USD")

    assert lines(result.stdout)[1:] == ["Nobody is asked.", "score 0", "not judged: first_order, country"]


async def test_json_is_what_the_service_says(run: Run) -> None:
    policy = json.loads((await run("approvals", "policy", "--json")).stdout)
    told = json.loads((await run("approvals", "explain", "--amount=1", "--currency=CHF", "--json")).stdout)

    assert [level["role"] for level in policy["levels"]] == ["manager", "director", "fraud-desk"]
    assert (told["total"], told["levels"]) == (
        {"amount": 100, "currency": "CHF"},
        [{"role": "manager", "quorum": 1, "reasons": ["no_rate"]}],
    )


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1200", "USD", 120_000),
        ("1200.5", "USD", 120_050),
        ("1200.50", "USD", 120_050),
        ("0", "USD", 0),
        ("1200", "JPY", 1200),
        ("1200.000", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("0.0001", "UYW", 1),
    ],
)
async def test_an_amount_is_read_in_the_digits_of_its_currency(
    run: Run, amount: str, currency: str, minor: int
) -> None:
    result = await run("approvals", "explain", "--amount", amount, "--currency", currency, "--json")

    assert json.loads(result.stdout)["total"] == {"amount": minor, "currency": currency}


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1200.505", "USD"),
        ("0.5", "JPY"),
        ("-1", "USD"),
        ("1,200.00", "USD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("1e999999999", "USD"),
        ("1e-9", "USD"),
        ("", "USD"),
        ("1200", "usd"),
        ("1200", "XXX"),
    ],
)
async def test_what_is_no_amount_of_the_currency_is_wrong_usage(run: Run, amount: str, currency: str) -> None:
    result = await run("approvals", "explain", f"--amount={amount}", "--currency", currency)

    assert result.exit_code == 2
    assert ("--amount" if currency in {"USD", "JPY"} else "--currency") in result.stderr
