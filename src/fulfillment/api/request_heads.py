"""
What the first line and the headers of a request may be, before anything looks at what they mean.
"""

from collections.abc import Sequence

from fulfillment.api.problems import Problem

HEAD_LIMIT = 32 * 1024
"""Bytes of all headers; what browsers and proxies send is below 16 KiB."""
HEADERS_LIMIT = 100
URL_LIMIT = 8 * 1024

Headers = Sequence[tuple[bytes, bytes]]
"""Names in small letters, with their values."""


def check_head(headers: Headers, *, version: str, upgrade: bool) -> None:
    """
    Refuse a head that is too large, or that two readers could understand differently; `upgrade`: it asks for another
    protocol.

    Raises:
        Problem: what is wrong with it.
    """
    if sum(len(name) + len(value) + len(": \r\n") for name, value in headers) > HEAD_LIMIT:
        raise headers_too_large()
    hosts = sum(name == b"host" for name, _ in headers)
    if version not in ("1.0", "1.1"):
        raise Problem("malformed_request", "speak HTTP/1.1")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise Problem("malformed_request", "send one Host header")
    if upgrade and _announces_a_body(headers):
        # The parser would take the body for the first words of the other protocol, or for the next request.
        raise Problem("malformed_request", "send no Upgrade header with a body: this is HTTP/1.1 only")


def headers_too_large() -> Problem:
    """Too many headers, or too many bytes of them."""
    detail = f"send at most {HEADERS_LIMIT} headers, and at most {HEAD_LIMIT // 1024} KiB of them"
    return Problem("headers_too_large", detail)


def _announces_a_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and int(value)) for name, value in headers)
