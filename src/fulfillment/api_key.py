"""
API keys: how one is made, and what is kept of it.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

MARK = "ful_"
"""What every key begins with, so that scanners of leaked secrets can tell."""

_FORM = re.compile(rf"{MARK}[a-z2-7]{{8}}_[A-Za-z0-9_-]{{43}}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """
    A key as its owner holds it: `ful_`, eight characters that may be shown, `_`, 256 random bits.

    A hash that is slow on purpose would protect short passwords; nobody guesses 256 random bits, so SHA-256 does.
    """

    text: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """One that nobody else has."""
        name = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        return cls(f"{MARK}{name}_{secrets.token_urlsafe(_SECRET_BYTES)}")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The key in a text, None when it cannot be one of ours."""
        return cls(text) if _FORM.fullmatch(text) else None

    @property
    def prefix(self) -> str:
        """The part that may be shown, logged and named in commands."""
        return self.text[: len(MARK) + 8]

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return hashlib.sha256(self.text.encode()).digest()
