"""
What may not be in the body of an order, and how callers are told.
"""

import gzip
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.api.bodies import strict_json
from fulfillment.api.problems import Problem
from fulfillment.domain.iso import COUNTRIES, CURRENCIES
from fulfillment.domain.money import exponent
from tests.api.bodies import a_key, an_order

LINE = an_order()["lines"][0]
ADDRESS = an_order()["shipping_address"]
JSON = {"Content-Type": "application/json"}


def line(**changes: Any) -> list[dict[str, Any]]:
    """The lines of an order with one line."""
    return [{**LINE, **changes}]


def price(amount: Any, currency: Any = "EUR") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"customer_id": 7}, ["customer_id"]),
    ({"customer_id": "   "}, ["customer_id"]),
    ({"customer_id": "c" * 101}, ["customer_id"]),
    ({"customer_id": "a\0b"}, ["customer_id"]),
    ({"colour": "red"}, ["colour"]),
    ({"c" * 1000: "red"}, ["c" * 120]),
    ({"email": "ada.example.com"}, ["email"]),
    ({"email": "ada@localhost"}, ["email"]),
    ({"email": "a b@example.com"}, ["email"]),
    ({"email": f"{'a' * 250}@x.de"}, ["email"]),
    ({"reference": ""}, ["reference"]),
    ({"lines": []}, ["lines"]),
    ({"lines": "none"}, ["lines"]),
    ({"lines": [{**LINE, "sku": f"S-{n}"} for n in range(51)]}, ["lines"]),
    ({"lines": line(quantity=0)}, ["lines[0].quantity"]),
    ({"lines": line(quantity=1_000_001)}, ["lines[0].quantity"]),
    ({"lines": line(quantity="12")}, ["lines[0].quantity"]),
    ({"lines": line(quantity=1.0)}, ["lines[0].quantity"]),
    ({"lines": line(quantity=True)}, ["lines[0].quantity"]),
    ({"lines": line(sku="s" * 101)}, ["lines[0].sku"]),
    ({"lines": line(unit_price=price(-1))}, ["lines[0].unit_price.amount"]),
    ({"lines": line(unit_price=price(10**12 + 1))}, ["lines[0].unit_price.amount"]),
    ({"lines": line(unit_price=price(1, "EURO"))}, ["lines[0].unit_price.currency"]),
    ({"lines": line(unit_price=price(1, "eur"))}, ["lines[0].unit_price.currency"]),
    ({"lines": line(unit_price=price(1, "ABC"))}, ["lines[0].unit_price.currency"]),
    ({"lines": line(unit_price=1)}, ["lines[0].unit_price"]),
    ({"lines": [LINE, LINE]}, ["lines[1].sku"]),
    ({"lines": [LINE, {**LINE, "sku": "B", "unit_price": price(1, "USD")}]}, ["lines[1].unit_price.currency"]),
    ({"lines": line(quantity=1_000_000, unit_price=price(10**12))}, ["lines"]),
    ({"shipping_address": {**ADDRESS, "country": "XX"}}, ["shipping_address.country"]),
    ({"shipping_address": {**ADDRESS, "country": "Germany"}}, ["shipping_address.country"]),
    ({"shipping_address": {**ADDRESS, "line2": " "}}, ["shipping_address.line2"]),
    ({"shipping_address": {"name": "A"}}, [f"shipping_address.{field}" for field in ("line1", "city", "country")]),
    ({"payment": {"method": "cash", "token": "t"}}, ["payment.method"]),
    ({"payment": {"method": "card"}}, ["payment.token"]),
    ({"payment": {"method": "card", "token": "tok visa"}}, ["payment.token"]),
    ({"metadata": {"k" * 41: "v"}}, [f"metadata.{'k' * 41}"]),
    ({"metadata": {"k": "v" * 501}}, ["metadata.k"]),
    ({"metadata": {"k": 1}}, ["metadata.k"]),
    ({"metadata": {"k": "a\0"}}, ["metadata.k"]),
    ({"metadata": {str(n): "v" for n in range(21)}}, ["metadata"]),
]


async def test_a_wrong_field_is_named_and_what_was_sent_is_not_repeated(api: httpx2.AsyncClient) -> None:
    for changes, fields in WRONG:
        content = json.dumps(an_order(**changes))
        answer = await api.post("/v1/orders", content=content, headers={**a_key(), **JSON})

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "invalid_request"), changes
        assert [error["field"] for error in problem["errors"]] == fields, changes
        assert all(error["message"] and "Value error" not in error["message"] for error in problem["errors"])
        assert "input" not in problem["errors"][0]


async def test_a_secret_in_a_wrong_field_does_not_come_back(api: httpx2.AsyncClient) -> None:
    body = an_order(email="hidden.example.com", payment={"method": "hidden", "token": "hidden hidden"})
    answer = await api.post("/v1/orders", json=body, headers=a_key())

    assert answer.status_code == 422
    assert "hidden" not in answer.text


RIGHT: list[dict[str, Any]] = [
    {"lines": [{**LINE, "sku": f"S-{n}"} for n in range(50)]},
    {"lines": line(quantity=1_000_000, unit_price=price(10**9))},
    {"lines": line(unit_price=price(0))},
    {"lines": line(unit_price=price(1200, "KWD"))},
    {"shipping_address": {**ADDRESS, "postal_code": None}},
    {"metadata": {str(n): "v" for n in range(20)}},
    {"metadata": None, "email": None, "payment": None},
    {"customer_id": "Ł" * 100},
    {"email": "ada+tag@mail.example.co.uk"},
]


async def test_what_the_contract_allows_is_accepted(api: httpx2.AsyncClient) -> None:
    for changes in RIGHT:
        body = {**an_order(), **changes}
        answer = await api.post("/v1/orders", json=body, headers=a_key())
        assert answer.status_code == 202, (changes, answer.text)


async def test_a_body_that_is_not_json_is_malformed(api: httpx2.AsyncClient) -> None:
    text = json.dumps(an_order())
    bodies = [
        (b"", "it is empty"),
        (b"null", "it is null"),
        (b"{", "not JSON (line 1, column 2)"),
        (b"{}\n{}", "not JSON (line 2, column 1)"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": 1} // so it is', "not JSON"),
        (b"\xff\xfe\xfd", "byte 1 is not UTF-8"),
        (text.encode("utf-16"), "byte 1 is not UTF-8"),
        (b"\xef\xbb\xbf" + text.encode(), "byte order mark"),
        (text.encode().replace(b"\\u00fc", b"\xfc"), "is not UTF-8"),
        (text.encode().replace(b"\\u00fc", b"\xed\xa0\x80"), "is not UTF-8"),
        (text.replace("\\u00fc", "\\ud800").encode(), "lone surrogate"),
        (text.replace('"email"', r'"\udfff"').encode(), "lone surrogate"),
        (text.replace("4950", "NaN").encode(), "NaN and Infinity"),
        (text.replace("4950", "-Infinity").encode(), "NaN and Infinity"),
        (text.replace("4950", "1e999").encode(), "a number is too large"),
        (text.replace("4950", "9" * 5000).encode(), "too many digits"),
        (text.replace('"email"', '"customer_id"').encode(), "the field customer_id is there twice"),
        (
            text.replace('"quantity": 2', '"quantity": 2, "qu\\u0061ntity": 3').encode(),
            "the field quantity is there twice",
        ),
        (("{" + ",".join(f'"{n % 3000}": 1' for n in range(3001)) + "}").encode().replace(b" ", b""), "the field 0 is"),
        (b"[" * 21 + b"]" * 21, "deeper than 20"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "deeper than 20"),
        (b"[" * 900 + b"]" * 900, "deeper than 20"),
        (b"[" * 16_000 + b"]" * 16_000, "deeper than 20"),
        (b"[" * 30_000, "deeper than 20"),
        (b'{"a":' * 6_000, "deeper than 20"),
    ]
    for body, reason in bodies:
        answer = await api.post("/v1/orders", content=body, headers={**a_key(), **JSON})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "malformed_body"), body[:80]
        assert reason in problem["detail"], (body[:80], problem["detail"])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)


@given(JSON_VALUES, st.booleans())
def test_what_is_json_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    assert strict_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text(alphabet='[]{}",:\\\\u0dDeE+-.19 tN').map(str.encode))
def test_what_is_not_json_is_malformed_and_nothing_else(body: bytes) -> None:
    try:
        value, code = strict_json(body), None
    except Problem as problem:
        value, code = None, problem.code
    assert code == "malformed_body" or value == json.loads(body)


async def test_a_body_that_is_no_object_is_refused(api: httpx2.AsyncClient) -> None:
    for body in ("[]", "7", '"text"', "true", "[" * 20 + "]" * 20, "-0", "1e5"):
        answer = await api.post("/v1/orders", content=body, headers={**a_key(), **JSON})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")


async def test_a_body_of_another_type_is_not_read(api: httpx2.AsyncClient) -> None:
    text = json.dumps(an_order())
    for content_type in (
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "multipart/form-data",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
        "",
    ):
        answer = await api.post("/v1/orders", content=text, headers={**a_key(), "Content-Type": content_type})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), content_type
    for content_type in (
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/problem+json",
    ):
        declared = {**a_key(), "Content-Type": content_type}
        assert (await api.post("/v1/orders", content=text, headers=declared)).status_code == 202


async def test_a_compressed_body_is_not_unpacked(api: httpx2.AsyncClient) -> None:
    body = gzip.compress(b" " * 30_000_000)
    for encoding in ("gzip", "br", "identity, gzip", "nonsense"):
        headers = {**a_key(), **JSON, "Content-Encoding": encoding}
        answer = await api.post("/v1/orders", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), encoding


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_at_most_32_kib_of_bytes(api: httpx2.AsyncClient, *, chunked: bool) -> None:
    async def pieces(data: bytes) -> Any:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    text = json.dumps(an_order()).encode()
    for size, expected in ((32 * 1024, 202), (32 * 1024 + 1, 413), (1024 * 1024, 413)):
        data = text.ljust(size)
        content = pieces(data) if chunked else data
        answer = await api.post("/v1/orders", content=content, headers={**a_key(), **JSON})
        assert answer.status_code == expected
        assert expected == 202 or answer.json()["code"] == "body_too_large"


def test_the_lists_of_codes_are_whole() -> None:
    assert len(COUNTRIES) == 249
    assert {"EUR", "USD", "JPY", "KWD", "CLF"} <= CURRENCIES
    assert not {"XXX", "XTS", "XAU", "HRK"} & CURRENCIES
    assert all(len(code) == 3 and code.isupper() and exponent(code) in (0, 2, 3, 4) for code in CURRENCIES)
