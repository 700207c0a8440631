"""
Events: only Stripe's own are read, and only those that say something about an order mean anything.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from stripe import WebhookSignature

from fulfillment.domain.ids import OrderId
from fulfillment.domain.payments import PaymentEvent
from fulfillment.gateways.stripe_events import StripeEvent, verified_event
from fulfillment.inbound_events import BadSignature, UnreadableEvent

SECRET = "whsec_of_the_endpoint"
ORDER = OrderId(uuid4())
NOTED = {"order_id": str(ORDER), "authorize": f"{ORDER}:authorize:1"}
CREATED = 1_790_000_000


def an_event(kind: str, thing: str = "payment_intent", **about: Any) -> bytes:
    identity = {"id": "pi_1"} if thing == "payment_intent" else {"id": "other_1", "payment_intent": "pi_1"}
    data = {"object": {"object": thing, **identity, **about}}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "created": CREATED, "data": data}).encode()


def signed(body: bytes, secret: str = SECRET, age: int = 0) -> str:
    header: str = WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()) - age)
    return header


def read(body: bytes) -> StripeEvent:
    return verified_event(body, signed(body), SECRET)


def test_an_event_names_itself_its_payment_its_order_and_its_time() -> None:
    assert read(an_event("payment_intent.amount_capturable_updated", metadata=NOTED)) == StripeEvent(
        id="evt_1",
        event=PaymentEvent.AUTHORIZED,
        payment="pi_1",
        order_id=ORDER,
        occurred_at=datetime.fromtimestamp(CREATED, UTC),
    )


@pytest.mark.parametrize(
    ("kind", "thing", "about", "meaning"),
    [
        ("payment_intent.amount_capturable_updated", "payment_intent", {}, PaymentEvent.AUTHORIZED),
        ("payment_intent.payment_failed", "payment_intent", {}, PaymentEvent.FAILED),
        (
            "payment_intent.payment_failed",
            "payment_intent",
            {"metadata": {**NOTED, "capture": f"{ORDER}:capture:1"}},
            PaymentEvent.CAPTURE_FAILED,
        ),
        (
            "payment_intent.canceled",
            "payment_intent",
            {"cancellation_reason": "automatic"},
            PaymentEvent.AUTHORIZATION_EXPIRED,
        ),
        (
            "payment_intent.canceled",
            "payment_intent",
            {"cancellation_reason": "expired"},
            PaymentEvent.AUTHORIZATION_EXPIRED,
        ),
        (
            "payment_intent.canceled",
            "payment_intent",
            {"cancellation_reason": None},
            PaymentEvent.AUTHORIZATION_EXPIRED,
        ),
        (
            "payment_intent.canceled",
            "payment_intent",
            {"cancellation_reason": "fraudulent"},
            PaymentEvent.AUTHORIZATION_EXPIRED,
        ),
        ("payment_intent.canceled", "payment_intent", {"cancellation_reason": "requested_by_customer"}, None),
        ("payment_intent.canceled", "payment_intent", {"cancellation_reason": "abandoned"}, None),
        (
            "payment_intent.canceled",
            "payment_intent",
            {"cancellation_reason": None, "metadata": {**NOTED, "void": f"{ORDER}:void:1"}},
            None,
        ),
        ("charge.expired", "charge", {}, PaymentEvent.AUTHORIZATION_EXPIRED),
        ("charge.dispute.created", "dispute", {}, PaymentEvent.DISPUTED),
        ("refund.failed", "refund", {}, PaymentEvent.CAPTURE_FAILED),
    ],
)
def test_what_an_event_means(kind: str, thing: str, about: dict[str, Any], meaning: PaymentEvent | None) -> None:
    event = read(an_event(kind, thing, **about))

    assert (event.event, event.payment) == (meaning, "pi_1")


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("payment_intent.created", {"object": "payment_intent", "id": "pi_1"}),
        ("payment_intent.succeeded", {"object": "payment_intent", "id": "pi_1"}),
        ("charge.dispute.funds_withdrawn", {"object": "dispute", "id": "dp_1", "payment_intent": "pi_1"}),
        ("customer.created", {"object": "customer", "id": "cus_1"}),
        ("balance.available", {"object": "balance", "available": []}),
        ("tax.settings.updated", {"object": "tax.settings", "status": "active"}),
        ("kind.of_tomorrow", {"id": 1, "payment_intent": {"id": "pi_1"}}),
    ],
)
def test_an_event_that_is_not_ours_may_be_about_anything(kind: str, about: dict[str, Any]) -> None:
    body = json.dumps({"id": "evt_1", "type": kind, "created": CREATED, "data": {"object": about}}).encode()

    assert (read(body).event, read(body).payment) == (None, None)


@pytest.mark.parametrize("metadata", [None, {}, {"order_id": "not one of ours"}])
def test_an_event_without_an_order_of_ours_has_none(metadata: dict[str, str] | None) -> None:
    assert read(an_event("charge.dispute.created", "dispute", metadata=metadata)).order_id is None


def test_a_secret_that_is_being_replaced_is_one_of_two_signatures() -> None:
    body = an_event("charge.expired", "charge")
    both = f"{signed(body, 'whsec_new')},v1={signed(body).rsplit('=', 1)[1]}"

    assert verified_event(body, both, SECRET).id == "evt_1"


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="none"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("t=1", id="no signature"),
        pytest.param(f"t={'1' * 5000},v1=00", id="a very long time"),
        pytest.param(f"t={int(time.time())},v1=\xe9", id="a letter that is not ASCII"),
        pytest.param(f"t={int(time.time())},v0=00", id="another scheme"),
        pytest.param("t=1,v1", id="half a pair"),
    ],
)
def test_a_header_that_is_no_signature_is_refused(signature: str) -> None:
    with pytest.raises(BadSignature):
        verified_event(an_event("charge.expired", "charge"), signature, SECRET)


def test_what_was_altered_signed_by_others_or_sent_too_late_is_refused_without_an_echo() -> None:
    body = an_event("charge.dispute.created", "dispute", metadata=NOTED)
    attempts = [
        (body.replace(b"pi_1", b"pi_2"), signed(body)),
        (body, signed(body, "whsec_of_somebody")),
        (body, signed(body, age=301)),
        (b"\xff" + body, signed(body)),
    ]
    for altered, signature in attempts:
        with pytest.raises(BadSignature) as refused:
            verified_event(altered, signature, SECRET)
        assert str(refused.value) == ""
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__


def test_an_event_may_take_five_minutes() -> None:
    body = an_event("charge.expired", "charge")

    assert verified_event(body, signed(body, age=290), SECRET).id == "evt_1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": "evt_1", "type": "charge.expired", "created": 1}',
        b'{"id": "evt_1", "type": "charge.expired", "created": 1e30, "data": {"object": {"id": "a", "object": "b"}}}',
        b'{"id": "evt_1", "type": "charge.expired", "created": 1, "data": {"object": {"id": 1, "object": "charge"}}}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused_without_an_echo(body: bytes) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        read(body)
    assert str(refused.value) == ""
    assert refused.value.__suppress_context__


def test_an_empty_secret_verifies_nothing() -> None:
    body = an_event("charge.expired", "charge")
    with pytest.raises(BadSignature):
        verified_event(body, signed(body, ""), "")
