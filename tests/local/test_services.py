"""
What the service's processes are configured with on a laptop.
"""

from pathlib import Path

import pytest

from fulfillment.local.ports import Ports
from fulfillment.local.services import Wiring, inherited
from fulfillment.local.state import Secrets
from fulfillment.sandbox.settings import SandboxSettings
from fulfillment.settings import Settings


@pytest.fixture
def wiring(tmp_path: Path) -> Wiring:
    return Wiring(
        state=tmp_path,
        ports=Ports(api=1, temporal=2, temporal_ui=3, sandbox=4),
        internal_ports={},
        secrets=Secrets.generate(),
        database_dsn="postgresql://postgres@/fulfillment?host=/sockets",
        temporal_address="127.0.0.1:2",
        temporal_namespace="default",
    )


def load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> tuple[Settings, SandboxSettings]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(), SandboxSettings()


def test_the_processes_find_each_other(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, sandbox = load(monkeypatch, wiring.environment({}))

    assert settings.profile == "local"
    assert settings.api.public_url == "http://127.0.0.1:1"
    assert settings.payments.url == settings.carriers.url == f"http://127.0.0.1:{sandbox.port}"
    assert str(sandbox.events_url) == "http://127.0.0.1:1/v1/carriers/sandbox/events"
    assert str(sandbox.payment_events_url) == "http://127.0.0.1:1/v1/payment-providers/sandbox/events"
    assert sandbox.carrier_secret == settings.carriers.webhook_secret == settings.payments.webhook_secret
    assert sandbox.public == f"http://127.0.0.1:{sandbox.port}"
    assert not settings.encryption.payloads
    assert settings.limits.rate == "off"


def test_a_variable_of_the_users_own_wins_and_one_of_the_caller_over_it(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FULFILLMENT_SANDBOX__TRANSIT", "7")
    monkeypatch.setenv("FULFILLMENT_ORDERS__PAYMENT_WINDOW", "PT1H")
    monkeypatch.setenv("FULFILLMENT_ENCRYPTION__PAYLOADS", "true")
    monkeypatch.setenv("FULFILLMENT_LIMITS__RATE", "5/minute")

    settings, sandbox = load(monkeypatch, wiring.environment({"FULFILLMENT_ORDERS__PAYMENT_WINDOW": "PT2H"}))

    assert sandbox.transit.total_seconds() == 7
    assert settings.orders.payment_window.total_seconds() == 7200
    assert settings.encryption.payloads
    assert settings.limits.rate == "5/minute"


def test_a_variable_that_would_break_the_wiring_does_not_win(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FULFILLMENT_DATABASE__URL", "postgresql://production")
    monkeypatch.setenv("FULFILLMENT_PROFILE", "production")
    monkeypatch.setenv("TEMPORAL_API_KEY", "for another server")
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("FULFILLMENT_PAYMENTS__ADAPTER", "stripe")
    monkeypatch.setenv("FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY", "sk_live_1")

    environment = wiring.environment({})

    assert environment["FULFILLMENT_DATABASE__URL"] == wiring.database_dsn
    assert environment["FULFILLMENT_PROFILE"] == "local"
    assert environment["TEMPORAL_ADDRESS"] == "127.0.0.1:2"
    assert environment["FULFILLMENT_PAYMENTS__ADAPTER"] == "http"
    assert not {"TEMPORAL_API_KEY", "PGPORT", "FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY"} & environment.keys()


def test_a_proxy_is_not_asked_for_our_own_servers() -> None:
    assert inherited({"NO_PROXY": "example.com"})["NO_PROXY"] == "example.com,127.0.0.1,localhost"
