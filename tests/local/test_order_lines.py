import io
import json
from typing import Any

import pytest

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.local import order_lines
from fulfillment.local.order_lines import LONGEST, BadLine, Line, OrderLine, order_line
from tests.demo.files import a_line


def read(content: dict[str, Any] | bytes) -> OrderLine:
    encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
    return order_line(Line(number=1, content=encoded, end=len(encoded)))


def mistakes(content: dict[str, Any] | bytes) -> list[tuple[str, str]]:
    with pytest.raises(BadLine) as bad:
        read(content)
    return [(mistake.field, mistake.message) for mistake in bad.value.mistakes]


def priced(quantity: object, amount: object, **more: Any) -> dict[str, Any]:
    return a_line(lines=[{"quantity": quantity, "unit_price": {"amount": amount}}], **more)


def test_the_reader_knows_the_orders_the_api_takes() -> None:
    assert frozenset(PlaceOrderBody.model_fields) == order_lines.BODY


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (b"{,", "", "is not JSON (column 2)"),
        (b'{"lines": [NaN]}', "", "is not JSON"),
        (b'{"lines": 1e999}', "", "is not JSON"),
        (b"9" * 5000, "", "is not JSON"),
        (b"[" * 100_000, "", "is not JSON"),
        (b"[]", "", "is not a JSON object"),
        (b'{"email": "\\ud800"}', "", "is not JSON (half of a character, like \\ud800)"),
        (b'{"email": "M\xfcnster"}', "", "is not text in UTF-8 (byte 13)"),
        (b'{"lines": [{"quantity": 1, "quantity": 2}]}', "quantity", "is there twice"),
        (b" " * LONGEST + b"{}", "", "is longer than 256 KiB"),
        (a_line(scenario="fast"), "scenario", "must be a JSON object"),
        (a_line(total_check=1), "total_check", "is 1, but the lines add up to 9900"),
        (a_line(total_check=True), "total_check", "is True, but the lines add up to 9900"),
        ({"refused": {"line": 7}}, "refused", "stands alone; write the order beside it"),
        ({"refused": {"text": "{,"}}, "", "is not JSON (column 2)"),
    ],
)
def test_a_line_that_is_no_order_is_told_with_its_field(
    content: dict[str, Any] | bytes, field: str, message: str
) -> None:
    assert mistakes(content) == [(field, message)]


@pytest.mark.parametrize(
    "line",
    [priced("x" * 1000, 10**15), priced(1.5, 2), priced(None, 1), a_line(lines=7), priced(10**30, 1)],
)
def test_a_total_of_lines_that_are_wrong_is_left_to_the_service(line: dict[str, Any]) -> None:
    assert read({**line, "total_check": 5}).original["lines"] == line["lines"]


def test_the_body_is_the_line_without_what_is_not_for_the_service() -> None:
    beside: dict[str, Any] = {"scenario": {"carrier": "lost"}, "total_check": 9900, "refused": {"line": 3}}

    order = read({**a_line(**beside, metadata={"colour": "blue", "size": "L"}), "colour": "red", "empty": None})

    assert order.body == a_line(metadata={"colour": "blue", "size": "L"})
    assert order.extra == {"colour", "empty"}


@pytest.mark.parametrize(
    ("payment", "expected"), [(None, "tok_flaky"), ({"method": "card", "token": "tok_visa"}, "tok_visa")]
)
def test_the_card_of_a_scenario_stands_in_for_one_that_is_missing(payment: object, expected: str) -> None:
    order = read({**a_line(scenario={"token": "tok_flaky"}), "payment": payment})

    assert order.body["payment"] == {"method": "card", "token": expected}


def test_an_order_is_the_same_by_its_reference_or_else_by_all_it_says() -> None:
    by_reference = {read(a_line("R-1", **more)).key for more in ({}, {"email": "a@b.c"}, {"refused": {"line": 1}})}
    by_content = {read(a_line(None, **more)).key for more in ({}, {"refused": {"line": 1}})}
    others = {read(line).key for line in (a_line("R-2"), a_line("R-1", customer_id="C-2"), a_line(None, email="a@b.c"))}

    assert (len(by_reference), len(by_content), len(others)) == (1, 1, 3)
    assert len(by_reference | by_content | others) == 5
    # Files that were placed with an earlier release must not be placed again.
    assert by_reference == {"6cc1819e-e8cb-5fcf-9d1a-7573ae69d876"}
    assert by_content == {"b7a9499f-ed74-5dc0-9f2b-a412685ca1c9"}


def test_lines_are_counted_as_an_editor_does_and_those_that_are_too_long_are_cut() -> None:
    text = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"b": "\xe2\x80\xa8"}\n' + b"x" * (3 * LONGEST) + b"\n\xef\xbb\xbf{}"

    found = list(order_lines.lines(io.BytesIO(text)))

    assert [(line.number, line.content[:12], line.end) for line in found] == [
        (1, b'{"a": 1}\r\n', 13),
        (4, b'{"b": "\xe2\x80\xa8"}', 30),
        (5, b"x" * 12, len(text) - 5),
        (6, b"{}", len(text)),
    ]
    assert len(found[2].content) == LONGEST + 1
