"""
Everything two releases of this service must agree on: what the code says today, and what it said before.

    python -m tests.contracts.wire_names            writes what was added to wire_names.json
    python -m tests.contracts.wire_names --break    writes what was removed or changed, too

Workflows live for weeks and workers of two releases run side by side: only additions are safe.
"""

import asyncio
import dataclasses
import importlib
import json
import pkgutil
import sys
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from uuid import UUID

from temporalio import activity, workflow

import fulfillment.contracts
import fulfillment.workflows
from fulfillment.contracts import naming
from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.encryption import EncryptionCodec
from fulfillment.domain.errors import FulfillmentError
from fulfillment.domain.ids import OrderId, order_id_for
from fulfillment.domain.keyring import Key
from tests.fixtures.golden import renew

GOLDEN = Path(__file__).with_name("wire_names.json")

HOW = (
    "Workers of the release before and workflows started weeks ago still use it. Keep the old name beside the new one "
    "(a field with a default, a second activity, a patched branch) until nothing open needs it; then remove it and run "
    "`python -m tests.contracts.wire_names --break`."
)

Tree = Mapping[str, Any]
Error = TypeVar("Error", bound=FulfillmentError)


def current() -> dict[str, Any]:
    """What the code says."""
    steps = dict(sorted(_activities()))
    workflows = dict(sorted(_workflows()))
    types = dict(sorted((cls.__name__, _shape(cls)) for cls in crossing()))
    return {
        "workflows": workflows,
        "activities": steps,
        "types": types,
        "task_queues": {queue.name: queue.value for queue in naming.TaskQueue},
        "ids": _ids(),
        "memo": {name: getattr(naming, name) for name in dir(naming) if name.startswith("MEMO_")},
        "error_codes": dict(sorted((code, True) for code in error_codes())),
        "encrypted_payload": asyncio.run(_encrypted_payload()),
    }


def golden() -> dict[str, Any]:
    """What the code said when it was last agreed on."""
    loaded: dict[str, Any] = json.loads(GOLDEN.read_text())
    return loaded


def breakages(before: Tree, after: Tree) -> list[str]:
    """What somebody who only knows `before` would stumble over."""
    return [*_lost(before, after, ""), *_demanded(before["types"], after["types"])]


def crossing() -> frozenset[type]:
    """Every message, part of a message and enumeration that Temporal carries."""
    found: set[type] = set()
    for definition in (*_activity_definitions(), *_handler_definitions()):
        for annotation in (*(definition.arg_types or ()), getattr(definition, "ret_type", None)):
            _collect(annotation, found)
    return frozenset(found)


def error_codes() -> frozenset[str]:
    """The codes errors carry through Temporal."""
    # Tests have errors of their own; they cross nothing.
    ours = [cls for cls in subclasses(FulfillmentError) if cls.__module__.startswith("fulfillment.domain.")]
    return frozenset(cls.code for cls in ours if hasattr(cls, "code"))


def subclasses(cls: type[Error]) -> Iterator[type[Error]]:
    """Everything derived from a class, near and far."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def _lost(before: Tree, after: Tree, path: str) -> Iterator[str]:
    for name, old in before.items():
        where = f"{path}{name}"
        if name not in after:
            yield f"{where} is gone"
        elif isinstance(old, Mapping) and isinstance(after[name], Mapping):
            yield from _lost(old, after[name], f"{where}.")
        elif old != after[name]:
            yield f"{where} was {old!r} and is {after[name]!r}"


def _demanded(before: Tree, after: Tree) -> Iterator[str]:
    for name in before.keys() & after.keys():
        for field, shape in after[name].items():
            if field not in before[name] and isinstance(shape, str) and not shape.endswith(" = …"):
                yield f"types.{name}.{field} is new and has no default: a message without it cannot be read"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield from (
        importlib.import_module(found.name) for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    )


def _classes(package: ModuleType) -> Iterator[type]:
    for module in _modules(package):
        yield from (cls for cls in vars(module).values() if isinstance(cls, type) and cls.__module__ == module.__name__)


def _activity_definitions() -> Iterator[activity._Definition]:
    for cls in _classes(fulfillment.contracts):
        for member in vars(cls).values():
            definition = activity._Definition.from_callable(member) if callable(member) else None
            if definition:
                yield definition


def workflow_definitions() -> Iterator[workflow._Definition]:
    """Every workflow there is."""
    for cls in _classes(fulfillment.workflows):
        definition = workflow._Definition.from_class(cls)
        if definition:
            yield definition


def _handler_definitions() -> Iterator[Any]:
    for definition in workflow_definitions():
        yield definition
        yield from _handlers(definition)


def _handlers(definition: workflow._Definition) -> tuple[Any, ...]:
    return (*definition.signals.values(), *definition.queries.values(), *definition.updates.values())


def _activities() -> Iterator[tuple[str, str]]:
    for definition in _activity_definitions():
        yield definition.name or "", _signature(definition)


def _workflows() -> Iterator[tuple[str, Tree]]:
    for definition in workflow_definitions():
        kinds = {"signals": definition.signals, "queries": definition.queries, "updates": definition.updates}
        handlers = {
            kind: {name or "": _signature(handler) for name, handler in sorted(found.items(), key=str)}
            for kind, found in kinds.items()
        }
        yield definition.name or "", {"run": _signature(definition), **handlers}


def _signature(definition: Any) -> str:
    takes = ", ".join(_type_name(annotation) for annotation in definition.arg_types or ())
    return f"({takes}) -> {_type_name(getattr(definition, 'ret_type', None))}"


def _shape(cls: Any) -> dict[str, Any]:
    if issubclass(cls, Enum):
        return {str(member.value): True for member in cls}
    hints = typing.get_type_hints(cls)
    return {
        field.name: _type_name(hints[field.name]) + (" = …" if _has_default(field) else "")
        for field in dataclasses.fields(cls)
    }


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _collect(annotation: Any, found: set[type]) -> None:
    for part in typing.get_args(annotation):
        _collect(part, found)
    if not isinstance(annotation, type) or annotation in found:
        return
    if dataclasses.is_dataclass(annotation):
        found.add(annotation)
        for hint in typing.get_type_hints(annotation).values():
            _collect(hint, found)
    elif issubclass(annotation, Enum):
        found.add(annotation)
    elif annotation not in _PLAIN and not typing.get_args(annotation):
        msg = f"{annotation} crosses Temporal and is neither a message nor a plain value"
        raise TypeError(msg)


_PLAIN = (bool, bytes, datetime, dict, int, str, timedelta, tuple, type(None), UUID)


def _type_name(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, typing.NewType):
        return _type_name(annotation.__supertype__)
    if annotation is Ellipsis:
        return "..."
    if not arguments:
        return str(annotation.__name__)
    names = [_type_name(argument) for argument in arguments]
    origin = typing.get_origin(annotation)
    return f"{origin.__name__}[{', '.join(names)}]" if origin in (dict, list, tuple) else " | ".join(names)


def _ids() -> dict[str, str]:
    order_id = OrderId(UUID(int=7))
    return {
        "order_id_for('caller', 'key')": str(order_id_for("caller", "key")),
        "order_workflow_id": naming.order_workflow_id(order_id),
        "operation_key(…, 'authorize', 2)": naming.operation_key(order_id, "authorize", 2),
    }


async def _encrypted_payload() -> dict[str, str]:
    converter = data_converter((Key("k1", bytes(32)),))
    if not isinstance(converter.payload_codec, EncryptionCodec):
        raise TypeError(converter.payload_codec)
    (payload,) = await converter.encode(["value"])
    return {name: value.decode() for name, value in sorted(payload.metadata.items())}


if __name__ == "__main__":
    NOW = current()
    sys.exit(renew(GOLDEN, NOW, breakages(golden(), NOW), HOW))
