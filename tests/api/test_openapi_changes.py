"""
Whoever changes the API learns which change breaks clients: one planted change each.
"""

import copy
from typing import Any

import pytest

from tests.api.openapi import golden
from tests.api.openapi_changes import breakages

GOLDEN = golden()

GONE = object()

Path = tuple[str | int, ...]

_PLACE: Path = ("paths", "/v1/orders", "post")
_LIST: Path = ("paths", "/v1/orders", "get")
_GET: Path = ("paths", "/v1/orders/{order_id}", "get")
_STOCK: Path = ("paths", "/v1/inventory/{sku}", "put")
_SCHEMAS: Path = ("components", "schemas")
_BODY: Path = (*_SCHEMAS, "PlaceOrderBody")
_LINE: Path = (*_SCHEMAS, "LineBody")
_ORDER: Path = (*_SCHEMAS, "Order")
_STATUSES = GOLDEN["components"]["schemas"]["OrderStatus"]["enum"]
_JSON: Path = ("content", "application/json", "schema")


def changed(path: Path, value: Any, start: dict[str, Any] = GOLDEN) -> dict[str, Any]:
    tree: Any = copy.deepcopy(start)
    branch = tree
    for name in path[:-1]:
        branch = branch[name]
    if value is GONE:
        del branch[path[-1]]
    elif path[-1] == "+":
        branch.append(value)
    else:
        branch[path[-1]] = value
    return dict(tree)


def without(values: list[str], value: str) -> list[str]:
    return [one for one in values if one != value]


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        (("paths", "/v1/orders"), GONE, "POST /v1/orders", "is gone"),
        (_PLACE, GONE, "POST /v1/orders", "is gone"),
        ((*_PLACE, "operationId"), "createOrder", "POST /v1/orders", "was called placeOrder and is called createOrder"),
        ((*_PLACE, "security"), [{"bearer": ["admin"]}], "POST /v1/orders", "not allowed any more with orders:place"),
        (
            (*_GET, "security"),
            [{"bearer": ["orders:read", "admin"]}],
            "GET /v1/orders/{order_id}",
            "not allowed any more with orders:read",
        ),
        (
            ("paths", "/problems/{code}", "get", "security"),
            [{"bearer": []}],
            "GET /problems/{code}",
            "not allowed any more with no credentials",
        ),
        (("components", "securitySchemes", "bearer"), GONE, "security scheme bearer", "is gone"),
        (("components", "securitySchemes", "bearer", "scheme"), "basic", "security scheme bearer", "is another one"),
        ((*_LIST, "parameters", 2), GONE, "GET /v1/orders query status", "is gone"),
        ((*_LIST, "parameters", 2, "required"), True, "GET /v1/orders query status", "is required now"),
        (
            (*_LIST, "parameters", "+"),
            {"name": "shop", "in": "query", "required": True, "schema": {"type": "string"}},
            "GET /v1/orders query shop",
            "is required now",
        ),
        ((*_LIST, "parameters", 0, "schema", "maximum"), 100, "query limit", "maximum was 200 and is 100"),
        ((*_LIST, "parameters", 1, "schema", "pattern"), "^a", "query cursor", "pattern was None and is ^a"),
        ((*_SCHEMAS, "OrderStatus", "enum"), without(_STATUSES, "shipped"), "query status", "may not be shipped"),
        (
            ("paths", "/problems/{code}", "get", "requestBody"),
            {"required": True, "content": {}},
            "GET /problems/{code}",
            "needs a body now",
        ),
        ((*_PLACE, "requestBody"), GONE, "POST /v1/orders", "takes no body any more"),
        ((*_PLACE, "requestBody", "content"), {}, "POST /v1/orders body application/json", "is gone"),
        ((*_BODY, "properties", "email"), GONE, "POST /v1/orders body.email", "is gone"),
        ((*_BODY, "required", "+"), "email", "POST /v1/orders body.email", "is required now"),
        ((*_BODY, "properties", "customer_id", "type"), "integer", "body.customer_id", "was string and is integer"),
        ((*_BODY, "properties", "customer_id", "maxLength"), 99, "body.customer_id", "maxLength was 100 and is 99"),
        ((*_BODY, "properties", "email", "anyOf", 1), GONE, "body.email", "was null and is string"),
        ((*_BODY, "properties", "lines", "maxItems"), 49, "body.lines", "maxItems was 50 and is 49"),
        ((*_LINE, "properties", "quantity", "minimum"), 2, "body.lines[].quantity", "minimum was 1 and is 2"),
        ((*_SCHEMAS, "Currency", "enum"), ["USD"], "body.lines[].unit_price.currency", "any more"),
        (
            (*_SCHEMAS, "AddressBody", "properties", "city", "enum"),
            ["Rome"],
            "body.shipping_address.city",
            "one of Rome",
        ),
        ((*_SCHEMAS, "PaymentBody", "properties", "method", "const"), "sepa", "body.payment.method", "may not be card"),
        ((*_PLACE, "responses", "200"), GONE, "POST /v1/orders 200", "is gone"),
        ((*_PLACE, "responses", "409"), GONE, "POST /v1/orders 409", "is gone"),
        ((*_PLACE, "responses", "202", "content"), {}, "POST /v1/orders 202 application/json", "is gone"),
        ((*_PLACE, "responses", "202", "headers", "Location"), GONE, "POST /v1/orders 202 header Location", "is gone"),
        ((*_PLACE, "responses", "202", "links", "Cancel"), GONE, "POST /v1/orders 202 link Cancel", "is gone"),
        (("components", "headers", "ETag", "required"), False, "200 header ETag", "may be absent now"),
        (("components", "headers", "ETag", "schema", "pattern"), GONE, "200 header ETag", "pattern was"),
        (
            ("components", "responses", "NotFound", "x-problem-codes"),
            ["gone"],
            "GET /v1/orders/{order_id} 404 code not_found",
            "is gone",
        ),
        ((*_ORDER, "properties", "total"), GONE, "200.total", "is gone"),
        ((*_ORDER, "required"), ["id"], "200.total", "may be absent now"),
        ((*_ORDER, "properties", "version", "type"), "string", "200.version", "was integer and is string"),
        (
            (*_ORDER, "properties", "total"),
            {"anyOf": [{"$ref": "#/components/schemas/Money"}, {"type": "null"}]},
            "200.total",
            "is null",
        ),
        ((*_ORDER, "properties", "version", "minimum"), -1, "200.version", "minimum was 0 and is -1"),
        ((*_ORDER, "properties", "id", "format"), GONE, "200.id", "format was uuid and is None"),
        ((*_SCHEMAS, "FailureCode", "enum"), GONE, "200.failure.code", "can be anything now"),
    ],
)
def test_what_breaks_clients_is_found(path: Path, value: Any, where: str, what: str) -> None:
    found = breakages(GOLDEN, changed(path, value))

    assert any(where in line and what in line for line in found), found


def test_an_alternative_that_is_taken_away_is_found() -> None:
    only_shops = changed((*_PLACE, "security"), [{"bearer": ["orders:place"]}])

    assert breakages(GOLDEN, only_shops) == ["POST /v1/orders is not allowed any more with operations"]


def test_a_schema_within_itself_is_compared_once() -> None:
    parts = {"type": "array", "maxItems": 9, "items": {"$ref": "#/components/schemas/Line"}}
    nested = changed((*_SCHEMAS, "Line", "properties", "parts"), parts)
    tighter = changed((*_SCHEMAS, "Line", "properties", "parts", "maxItems"), 99, nested)

    assert breakages(nested, nested) == []
    assert "maxItems was 9 and is 99" in breakages(nested, tighter)[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("paths", "/v1/refunds"), {"get": GOLDEN["paths"]["/v1/orders"]["get"]}),
        ((*_PLACE, "description"), "Other words."),
        ((*_PLACE, "security", "+"), {"bearer": ["admin"]}),
        ((*_STOCK, "security"), []),
        ((*_STOCK, "parameters", 1, "name"), "IF-MATCH"),
        ((*_PLACE, "responses", "410"), {"$ref": "#/components/responses/NotFound"}),
        ((*_PLACE, "responses", "202", "headers", "ETag"), {"$ref": "#/components/headers/ETag"}),
        (("components", "responses", "NotFound", "x-problem-codes"), ["not_found", "gone"]),
        ((*_LIST, "parameters", "+"), {"name": "shop", "in": "query", "schema": {"type": "string"}}),
        ((*_LIST, "parameters", 0, "schema", "maximum"), 500),
        ((*_BODY, "properties", "gift"), {"type": "boolean"}),
        ((*_BODY, "properties", "customer_id", "maxLength"), 200),
        ((*_BODY, "properties", "customer_id", "pattern"), GONE),
        ((*_BODY, "properties", "customer_id", "type"), ["string", "integer"]),
        ((*_BODY, "required"), ["lines"]),
        ((*_BODY, "additionalProperties"), True),
        ((*_ORDER, "properties", "weight"), {"type": "integer"}),
        ((*_ORDER, "required", "+"), "weight"),
        ((*_ORDER, "properties", "email"), {"type": "string"}),
        ((*_SCHEMAS, "OrderStatus", "enum", "+"), "archived"),
        ((*_SCHEMAS, "FailureCode", "enum", "+"), "recalled"),
        ((*_ORDER, "properties", "version", "maximum"), 10**6),
    ],
)
def test_additions_break_nobody(path: Path, value: Any) -> None:
    assert breakages(GOLDEN, changed(path, value)) == []
