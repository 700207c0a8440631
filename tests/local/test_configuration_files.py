"""
The files an operator starts from say what the code reads.
"""

import os
from pathlib import Path

import pytest
from temporalio.envconfig import ClientConfigProfile

from fulfillment.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_example_environment_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("FULFILLMENT_"):
            monkeypatch.delenv(name)
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    for name, _, value in (line.partition("=") for line in lines):
        monkeypatch.setenv(name, value)

    settings = Settings()

    assert settings.profile == "production"
    assert settings.encryption.payloads
    assert [key.id for key in settings.api.fingerprint_ring()] == ["example"]


@pytest.mark.parametrize(("profile", "encrypted"), [("local", False), ("staging", True), ("production", True)])
def test_every_temporal_profile_is_valid_and_leaves_this_machine_only_encrypted(profile: str, encrypted: bool) -> None:
    loaded = ClientConfigProfile.load(
        profile, config_source=ROOT / "temporal.toml", config_file_strict=True, override_env_vars={}
    )

    connection = loaded.to_client_connect_config()

    assert connection["namespace"]
    assert bool(connection.get("tls")) is encrypted
