"""
What a client written from one OpenAPI document would stumble over if the service answered as another one says.

Operations and answers are here, schemas in `schema_changes.py`. What is added breaks nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.api.schema_changes import Schemas

Tree = Mapping[str, Any]


def breakages(before: Tree, after: Tree) -> list[str]:
    """Each as a sentence that begins with where it is."""
    return list(dict.fromkeys(_Comparison(before, after).findings()))


class _Comparison:
    def __init__(self, before: Tree, after: Tree) -> None:
        self._before = before
        self._after = after
        self._schemas = Schemas(before, after)

    def findings(self) -> Iterator[str]:
        yield from self._schemes()
        for path, methods in self._before["paths"].items():
            for method, old in methods.items():
                where = f"{method.upper()} {path}"
                new = self._after["paths"].get(path, {}).get(method)
                if new is None:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(old, new, where)

    def _schemes(self) -> Iterator[str]:
        old, new = (tree["components"]["securitySchemes"] for tree in (self._before, self._after))
        for name, scheme in old.items():
            if name not in new:
                yield f"security scheme {name} is gone"
            elif _without_text(scheme) != _without_text(new[name]):
                yield f"security scheme {name} is another one"

    def _operation(self, old: Tree, new: Tree, where: str) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{where} was called {old['operationId']} and is called {new['operationId']}"
        yield from _raised(old["security"], new["security"], where)
        yield from self._parameters(old, new, where)
        yield from self._body(old.get("requestBody"), new.get("requestBody"), where)
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{where} {status} is gone"
            else:
                yield from self._answer(answer, new["responses"][status], f"{where} {status}")

    def _parameters(self, old: Tree, new: Tree, where: str) -> Iterator[str]:
        before, after = _by_name(old), _by_name(new)
        for name, parameter in before.items():
            if name not in after:
                yield f"{where} {name} is gone"
            else:
                yield from self._schemas.compare(
                    parameter["schema"], after[name]["schema"], f"{where} {name}", sent=True
                )
        for name, parameter in after.items():
            if parameter.get("required") and not before.get(name, {}).get("required"):
                yield f"{where} {name} is required now"

    def _body(self, old: Tree | None, new: Tree | None, where: str) -> Iterator[str]:
        if new is None:
            if old is not None:
                yield f"{where} takes no body any more"
            return
        if new.get("required") and not (old or {}).get("required"):
            yield f"{where} needs a body now"
        yield from self._contents(old or {}, new, f"{where} body", sent=True)

    def _answer(self, old: Tree, new: Tree, where: str) -> Iterator[str]:
        old, new = self._schemas.before(old), self._schemas.after(new)
        for code in old.get("x-problem-codes", []):
            if code not in new.get("x-problem-codes", []):
                yield f"{where} code {code} is gone"
        for name in old.get("links", {}).keys() - new.get("links", {}).keys():
            yield f"{where} link {name} is gone"
        yield from self._headers(old.get("headers", {}), new.get("headers", {}), where)
        yield from self._contents(old, new, where, sent=False)

    def _headers(self, old: Tree, new: Tree, where: str) -> Iterator[str]:
        for name, reference in old.items():
            if name not in new:
                yield f"{where} header {name} is gone"
                continue
            before, after = self._schemas.before(reference), self._schemas.after(new[name])
            if before.get("required") and not after.get("required"):
                yield f"{where} header {name} may be absent now"
            yield from self._schemas.compare(before["schema"], after["schema"], f"{where} header {name}", sent=False)

    def _contents(self, old: Tree, new: Tree, where: str, *, sent: bool) -> Iterator[str]:
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{where} {media_type} is gone"
            else:
                after = new["content"][media_type]["schema"]
                yield from self._schemas.compare(content["schema"], after, where, sent=sent)


def _raised(old: Sequence[Tree], new: Sequence[Tree], where: str) -> Iterator[str]:
    """Whoever might call it before, may still."""
    for held in old or [{}]:
        if new and not any(_allows(held, asked) for asked in new):
            yield f"{where} is not allowed any more with {_credentials(held)}"


def _allows(held: Tree, asked: Tree) -> bool:
    return all(scheme in held and set(scopes) <= set(held[scheme]) for scheme, scopes in asked.items())


def _credentials(held: Tree) -> str:
    return " and ".join(scope for scheme, scopes in held.items() for scope in scopes or [scheme]) or "no credentials"


def _by_name(operation: Tree) -> dict[str, Tree]:
    return {_name(parameter): parameter for parameter in operation.get("parameters", [])}


def _name(parameter: Tree) -> str:
    name = parameter["name"]
    return f"{parameter['in']} {name.lower() if parameter['in'] == 'header' else name}"


def _without_text(scheme: Tree) -> Tree:
    return {name: value for name, value in scheme.items() if name != "description"}
