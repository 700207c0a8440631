"""
How one JSON Schema differs from another, for those who send what it describes and for those who receive it.

What is sent may become wider, what is answered narrower; with one exception: answers may have new values of
enumerations and codes, which clients are told to expect.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# Whether one of these accepts more than another cannot be told: having the same, or none, is safe.
_OPAQUE = ("pattern", "format", "not", "uniqueItems", "multipleOf", "propertyNames", "writeOnly", "readOnly")
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


class Schemas:
    """The schemas of two documents, with what they refer to."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._before = before
        self._after = after

    def before(self, node: Schema) -> Schema:
        """Part of the older document, references followed."""
        return _resolved(self._before, node)

    def after(self, node: Schema) -> Schema:
        """The same for the newer one."""
        return _resolved(self._after, node)

    def compare(
        self, old: Schema, new: Schema, where: str, *, sent: bool, seen: frozenset[tuple[str, str]] = frozenset()
    ) -> Iterator[str]:
        """What breaks those who send this, or those who are answered with it."""
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair) and pair in seen:
            return
        seen |= {pair}
        old, new = self.before(old), self.after(new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, where, sent=sent, seen=seen)
            return
        yield from _types(old, new, where, sent=sent)
        yield from _bounds(old, new, where, sent=sent)
        yield from _values(old, new, where, sent=sent)
        yield from _required(old, new, where, sent=sent)
        yield from self._parts(old, new, where, sent=sent, seen=seen)

    def _alternatives(
        self, old: Schema, new: Schema, where: str, *, sent: bool, seen: frozenset[tuple[str, str]]
    ) -> Iterator[str]:
        """Each way there was to send it (or is, to be answered) must be one of the others."""
        before, after = old.get("anyOf", [old]), new.get("anyOf", [new])
        pairs = (
            [[(one, other) for other in after] for one in before]
            if sent
            else [[(other, one) for other in before] for one in after]
        )
        for candidates in pairs:
            tried = [list(self.compare(*pair, where, sent=sent, seen=seen)) for pair in candidates]
            yield from min(tried, key=len)

    def _parts(
        self, old: Schema, new: Schema, where: str, *, sent: bool, seen: frozenset[tuple[str, str]]
    ) -> Iterator[str]:
        properties = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name not in properties:
                yield f"{where}.{name} is gone"
            else:
                yield from self.compare(schema, properties[name], f"{where}.{name}", sent=sent, seen=seen)
        for keyword, sign in (("items", "[]"), ("additionalProperties", ".*")):
            one, other = _as_schema(old.get(keyword)), _as_schema(new.get(keyword))
            if one or other:
                yield from self.compare(one, other, where + sign, sent=sent, seen=seen)


def _resolved(document: Schema, node: Schema) -> Schema:
    if "$ref" not in node:
        return node
    found: Any = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**_resolved(document, found), **_narrowing(node)}


def _narrowing(node: Schema) -> Schema:
    # Beside a reference to a problem stand its codes, which are compared by themselves.
    return {name: value for name, value in node.items() if name not in ("$ref", "properties")}


def _as_schema(value: object) -> Schema:
    if value is False:
        return {"type": []}
    return value if isinstance(value, Mapping) else {}


def _types(old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
    before, after = _type(old), _type(new)
    if not (before <= after if sent else after <= before):
        yield f"{where} was {_list(before)} and is {_list(after)}"


def _type(schema: Schema) -> frozenset[str]:
    types = schema.get("type", sorted(_TYPES))
    names = frozenset({types} if isinstance(types, str) else types)
    return names | {"integer"} if "number" in names else names


def _bounds(old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
    for names, tighter in ((_LEAST, float.__gt__), (_MOST, float.__lt__)):
        for name in names:
            tight, loose = (new.get(name), old.get(name)) if sent else (old.get(name), new.get(name))
            if tight is not None and (loose is None or tighter(float(tight), float(loose))):
                yield f"{where} {name} was {old.get(name)} and is {new.get(name)}"
    for name in _OPAQUE:
        demanded = new if sent else old
        if name in demanded and old.get(name) != new.get(name):
            yield f"{where} {name} was {old.get(name)} and is {new.get(name)}"


def _values(old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
    before, after = _enumeration(old), _enumeration(new)
    if sent and after is not None:
        if before is None:
            yield f"{where} has to be one of {_list(after)} now"
        elif before - after:
            yield f"{where} may not be {_list(before - after)} any more"
    if not sent and before is not None and after is None:
        yield f"{where} was one of {_list(before)} and can be anything now"


def _enumeration(schema: Schema) -> frozenset[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else frozenset(map(str, values))


def _required(old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
    before, after = set(old.get("required", [])), set(new.get("required", []))
    for name in sorted(after - before if sent else before - after):
        if sent:
            yield f"{where}.{name} is required now"
        elif name in new.get("properties", {}):
            yield f"{where}.{name} may be absent now"


def _list(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "nothing"
