"""
Payment providers and carriers: how they are reached, and what their events are signed with.
"""

import base64
import binascii
import re
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


def _secret_key(value: SecretStr) -> SecretStr:
    if not re.match(r"(sk|rk)_.", value.get_secret_value()):
        msg = "must be a secret key (`sk_live_…`, `sk_test_…`) or a restricted one (`rk_…`)"
        raise ValueError(msg)
    return value


def _page(value: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", value):
        msg = "must be `https://host/path`"
        raise ValueError(msg)
    return value


STRIPE = "https://api.stripe.com"
"""Where Stripe is."""


class Stripe(Section):
    """Only with `FULFILLMENT_PAYMENTS__ADAPTER=stripe`, which needs the extra `stripe`."""

    secret_key: Annotated[SecretStr, AfterValidator(_secret_key)] = Field(
        description="`sk_live_…`, `sk_test_…`, or a restricted key that may write payment intents and refunds."
    )
    return_url: Annotated[str, AfterValidator(_page)] = Field(
        max_length=2000,
        description="Your page a customer comes back to from the bank, when the bank has asked for something.",
    )


class Payments(Provider):
    """The payment provider: the sandbox and what speaks as it does, or Stripe."""

    name: str = Field(
        default="sandbox",
        description="How the ledger, the timeline and the event routes call it; of the adapter `stripe`: `stripe`.",
    )
    url: str = Field(description="Its base URL; for the adapter `stripe` to be left out.")
    adapter: Literal["http", "stripe"] = Field(default="http", description="Which interface the provider has.")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="The secret its events are signed with: Stripe's signing secret of the endpoint, else a Standard "
        "Webhooks secret (`whsec_` and base64 of 24 to 64 bytes). Without it the address of its events is 404.",
    )
    stripe: Stripe | None = None

    @model_validator(mode="before")
    @classmethod
    def _stripe_is_where_stripe_is(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("adapter") == "stripe":
            return {"name": "stripe", "url": STRIPE, **values}
        return values

    @field_validator("webhook_secret")
    @classmethod
    def _secret_is_the_adapters(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        adapter = info.data.get("adapter")
        if value is not None and adapter == "http":
            return _standard_webhooks(value)
        if value is not None and adapter == "stripe" and not re.match("whsec_.", value.get_secret_value()):
            msg = "must be the signing secret of the endpoint at Stripe: `whsec_…`"
            raise ValueError(msg)
        return value

    @field_validator("stripe")
    @classmethod
    def _stripe_is_chosen(cls, value: Stripe | None, info: ValidationInfo) -> Stripe | None:
        if value is not None and info.data.get("adapter") == "http":
            msg = "is set, but FULFILLMENT_PAYMENTS__ADAPTER is not `stripe`"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _what_stripe_needs_is_there(self) -> Self:
        if self.adapter == "stripe" and (self.stripe is None or self.webhook_secret is None):
            msg = (
                "adapter `stripe` needs FULFILLMENT_PAYMENTS__STRIPE__SECRET_KEY, "
                "FULFILLMENT_PAYMENTS__STRIPE__RETURN_URL and FULFILLMENT_PAYMENTS__WEBHOOK_SECRET"
            )
            raise ValueError(msg)
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
