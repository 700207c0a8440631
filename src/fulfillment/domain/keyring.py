"""
Named secret keys in one line of configuration: `id:base64,id:base64`.
"""

import base64
import binascii
from dataclasses import dataclass, field

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a ring; its id travels beside whatever it protects, so that keys can be rotated."""

    id: str
    secret: bytes = field(repr=False)


def parse_keys(text: str) -> tuple[Key, ...]:
    """
    Read a key ring.

    Raises:
        ValueError: naming the entry at fault, never its secret.
    """
    keys = tuple(_parse_key(entry.strip(), position) for position, entry in enumerate(text.split(","), start=1))
    if len({key.id for key in keys}) != len(keys):
        msg = "two keys share an id"
        raise ValueError(msg)
    return keys


def _parse_key(entry: str, position: int) -> Key:
    key_id, _, encoded = entry.partition(":")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        secret = b""
    if not key_id or len(secret) != KEY_BYTES:
        msg = f"key {position} is not `id:base64 of {KEY_BYTES} bytes`"
        raise ValueError(msg)
    return Key(key_id, secret)
