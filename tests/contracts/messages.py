"""
Any message of ours, made up from its types.
"""

import dataclasses
import types
import typing
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tests.contracts.wire_names import crossing

MESSAGES = tuple(sorted((cls for cls in crossing() if dataclasses.is_dataclass(cls)), key=lambda cls: cls.__name__))

_NARROWED: dict[Any, st.SearchStrategy[Any]] = {
    # A time without a zone does not occur: the API refuses it and the database does not make one.
    datetime: st.datetimes(timezones=st.just(UTC)),
    # What a column can hold.
    int: st.integers(-(2**63), 2**63 - 1),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in a message."""
    if isinstance(annotation, typing.NewType):
        return values_of(annotation.__supertype__)
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case types.UnionType | typing.Union:
            return st.one_of(*map(values_of, arguments))
        case origin if origin is tuple:
            return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
        case origin if origin is dict:
            return st.dictionaries(*map(values_of, arguments), max_size=3)
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return st.builds(annotation, **{name: values_of(hint) for name, hint in hints.items()})  # type: ignore[arg-type]
    return _NARROWED[annotation] if annotation in _NARROWED else st.from_type(annotation)
