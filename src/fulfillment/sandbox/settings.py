"""
How the sandbox runs: every `FULFILLMENT_SANDBOX__…` variable.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError


def _number_of_seconds(value: object) -> object:
    """
    Read the text of a plain number, as environment variables have it, as seconds; pydantic reads the rest.
    """
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Seconds = Annotated[timedelta, BeforeValidator(_number_of_seconds), Field(ge=timedelta(0), le=timedelta(days=1))]


class SandboxSettings(BaseSettings):
    """
    Where the sandbox listens, keeps its state and pushes its events.
    """

    model_config = SettingsConfigDict(
        env_prefix="FULFILLMENT_SANDBOX__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="The address it listens on.")
    port: int = Field(default=8090, ge=1, le=65535, description="The port it listens on.")
    state: Path = Field(default=Path(".local/sandbox.db"), description="SQLite file; its folder is made.")
    events_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8000/v1/carriers/sandbox/events"), description="Gets the parcel events."
    )
    carrier_secret: SecretStr = Field(description="Signs the parcel events: Standard Webhooks secret, `whsec_…`.")
    transit: Seconds = Field(default=timedelta(0), description="Between the automatic steps of a parcel; 0 = off.")
    late_after: Seconds = Field(default=timedelta(seconds=20), description="When `tok_late` does what it was asked.")
    seed: int = Field(default=0, description="Of the random faults, unless `/control` names one.")

    @field_validator("carrier_secret")
    @classmethod
    def _secret_signs(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        try:
            Webhook(secret)
        except (ValueError, EmptyWebhookSecretError):
            secret = ""
        if not secret.startswith("whsec_"):
            msg = "must be `whsec_` followed by base64 of at least one byte"
            raise ValueError(msg) from None
        return value
