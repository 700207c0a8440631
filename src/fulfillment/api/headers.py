"""
Reading and writing the headers of HTTP that frameworks leave alone.
"""

import re
from collections.abc import Iterable
from datetime import timedelta

LONGEST_WAIT = timedelta(seconds=30)

_KEY = re.compile(r"[!-~]{1,255}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?\s*(?:;[^,]*)?')
_ENTITY_TAG = re.compile(r'(?:W/)?("[!#-~]*")')


def unquoted_key(value: str) -> str | None:
    """The key of an `Idempotency-Key` header, quoted or not; empty when there is none, None when it is no key."""
    value = value.strip()
    quoted = _QUOTED.fullmatch(value)
    if value.startswith('"') and not quoted:
        return None
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value
    return key if not key or _KEY.fullmatch(key) else None


def preferred_wait(values: Iterable[str]) -> timedelta | None:
    """The `wait` of `Prefer` headers (RFC 7240: the first one counts, what is not understood is ignored)."""
    for preference in ",".join(values).split(","):
        match = _PREFERENCE.fullmatch(preference)
        if match and match[1].lower() == "wait":
            seconds = (match[2] or "").strip('"')
            valid = seconds.isascii() and seconds.isdigit()
            return timedelta(seconds=min(int(seconds[:9]), LONGEST_WAIT.total_seconds())) if valid else None
    return None


def entity_tag(version: int) -> str:
    """The strong `ETag` of a version."""
    return f'"{version}"'


def matches_entity_tag(header: str | None, version: int) -> bool:
    """Whether an `If-None-Match` header names this version (weak comparison, RFC 9110 13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or entity_tag(version) in _ENTITY_TAG.findall(header)
