"""
`FULFILLMENT_JWT__...`: what is wrong is told at the start, by the name of its variable.
"""

import pytest
import typer

from fulfillment.cli import configuration
from fulfillment.settings import Jwt, Settings

SERVICE = {
    "DATABASE__URL": "postgresql://127.0.0.1/orders",
    "ENCRYPTION__KEYS": "a:UkVQTEFDRS1USElTLUtFWS1JVC1JUy1QVUJMSUMtISE=",
    "API__FINGERPRINT_KEYS": "b:UkVQTEFDRS1USElTLUtFWS1JVC1JUy1QVUJMSUMtISE=",
    "PAYMENTS__URL": "https://payments.example.com",
    "CARRIERS__URL": "https://carrier.example.com",
    "CARRIERS__WEBHOOK_SECRET": "whsec_UkVQTEFDRS1USElTLUtFWS1JVC1JUy1QVUJMSUMtISE=",
}
ISSUER = {
    "JWT__ISSUER": "https://login.example.com",
    "JWT__AUDIENCE": "orders",
    "JWT__JWKS_URL": "https://login.example.com/jwks.json",
}
WRONG = [
    ({"ISSUER": ""}, "FULFILLMENT_JWT__ISSUER"),
    ({"ISSUER": "https://login.example.com#1"}, "FULFILLMENT_JWT__ISSUER"),
    ({"AUDIENCE": ""}, "FULFILLMENT_JWT__AUDIENCE"),
    ({"JWKS_URL": "login.example.com"}, "FULFILLMENT_JWT__JWKS_URL"),
    ({"JWKS_URL": "file:///etc/passwd"}, "FULFILLMENT_JWT__JWKS_URL"),
    ({"JWKS_URL": "http://login.example.com/jwks.json"}, "FULFILLMENT_JWT__JWKS_URL must begin with https"),
    ({"JWKS_URL": "https://user:password@login.example.com/"}, "FULFILLMENT_JWT__JWKS_URL"),
    ({"JWKS_URL": "https://login.example.com:99999/"}, "FULFILLMENT_JWT__JWKS_URL"),
    ({"JWKS_URL": "https://[::1/"}, "FULFILLMENT_JWT__JWKS_URL"),
    ({"ALGORITHMS": "RS256,HS256"}, "FULFILLMENT_JWT__ALGORITHMS__1: Input should be 'RS256'"),
    ({"ALGORITHMS": "none"}, "FULFILLMENT_JWT__ALGORITHMS"),
    ({"ALGORITHMS": ""}, "FULFILLMENT_JWT__ALGORITHMS"),
    ({"CLOCK_SKEW": "301"}, "FULFILLMENT_JWT__CLOCK_SKEW"),
    ({"JWKS_LIFETIME": "0"}, "FULFILLMENT_JWT__JWKS_LIFETIME"),
    ({"JWKS_LIFETIME": "P2D"}, "FULFILLMENT_JWT__JWKS_LIFETIME"),
    ({"SCOPE_CLAIM": ""}, "FULFILLMENT_JWT__SCOPE_CLAIM"),
    ({"SCOPES": "shop=orders:place"}, "FULFILLMENT_JWT__SCOPES: must be JSON"),
    ({"SCOPES": '{"shop": ["orders:plaec"]}'}, "FULFILLMENT_JWT__SCOPES__SHOP__0: Input should be 'orders:place'"),
    ({"ROLES": '["manager"]'}, "FULFILLMENT_JWT__ROLES"),
    ({"ROLES": '{"grp-7": ["Manager"]}'}, "FULFILLMENT_JWT__ROLES__GRP-7__0: a role has 1 to 63 of a-z"),
    ({"ISUER": "https://login.example.com"}, "FULFILLMENT_JWT__ISUER"),
]


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICE.items():
        monkeypatch.setenv(f"FULFILLMENT_{name}", value)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Jwt | None:
    for name, value in {**ISSUER, **{f"JWT__{name}": value for name, value in variables.items()}}.items():
        monkeypatch.setenv(f"FULFILLMENT_{name}", value)
    return configuration.load(Settings).jwt


@pytest.mark.parametrize(("variables", "told"), WRONG)
def test_what_is_wrong_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], told: str
) -> None:
    with pytest.raises(typer.Exit) as stopped:
        load(monkeypatch, **variables)
    said = capsys.readouterr().err

    assert stopped.value.exit_code == configuration.USAGE
    assert told in said
    assert "password" not in said.replace("without user, password", "")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FULFILLMENT_JWT__ISSUER", "https://login.example.com")
    with pytest.raises(typer.Exit):
        configuration.load(Settings)

    assert capsys.readouterr().err.splitlines() == [
        "FULFILLMENT_JWT__AUDIENCE: is not set",
        "FULFILLMENT_JWT__JWKS_URL: is not set",
    ]


def test_lists_and_mappings_fit_into_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load(
        monkeypatch, ALGORITHMS="RS256, EdDSA", SCOPES='{"shop": ["orders:place"]}', ROLES='{"g-1": ["manager"]}'
    )

    assert read is not None
    assert read.algorithms == ("RS256", "EdDSA")
    assert (read.scopes, read.roles) == ({"shop": ["orders:place"]}, {"g-1": ["manager"]})


def test_keys_may_come_without_tls_from_this_machine_and_in_profile_local(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, JWKS_URL="http://127.0.0.1:8080/jwks.json")
    monkeypatch.setenv("FULFILLMENT_PROFILE", "local")
    assert load(monkeypatch, JWKS_URL="http://keycloak:8080/jwks.json")


def test_without_an_issuer_there_are_no_jwts() -> None:
    assert configuration.load(Settings).jwt is None
