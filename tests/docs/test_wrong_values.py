"""
What docs/configuration.md says about wrong values is what is said.
"""

import os
import re

import pytest
import typer

from fulfillment.cli.configuration import load
from fulfillment.settings import Settings
from fulfillment.temporal_profile import TemporalConfigurationError, load_profile
from tests.docs.generated import DOCS

ROOT = DOCS.parent
WRONG = {
    "FULFILLMENT_ORDERS__PAYMENT_WINDOW": "30s",
    "FULFILLMENT_CARRIERS__TIMEOUT": "40",
    "FULFILLMENT_LIMITS__RATE": "fast",
    "FULFILLMENT_API__PROT": "8000",
}
WRONG_CONNECTIONS = ({"TEMPORAL_PROFILE": "prod"}, {"TEMPORAL_CONFIG_FILE": "nowhere.toml"})


def quoted() -> set[str]:
    """The lines of the first block of output below the heading."""
    _, _, rest = (DOCS / "configuration.md").read_text().partition("## When a value is wrong")
    found = re.search(r"```text\n(.*?)```", rest, re.DOTALL)
    return set(found[1].splitlines()) if found else set()


def use_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of `.env.example` and nothing else of ours."""
    for name in [name for name in os.environ if name.startswith(("FULFILLMENT_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    for name, value in re.findall(r"^(FULFILLMENT_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        monkeypatch.setenv(name, value)


def test_the_messages_the_page_quotes_are_the_real_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_example(monkeypatch)
    monkeypatch.delenv("FULFILLMENT_DATABASE__URL")
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(typer.Exit) as ended:
        load(Settings)

    assert ended.value.exit_code == 2
    assert set(capsys.readouterr().err.splitlines()) | connection_errors(monkeypatch) == quoted()


STRIPE: dict[str, str | None] = {
    "FULFILLMENT_PAYMENTS__URL": None,
    "FULFILLMENT_PAYMENTS__ADAPTER": "stripe",
    "FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY": "sk_test_1",
    "FULFILLMENT_PAYMENTS__STRIPE__RETURN_URL": "https://shop.example.com/paid",
    "FULFILLMENT_PAYMENTS__WEBHOOK_SECRET": "whsec_1",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"FULFILLMENT_PAYMENTS__WEBHOOK_SECRET": None},
        {
            "FULFILLMENT_PAYMENTS__ADAPTER": None,
            "FULFILLMENT_PAYMENTS__URL": "https://payments.example.com",
            "FULFILLMENT_PAYMENTS__WEBHOOK_SECRET": None,
        },
        {"FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY": "pk_live_1"},
        {"FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY": ""},
        {"FULFILLMENT_PAYMENTS__STRIPE__RETURN_URL": "shop.example.com/paid"},
        {"FULFILLMENT_PAYMENTS__WEBHOOK_SECRET": ""},
        {"FULFILLMENT_PAYMENTS__URL": "https://payments.example.com"},
    ],
)
def test_each_mistake_with_stripe_is_told_as_its_page_says(
    wrong: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_example(monkeypatch)
    for name, value in {**STRIPE, **wrong}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)

    with pytest.raises(typer.Exit):
        load(Settings)

    (said,) = capsys.readouterr().err.splitlines()
    assert said in (DOCS / "stripe.md").read_text().splitlines()


def connection_errors(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What is said about each wrong connection, from the folder of the repository."""
    monkeypatch.chdir(ROOT)
    said = set()
    for environment in WRONG_CONNECTIONS:
        with pytest.raises(TemporalConfigurationError) as refused:
            load_profile(environment)
        said.add(str(refused.value))
    return said


@pytest.mark.parametrize("value", ["90", "PT90S", "PT1M30S", "0:01:30"])
def test_a_duration_is_read_in_every_form_the_page_names(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_example(monkeypatch)
    monkeypatch.setenv("FULFILLMENT_ORDERS__SECOND_LOOK", value)

    assert Settings().orders.second_look.total_seconds() == 90
