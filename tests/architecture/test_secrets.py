import base64
import dataclasses
import inspect
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings

from fulfillment import settings
from fulfillment.contracts.messages import Act, Cancel, Pay, Readdress
from fulfillment.contracts.orders import Address, Card, Line, Resume, StartOrder
from fulfillment.contracts.steps import PlaceOrder, Reship, TakePayment
from fulfillment.domain.attention import Action
from fulfillment.domain.ids import OrderId, Sku
from fulfillment.domain.keyring import parse_keys
from fulfillment.domain.money import Money
from fulfillment.settings import providers

_PRIVATE = "Jane Doe"
_ORDER = StartOrder(
    order_id=OrderId(UUID(int=1)),
    caller="key:shop",
    accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
    fingerprint="f",
    fingerprint_key="k",
    customer_id="c-1",
    lines=(Line(sku=Sku("A"), name="a lamp", quantity=1, unit_price=Money(1, "EUR")),),
    shipping_address=Address(
        name=_PRIVATE,
        line1=_PRIVATE,
        line2=_PRIVATE,
        city=_PRIVATE,
        region=_PRIVATE,
        postal_code=_PRIVATE,
        country="DE",
    ),
    payment=Card(token=_PRIVATE),
    email=_PRIVATE,
    requested_by=_PRIVATE,
    metadata={"note": _PRIVATE},
)


_PAY = Pay(card=Card(token=_PRIVATE), actor="a", key="k", fingerprint="f", fingerprint_key="k")
_ACT = Act(action=Action.RETRY, actor="a", reason=_PRIVATE)


@pytest.mark.parametrize(
    "value",
    [
        _ORDER,
        PlaceOrder(order=_ORDER, run_id="r"),
        _ORDER.shipping_address,
        TakePayment(order_id=_ORDER.order_id, n=1, payment=_PAY),
        Reship(order_id=_ORDER.order_id, n=1, answer=_ACT),
        Cancel(actor="a", reason=_PRIVATE),
        Resume(actor="a", reason=_PRIVATE),
        Readdress(address=_ORDER.shipping_address, actor="a"),
    ],
)
def test_a_message_that_ends_up_in_a_log_tells_nothing_about_people(value: object) -> None:
    assert _PRIVATE not in repr(value)
    assert _PRIVATE not in str(value)


def test_every_field_about_people_is_covered_by_the_sample() -> None:
    unset = {field.name for field in dataclasses.fields(StartOrder) if getattr(_ORDER, field.name) is None}

    assert unset == {"reference", "resume"}
    assert None not in dataclasses.astuple(_ORDER.shipping_address)


def test_a_key_does_not_print_its_secret() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    (key,) = parse_keys(f"k1:{base64.b64encode(secret).decode()}")

    assert "0123456789" not in repr(key)


def test_every_setting_that_is_a_secret_is_typed_as_one() -> None:
    suspicious = ("key", "secret", "password", "token", "url")
    public = {"Api.public_url", "Jwt.jwks_url", "Provider.url", "Carriers.url", "Payments.url", "Orders.key_memory"}
    public |= {"Stripe.return_url", "AllCarriers.url", "SecondCarrier.url"}
    plain = {
        f"{section.__name__}.{name}"
        for module in (settings, providers)
        for _, section in inspect.getmembers(module, inspect.isclass)
        if issubclass(section, BaseModel) and not issubclass(section, BaseSettings)
        for name, field in section.model_fields.items()
        if any(word in name for word in suspicious) and SecretStr not in {field.annotation, *get_args(field.annotation)}
    }

    assert plain == public
