"""
Payment providers and carriers: how they are reached, and what their events are signed with.
"""

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from fulfillment.settings.values import Duration, Section


class Provider(Section):
    """One payment provider or carrier, reached over HTTP."""

    name: str = Field(default="sandbox", description="How the ledger, the timeline and the event routes call it.")
    url: str = Field(description="Its base URL.")
    timeout: Duration = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        lt=timedelta(seconds=30),
        description="One call; below the 30 s an attempt of a provider step may take.",
    )


def _standard_webhooks(value: SecretStr) -> SecretStr:
    prefix, _, encoded = value.get_secret_value().partition("_")
    try:
        length = len(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        length = 0
    if prefix != "whsec" or not 24 <= length <= 64:
        msg = "must be `whsec_` and base64 of 24 to 64 bytes"
        raise ValueError(msg)
    return value


class Carriers(Provider):
    """The carrier, and the secret its events are signed with."""

    webhook_secret: Annotated[SecretStr, AfterValidator(_standard_webhooks)] = Field(
        description="Standard Webhooks secret: `whsec_` and base64 of 24 to 64 bytes."
    )


class Stripe(Section):
    """What Stripe needs beside its address; the extra `stripe` must be installed."""

    secret_key: SecretStr = Field(
        description="`sk_live_…`, `sk_test_…`, or a restricted key that may write payment intents and refunds."
    )
    return_url: str = Field(
        max_length=2000,
        pattern=r"^https?://[!-~]+$",
        description="Your page a customer comes back to from the bank, when the bank has asked for something.",
    )


class Payments(Provider):
    """The payment provider: the sandbox and what speaks as it does, or Stripe."""

    adapter: Literal["http", "stripe"] = Field(default="http", description="Which interface the provider has.")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="The secret its events are signed with: Stripe's signing secret of the endpoint, else a Standard "
        "Webhooks secret (`whsec_` and base64 of 24 to 64 bytes). Without it events are refused.",
    )
    stripe: Stripe | None = None

    @model_validator(mode="before")
    @classmethod
    def _stripe_is_where_stripe_is(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("adapter") == "stripe":
            return {"name": "stripe", "url": "https://api.stripe.com", **values}
        return values

    @model_validator(mode="after")
    def _what_the_adapter_needs_is_there(self) -> Self:
        if self.adapter == "stripe" and (self.stripe is None or self.webhook_secret is None):
            msg = (
                "adapter `stripe` needs FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY, "
                "FULFILLMENT_PAYMENTS__STRIPE__RETURN_URL and FULFILLMENT_PAYMENTS__WEBHOOK_SECRET"
            )
            raise ValueError(msg)
        if self.adapter == "http" and self.webhook_secret is not None:
            _standard_webhooks(self.webhook_secret)
        return self


class SecondCarrier(Carriers):
    """A carrier that takes over the bookings the first one certainly has not made."""

    name: str = Field(description="How the ledger, the timeline and the event routes call it; not as the first one.")
    after_failures: int = Field(
        default=5,
        ge=1,
        description="Failures of the first one, per parcel, before this one is asked; while the first one is not asked "
        "because it keeps failing (`FULFILLMENT_WORKER__CIRCUIT_FAILURES`), this one is asked at once.",
    )


class AllCarriers(Carriers):
    """The carrier, and perhaps a second one."""

    fallback: SecondCarrier | None = None

    @field_validator("fallback")
    @classmethod
    def _names_differ(cls, value: SecondCarrier | None, info: ValidationInfo) -> SecondCarrier | None:
        if value is not None and value.name == info.data.get("name"):
            msg = "FULFILLMENT_CARRIERS__FALLBACK__NAME must differ from FULFILLMENT_CARRIERS__NAME"
            raise ValueError(msg)
        return value

    def called(self, name: str) -> Carriers | None:
        """The carrier of this name."""
        known = (self, self.fallback) if self.fallback else (self,)
        return next((carrier for carrier in known if carrier.name == name), None)
