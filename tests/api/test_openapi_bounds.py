"""
What the OpenAPI document allows to be sent is what is accepted: a client that checks before it sends is not surprised.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fulfillment.api.schemas.carriers import CarrierEventBody
from fulfillment.api.schemas.changes import RecoverBody
from fulfillment.api.schemas.inventory import AdjustmentBody
from fulfillment.api.schemas.orders import PlaceOrderBody
from tests.api.bodies import an_order
from tests.api.openapi import current, resolved, validator

DOCUMENT = current()


def sent(schema: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every part of what is sent, flat."""
    schema = resolved(DOCUMENT, schema)
    yield where, schema
    for part in schema.get("anyOf", []):
        yield from sent(part, where)
    for name, part in schema.get("properties", {}).items():
        yield from sent(part, f"{where}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from sent(schema[keyword], f"{where}[]")


def test_everything_that_is_sent_has_bounds() -> None:
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    for operation in operations:
        name = operation["operationId"]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        for where, schema in sent(body["schema"], name) if body else ():
            match schema.get("type"):
                case "object":
                    assert schema.get("additionalProperties") is False or "maxProperties" in schema, where
                case "array":
                    assert "maxItems" in schema, where
                case "integer":
                    assert {"minimum", "maximum"} <= schema.keys(), where
                case "string":
                    assert {"maxLength", "enum", "format", "const"} & schema.keys(), where


def order_with(path: str, value: Any) -> dict[str, Any]:
    """An order with one field replaced, or added."""
    order: Any = an_order(reference="R", metadata={"a": "b"})
    branch, names = order, [int(name) if name.isdigit() else name for name in path.split(".")]
    for name in names[:-1]:
        branch = branch[name]
    branch[names[-1]] = value
    return dict(order)


def event_at(time: str) -> dict[str, Any]:
    return {
        "type": "parcel.lost",
        "timestamp": time,
        "data": {"tracking_number": "T", "occurred_at": "2026-11-22T10:15:30Z"},
    }


@pytest.mark.parametrize(
    ("model", "body", "accepted"),
    [
        (PlaceOrderBody, an_order(), True),
        (PlaceOrderBody, order_with("customer_id", "c" * 100), True),
        (PlaceOrderBody, order_with("customer_id", "c" * 101), False),
        (PlaceOrderBody, order_with("customer_id", " "), False),
        (PlaceOrderBody, order_with("customer_id", "a\0b"), False),
        (PlaceOrderBody, order_with("customer_id", None), False),
        (PlaceOrderBody, order_with("email", "a@b.c"), True),
        (PlaceOrderBody, order_with("email", "a@b"), False),
        (PlaceOrderBody, order_with("email", f"{'a' * 250}@b.cd"), False),
        (PlaceOrderBody, order_with("reference", None), True),
        (PlaceOrderBody, order_with("lines", []), False),
        (PlaceOrderBody, order_with("lines.0.quantity", 1_000_000), True),
        (PlaceOrderBody, order_with("lines.0.quantity", 1_000_001), False),
        (PlaceOrderBody, order_with("lines.0.quantity", 0), False),
        (PlaceOrderBody, order_with("lines.0.quantity", "1"), False),
        (PlaceOrderBody, order_with("lines.0.quantity", value=True), False),
        (PlaceOrderBody, order_with("lines.0.unit_price.amount", 10**12 + 1), False),
        (PlaceOrderBody, order_with("lines.0.unit_price.currency", "XXX"), False),
        (PlaceOrderBody, order_with("lines.0.unit_price.currency", "eur"), False),
        (PlaceOrderBody, order_with("lines.0.colour", "red"), False),
        (PlaceOrderBody, order_with("shipping_address.country", "XX"), False),
        (PlaceOrderBody, order_with("shipping_address.country", "FR"), True),
        (PlaceOrderBody, order_with("shipping_address.postal_code", "9" * 21), False),
        (PlaceOrderBody, order_with("payment.method", "cash"), False),
        (PlaceOrderBody, order_with("payment.token", "t" * 255), True),
        (PlaceOrderBody, order_with("payment.token", "t" * 256), False),
        (PlaceOrderBody, order_with("payment.token", "tok visa"), False),
        (PlaceOrderBody, order_with("metadata", {}), True),
        (PlaceOrderBody, order_with("metadata", {"k" * 40: "v" * 500}), True),
        (PlaceOrderBody, order_with("metadata", {"k" * 41: "v"}), False),
        (PlaceOrderBody, order_with("metadata", {" ": "v"}), False),
        (PlaceOrderBody, order_with("metadata", {"k": " "}), False),
        (PlaceOrderBody, order_with("metadata", {"k": 1}), False),
        (PlaceOrderBody, order_with("metadata", {str(n): "v" for n in range(21)}), False),
        (AdjustmentBody, {"delta": -1, "reason": "broken"}, True),
        (AdjustmentBody, {"delta": 0, "reason": "nothing"}, False),
        (AdjustmentBody, {"delta": 1.5, "reason": "half"}, False),
        (RecoverBody, {"reason": "gone", "undo": True}, True),
        (RecoverBody, {"reason": "gone", "undo": "yes"}, False),
        (CarrierEventBody, event_at("2026-11-22T10:15:30.5+01:00"), True),
        (CarrierEventBody, event_at("2026-11-22T10:15:30"), False),
        (CarrierEventBody, event_at("1899-12-31T00:00:00Z"), False),
        (CarrierEventBody, event_at("9000-01-01T00:00:00Z"), False),
        (CarrierEventBody, event_at("1795422660"), False),
    ],
)
def test_what_the_document_allows_is_what_is_accepted(
    model: type[BaseModel], body: dict[str, Any], accepted: bool
) -> None:
    check = validator(DOCUMENT, {"$ref": f"#/components/schemas/{model.__name__}"})

    assert check.is_valid(body) is accepted
    assert is_accepted(model, body) is accepted


def is_accepted(model: type[BaseModel], body: dict[str, Any]) -> bool:
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True
