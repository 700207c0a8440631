"""
Requests that mean harm, or come from broken clients: each is refused or harmless, and the next one is answered.
"""

import json
import unicodedata
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
import pytest

from fulfillment.api.bodies import BODY_LIMIT
from tests.api.bodies import a_key, an_order
from tests.api.sockets import GOOD, connected
from tests.fixtures.identity import TESTER_KEY
from tests.fixtures.logs import LogLines

KEY = b"Authorization: Bearer " + TESTER_KEY.text.encode() + b"\r\n"
HOST = b"Host: x\r\n"
BODY = json.dumps(an_order()).encode()
AN_ORDER = UUID(int=7)


def get(target: bytes, *headers: bytes, line: bytes = b"GET %s HTTP/1.1\r\n", host: bytes = HOST) -> bytes:
    return line % target + host + KEY + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def post(*headers: bytes, body: bytes = BODY, target: bytes = b"/v1/orders", sized: bool = True) -> bytes:
    size = [b"Content-Length: %d" % len(body)] if sized else []
    own = (b"Content-Type: application/json", b"Idempotency-Key: %s" % str(uuid4()).encode(), *size, *headers)
    return get(target, *own, line=b"POST %s HTTP/1.1\r\n") + body


def chunked(body: bytes, *headers: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", *headers, body=body, sized=False)


BAD = (400, "malformed_request")
LOST = (404, "not_found")
INVALID = (422, "invalid_request")
PLACED = (202, None)
LISTED = (200, None)

RAW: dict[str, tuple[bytes, tuple[int, str | None]]] = {
    # Where a request ends must be said once, and so that everybody on the way reads it alike.
    "length and chunks": (post(b"Transfer-Encoding: chunked"), BAD),
    "chunks and length": (chunked(b"0\r\n\r\n", b"Content-Length: 5"), BAD),
    "two lengths": (post(b"Content-Length: 0"), BAD),
    "the same length twice": (post(b"Content-Length: %d" % len(BODY)), BAD),
    "two lengths in one": (post(b"Content-Length: 5, 5", sized=False), BAD),
    "a negative length": (post(b"Content-Length: -5", sized=False), BAD),
    "a signed length": (post(b"Content-Length: +5", sized=False), BAD),
    "a length in hexadecimal": (post(b"Content-Length: 0x10", sized=False), BAD),
    "an endless length": (post(b"Content-Length: " + b"9" * 40, sized=False), BAD),
    "a length of terabytes": (post(b"Content-Length: 9999999999999", sized=False), (413, "body_too_large")),
    "chunks of a size that is none": (chunked(b"zz\r\n{}\r\n0\r\n\r\n"), BAD),
    "chunks of a negative size": (chunked(b"-1\r\n{}\r\n0\r\n\r\n"), BAD),
    "chunks of an endless size": (chunked(b"f" * 40 + b"\r\n"), BAD),
    "a chunk longer than it says": (chunked(b"2\r\n{}}}}\r\n0\r\n\r\n"), BAD),
    "chunks ended by line feeds": (chunked(b"2\n{}\n0\n\n"), BAD),
    "chunks that are not the last coding": (post(b"Transfer-Encoding: chunked, identity", sized=False), BAD),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked", sized=False), BAD),
    "a space before the colon": (post(b"Transfer-Encoding : chunked", sized=False), BAD),
    "chunks and extensions": (chunked(b"%x;a=b\r\n%b\r\n0\r\nX-Trailer: v\r\n\r\n" % (len(BODY), BODY)), PLACED),
    "no body although it has a type": (post(sized=False, body=b""), (400, "malformed_body")),
    # The first line.
    "no HTTP": (b"rubbish\r\n\r\n", BAD),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(50), BAD),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    "HTTP/3": (get(b"/v1/orders", line=b"GET %s HTTP/3.0\r\n"), BAD),
    "no version": (b"GET /v1/orders\r\n\r\n", BAD),
    "HTTP/1.0": (get(b"/v1/orders", line=b"GET %s HTTP/1.0\r\n", host=b""), LISTED),
    "no host": (get(b"/v1/orders", host=b""), BAD),
    "two hosts": (get(b"/v1/orders", b"Host: y"), BAD),
    "an unknown method": (get(b"/v1/orders", line=b"BREW %s HTTP/1.1\r\n"), BAD),
    "a method in small letters": (get(b"/v1/orders", line=b"get %s HTTP/1.1\r\n"), BAD),
    "TRACE": (get(b"/v1/orders", line=b"TRACE %s HTTP/1.1\r\n"), (405, "method_not_allowed")),
    "CONNECT": (get(b"example.com:443", line=b"CONNECT %s HTTP/1.1\r\n"), BAD),
    "the service as a proxy": (get(b"http://example.com/v1/orders"), LISTED),
    "the service as a proxy to nothing": (get(b"http://example.com"), BAD),
    "no path": (get(b"v1/orders"), BAD),
    "a star": (get(b"*", line=b"OPTIONS %s HTTP/1.1\r\n"), LOST),
    "a path with NUL": (get(b"/v1/orders\0"), BAD),
    "a path that is not ASCII": (get("/v1/ordérs".encode()), BAD),
    "a path that is not UTF-8": (get(b"/v1/orders/%ff%fe"), LOST),
    "a path with bad escapes": (get(b"/v1/orders/%zz%"), LOST),
    "a path with an escaped NUL": (get(b"/v1/inventory/a%00b"), INVALID),
    "a path that climbs": (get(b"/v1/../../etc/passwd"), LOST),
    "a path that climbs by escapes": (get(b"/v1/%2e%2e/%2e%2e/etc/passwd"), LOST),
    "a path with an escaped slash": (get(b"/v1%2forders"), LOST),
    "a path with an escaped slash in capitals": (get(b"/v1%2Forders?limit=1"), LOST),
    "a path with an escaped slash, as a proxy is asked": (get(b"http://example.com/v1%2forders"), LOST),
    "a query with a slash and dots": (get(b"/v1/orders?reference=%2f..%2f%5c"), LISTED),
    "two slashes": (get(b"//v1//orders"), LOST),
    "a path of 7 KiB": (get(b"/v1/orders/" + b"a" * 7000), LOST),
    "a path of 64 KiB": (get(b"/v1/orders/" + b"a" * 65_536), (414, "uri_too_long")),
    "a query that is not UTF-8": (get(b"/v1/orders?status=%ff"), INVALID),
    "a thousand parameters": (get(b"/v1/orders?" + b"&".join(b"p%d=1" % n for n in range(1000))), INVALID),
    # Headers.
    "10 000 headers": (get(b"/v1/orders", *(b"X-%d: v" % n for n in range(10_000))), (431, "headers_too_large")),
    "a header of 64 KiB": (get(b"/v1/orders", b"X-Long: " + b"v" * 65_536), (431, "headers_too_large")),
    "NUL in a header": (get(b"/v1/orders", b"X-Odd: a\0b"), BAD),
    "a lone carriage return in a header": (get(b"/v1/orders", b"X-Odd: a\rX-Evil: b"), BAD),
    "a folded header": (get(b"/v1/orders", b"X-Odd: a\r\n b"), BAD),
    "a header without a name": (get(b"/v1/orders", b": v"), BAD),
    "a header without a colon": (get(b"/v1/orders", b"X-Odd"), BAD),
    "a header that is not ASCII": (get(b"/v1/orders", "X-Odd: é漢".encode()), LISTED),
    "a request id with a line": (get(b"/v1/orders", b"X-Request-Id: a%0d%0aSet-Cookie: b"), LISTED),
    "HTTP/2 on offer": (post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"), BAD),
    "a WebSocket": (get(b"/v1/orders", b"Connection: Upgrade", b"Upgrade: websocket"), LISTED),
    # Bodies that are not asked for, or too large.
    "a body nobody reads": (get(b"/v1/orders", b"Content-Length: 5") + b"hello", LISTED),
    "10 MB": (post(body=b" " * 10_000_000), (413, "body_too_large")),
    "10 MB in chunks": (chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (10_000_000, b" " * 10_000_000)), (413, "body_too_large")),
    "10 MB of pieces": (chunked(b"1\r\n{\r\n" * (BODY_LIMIT + 1) + b"0\r\n\r\n"), (413, "body_too_large")),
}


def broken(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What nobody wants to find in the log."""
    return [line for line in lines if "exception" in line or line["level"] in ("error", "critical")]


async def test_whatever_arrives_is_answered_and_so_is_what_comes_next(
    api: httpx2.AsyncClient, log_lines: LogLines
) -> None:
    wrong = []
    for name, (data, expected) in RAW.items():
        async with connected(api) as raw:
            await raw.send_what_is_taken(data)
            reply = await raw.answer()
            got = (reply.status, reply.code if reply.status >= 400 else None)
            if got != expected:
                wrong.append((name, got, expected))
        async with connected(api) as raw:
            await raw.send(GOOD)
            assert (await raw.answer()).status == 200, name
    assert wrong == []
    assert broken(log_lines()) == []


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"G", b"GET /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_nothing_is_smuggled_behind_a_request_that_is_unclear(api: httpx2.AsyncClient, ending: bytes) -> None:
    for unclear in ("length and chunks", "two lengths", "two lengths in one", "a space before the colon"):
        async with connected(api) as raw:
            await raw.send_what_is_taken(RAW[unclear][0] + ending)
            assert (await raw.answer()).status == 400
            assert await raw.closed() == b""


TEXTS = [
    "Robert'); DROP TABLE orders;--",
    "' OR 1=1 --",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "%s %(name)s {0} {name} $1 :name",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "\u202eevil\u202c\u2066x\u2069",
    "zero\u200bwidth\u200djoined\ufeff",
    "e\u0301 \u00e9 \ufb01",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0010ffff",
    "line\nfeed\ttab\r\nreturn\x1b[31m\x7f\x85\u2028end",
    "null",
]


def filled(text: str) -> dict[str, Any]:
    """An order with this in every text that is free."""
    line = {**an_order()["lines"][0], "sku": text, "name": text}
    address = dict.fromkeys(("name", "line1", "line2", "city", "region"), text) | {"country": "DE"}
    return an_order(
        customer_id=text,
        reference=text,
        requested_by=text,
        lines=[line],
        shipping_address=address,
        metadata={text: text},
    )


async def test_a_text_is_a_text_and_stays_the_same(api: httpx2.AsyncClient, log_lines: LogLines) -> None:
    for text in TEXTS:
        placed = await api.post("/v1/orders", json=filled(text), headers=a_key())
        assert placed.status_code == 202, (text, placed.text)
        # Read from the start of the workflow: nobody has written it down yet.
        order = (await api.get(placed.headers["location"])).json()
        assert (order["customer_id"], order["reference"], order["metadata"]) == (text, text, {text: text})
        assert set(order["shipping_address"].values()) == {text, "DE", None}
        listed = await api.get("/v1/orders", params={"customer_id": text, "reference": text})
        assert listed.json() == {"items": [], "next_cursor": None}
        article = await api.get(f"/v1/inventory/{quote(text, safe='')}")
        assert article.status_code in (404, 422), text
    assert broken(log_lines()) == []
    assert not any("DROP TABLE" in json.dumps(line) for line in log_lines())


async def test_the_same_letters_written_differently_are_two_references(api: httpx2.AsyncClient) -> None:
    composed = unicodedata.normalize("NFC", "Café")
    for reference in (composed, unicodedata.normalize("NFD", composed)):
        placed = await api.post("/v1/orders", json=an_order(reference=reference), headers=a_key())
        assert placed.json()["reference"] == reference


NUMBERS = [
    "1" + "0" * 400,
    "1" + "0" * 4000,
    "-1",
    "1e400",
    "1e5",
    "1.5",
    "0.1e1",
    "-0.0",
    '"1"',
    "true",
    "null",
    "[]",
    "{}",
]


async def test_a_number_that_is_none_of_ours_is_refused(api: httpx2.AsyncClient) -> None:
    text = json.dumps(an_order())
    for number in NUMBERS:
        for field in ('"amount": 4950', '"quantity": 2'):
            body = text.replace(field, f"{field.split(':')[0]}: {number}")
            answer = await api.post("/v1/orders", content=body, headers={**a_key(), "Content-Type": "application/json"})
            assert answer.status_code in (400, 422), (field, number, answer.text)
            assert answer.json()["code"] in ("malformed_body", "invalid_request")
    nothing = text.replace('"amount": 4950', '"amount": -0')
    placed = await api.post("/v1/orders", content=nothing, headers={**a_key(), "Content-Type": "application/json"})
    assert placed.status_code == 202


ODD = [
    "",
    " ",
    "0",
    "-1",
    "201",
    "1e3",
    "9" * 400,
    "½",
    "٣",
    "0x10",
    "1;DROP TABLE orders",
    "\0",
    "%",
    "null",
    "[]",
    "é" * 100,
]


async def test_odd_parameters_are_refused(api: httpx2.AsyncClient, log_lines: LogLines) -> None:
    paths = ("/v1/orders", f"/v1/orders/{AN_ORDER}/events", f"/v1/orders/{AN_ORDER}/operations", "/v1/inventory")
    for path in paths:
        for value in ODD:
            answer = await api.get(path, params={"limit": value})
            assert answer.status_code == 422, (path, value, answer.text)
            # An order that does not exist may be noticed first.
            answer = await api.get(path, params={"cursor": value or "=" * 1000})
            assert answer.status_code in (404, 422), (path, value, answer.text)
    for name in ("status", "placed_from", "placed_to"):
        for value in ODD:
            assert (await api.get("/v1/orders", params={name: value})).status_code == 422, (name, value)
    assert broken(log_lines()) == []


async def test_a_path_that_can_be_read_in_two_ways_leads_nowhere(api: httpx2.AsyncClient) -> None:
    for name in ("a%2Fb", "a%2fb", "a%5Cb", "a%5cb", "%2e", "%2E%2e", ".%2e", "%2E."):
        for path in (f"/v1/inventory/{name}", f"/v1/inventory/{name}?"):
            made = await api.put(path, json={"on_hand": 1})
            assert (made.status_code, made.json()["code"]) == (404, "not_found"), path
    async with connected(api) as raw:
        for written in (b"a\\b", b".", b"..", b"../inventory/c"):
            await raw.send(post(body=b'{"on_hand": 1}', target=b"/v1/inventory/" + written).replace(b"POST", b"PUT"))
            assert (await raw.answer()).code == "not_found"
    assert (await api.get("/v1/inventory")).json()["items"] == []


async def test_a_path_that_needs_escapes_can_be_read_in_one_way(api: httpx2.AsyncClient) -> None:
    for sku in ("a b", "a+b", "50%", "%2F", "Ähre #1", "漢?", "..a", "a..", "...", ".a"):
        made = await api.put(f"/v1/inventory/{quote(sku, safe='')}", json={"on_hand": 1})
        assert (made.status_code, made.json()["sku"]) == (201, sku), made.text
        assert (await api.get(made.headers["location"])).json()["sku"] == sku


async def test_an_id_that_is_none_is_an_order_that_does_not_exist(api: httpx2.AsyncClient, log_lines: LogLines) -> None:
    for name in (
        "0",
        "-1",
        "9" * 400,
        "..%2f..",
        "%00",
        "%ff",
        "'%20OR%201=1",
        str(AN_ORDER) + "0",
        "%F0%9F%98%80",
        "nil",
    ):
        for path in (f"/v1/orders/{name}", f"/v1/orders/{name}/events"):
            answer = await api.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert broken(log_lines()) == []


async def test_odd_headers_are_refused_or_ignored(api: httpx2.AsyncClient, log_lines: LogLines) -> None:
    odd = [
        b"",
        b'"',
        b'""',
        b"a b",
        b"k" * 256,
        b"\xff\xfe",
        "ключ".encode(),
        b'W/"1"',
        b"*,*",
        b"{{7*7}}",
        b"9" * 5000,
    ]
    for value in odd:
        key = await api.post("/v1/orders", json=an_order(), headers={b"Idempotency-Key": value})
        assert key.status_code in (202, 400, 422), (value, key.text)
        match = {b"Idempotency-Key": b"k", b"If-Match": value, b"Prefer": value, b"X-Request-Id": value}
        changed = await api.post(f"/v1/orders/{AN_ORDER}/cancel", json={"reason": "r"}, headers=match)
        assert changed.status_code in (404, 422), (value, changed.text)
        kept = {b"If-None-Match": value, b"Accept": value, b"Range": value, b"Accept-Encoding": value, b"Cookie": value}
        read = await api.get("/v1/orders", headers=kept)
        assert read.status_code == 200, (value, read.text)
    assert broken(log_lines()) == []
