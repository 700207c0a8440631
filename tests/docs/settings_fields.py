"""
Every `FULFILLMENT_…` variable, read from the classes of settings: its name, what it takes, its default.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AnyUrl, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from fulfillment.sandbox.settings import SandboxSettings
from fulfillment.settings import Settings

_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    timedelta: "duration",
    SecretStr: "text, secret",
}
_UNITS = ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))
_BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "below {}"}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; `default` is None when it must be set."""

    name: str
    takes: str
    default: str | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """Variables with one prefix; an optional section counts as soon as one of them is set."""

    prefix: str
    meaning: str
    optional: bool
    variables: tuple[Variable, ...]


def all_sections() -> list[Section]:
    """Every variable of the service, then those of the sandbox."""
    return [*sections(Settings), *sections(SandboxSettings)]


def sections(settings: type[BaseSettings]) -> Iterator[Section]:
    """The variables of a class of settings: its own, then section by section."""
    yield from _sections(settings, settings.model_config.get("env_prefix") or "", None, optional=False)


def _sections(model: type[BaseModel], prefix: str, given: BaseModel | None, *, optional: bool) -> Iterator[Section]:
    fields = model.model_fields
    own = {name: field for name, field in fields.items() if not _models(field.annotation)}
    variables = tuple(_variable(prefix, name, field, given) for name, field in own.items())
    if variables:
        yield Section(prefix, " ".join((model.__doc__ or "").split()), optional, variables)
    for name, field in fields.items():
        value = _value(name, field, given)
        for part in _models(field.annotation):
            yield from _sections(
                part,
                f"{prefix}{name.upper()}__",
                value if isinstance(value, part) else None,
                optional=optional or type(None) in get_args(field.annotation),
            )


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections a field may hold, if it holds any: several where one of them is chosen."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models(part)]


def _value(name: str, field: FieldInfo, given: BaseModel | None) -> Any:
    """The default; the one of the whole section, if that has a default, wins."""
    return (
        getattr(given, name) if given is not None else field.get_default(call_default_factory=True, validated_data={})
    )


def _variable(prefix: str, name: str, field: FieldInfo, given: BaseModel | None) -> Variable:
    required = field.is_required() and given is None
    takes = ", ".join([_words(field.annotation), *_range(field)])
    default = None if required else _shown(_value(name, field, given))
    return Variable(f"{prefix}{name.upper()}", takes, default, field.description or "")


def _words(annotation: Any) -> str:
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            return _plain_words(annotation)
        case origin if origin is Annotated:
            return _words(arguments[0])
        case origin if origin is Literal:
            return _choices(arguments)
        case origin if origin in (Union, types.UnionType):
            return " or ".join(_words(part) for part in arguments if part is not type(None))
        case origin:
            return "JSON object" if origin is dict else f"comma list of {_words(arguments[0])}"


def _plain_words(kind: type) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if issubclass(kind, Enum):
        return _choices(tuple(member.value for member in kind))
    return "URL" if issubclass(kind, AnyUrl) else kind.__name__.lower()


def _choices(values: tuple[Any, ...]) -> str:
    *others, last = [f"`{value}`" for value in values]
    return f"{', '.join(others)} or {last}" if others else last


def _range(field: FieldInfo) -> Iterator[str]:
    """The bounds of a field in words; that a duration is not negative goes without saying."""
    found: dict[str, Any] = {}
    for item in _constraints(field):
        kinds = (*_BOUNDS, "min_length", "max_length")
        found |= {kind: getattr(item, kind) for kind in kinds if getattr(item, kind, None) is not None}
    if found.get("ge") == timedelta(0):
        del found["ge"]
    if {"ge", "le"} <= found.keys():
        yield f"{_bound(found.pop('ge'))} to {_bound(found.pop('le'))}"
    yield from (words.format(_bound(found[kind])) for kind, words in _BOUNDS.items() if kind in found)
    if "max_length" in found:
        least = f"{found['min_length']} to" if "min_length" in found else "at most"
        yield f"{least} {found['max_length']} characters"


def _constraints(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for part in (field.annotation, *get_args(field.annotation)):
        for item in getattr(part, "__metadata__", ()):
            yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _bound(value: object) -> str:
    return (duration(value) if value else "0") if isinstance(value, timedelta) else str(value)


def _shown(value: object) -> str:
    match value:
        case None:
            return "not set"
        case SecretStr():
            return "set"
        case timedelta():
            return duration(value)
        case _:
            return f"`{_typed(value)}`"


def _typed(value: object) -> object:
    """A value as it is given in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case tuple() | list():
            return ",".join(str(part) for part in value)
        case _:
            return value.value if isinstance(value, Enum) else value


def duration(value: timedelta) -> str:
    """A duration as people write it: `30 s`, `7 days`."""
    seconds = value.total_seconds()
    for size, one, many in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {one if count == 1 else many}"
    return f"{seconds:g} s"
