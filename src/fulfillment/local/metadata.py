"""
Anything as metadata of an order: names and short texts.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST_NAME = 40
_LONGEST_TEXT = 500


def as_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts; the parts of an object are named `outer.inner`, empty values are left out."""
    return {
        _shortened(name, _LONGEST_NAME): _shortened(text, _LONGEST_TEXT)
        for name, text in _flat(values, "")
        if name.strip() and text.strip()
    }


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False)


def _shortened(text: str, longest: int) -> str:
    stripped = text.strip()
    return stripped if len(stripped) <= longest else f"{stripped[: longest - 3]}..."
