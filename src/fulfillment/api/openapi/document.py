"""
The OpenAPI document: what the framework knows of the routes, completed so that a stranger can write a client from it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fulfillment.api.openapi import examples, headers, links, meanings, prose, refusals
from fulfillment.api.schemas.carriers import CarrierEventBody
from fulfillment.api.schemas.common import Page
from fulfillment.api.schemas.payments import PaymentEventBody

_REFERENCE = "#/components/schemas/{model}"
_OWN_ERROR_MODELS = ("HTTPValidationError", "ValidationError")
_READ_BY_THE_ROUTE = (CarrierEventBody, PaymentEventBody)
_JSON = "application/json"
_SIDE = re.compile(r"(Out|View)(?=_?$)")
_PAGE = re.compile(r"^Page_(\w+)_$")

Tree = dict[str, Any]


def document(app: FastAPI) -> Tree:
    """The document of an application; made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _named_for_readers(_completed(_as_the_framework_sees_it(app)))
    return app.openapi_schema


def _as_the_framework_sees_it(app: FastAPI) -> Tree:
    return get_openapi(
        title=app.title,
        version=app.version,
        description=prose.DESCRIPTION,
        routes=app.routes,
        tags=prose.tags(),
        servers=[{"url": "/", "description": "The service that serves this document."}],
        license_info={"name": "MIT", "identifier": "MIT"},
    )


def _completed(found: Tree) -> Tree:
    components = found["components"]
    components["schemas"] = dict(sorted(_schemas(components["schemas"]).items()))
    components["responses"] = {}
    for operation in _operations(found):
        _complete_parameters(operation)
        _complete_body(operation)
        components["responses"] |= _complete_answers(operation)
    components["responses"] = dict(sorted(components["responses"].items()))
    components["headers"] = dict(headers.HEADERS)
    components["links"] = dict(links.LINKS)
    components["securitySchemes"] = dict(prose.SECURITY_SCHEMES)
    return {**found, "paths": _plain(found["paths"]), "components": _plain(components)}


def _operations(found: Tree) -> Iterator[Tree]:
    for path in found["paths"].values():
        yield from path.values()


def _schemas(found: Tree) -> Tree:
    schemas = {name: schema for name, schema in found.items() if name not in _OWN_ERROR_MODELS}
    for model in _READ_BY_THE_ROUTE:
        schema = model.model_json_schema(ref_template=_REFERENCE)
        schemas |= {**schema.pop("$defs"), model.__name__: schema}
    for name in filter(_PAGE.match, schemas):
        schemas[name]["description"] = Page.__doc__
    for name in meanings.MEANINGS.keys() & schemas.keys():
        schemas[name]["description"] = meanings.described(name)
    return schemas


def _complete_parameters(operation: Tree) -> None:
    needs_key = any(
        "idempotency_key_missing" in refusals.codes_of(answer) for answer in operation["responses"].values()
    )
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"] = _never_null(parameter["schema"])
        schema.pop("description", None)
        # The framework would refuse a missing header before the route can say which code that is.
        if parameter["name"] == "Idempotency-Key":
            parameter["required"] = needs_key


def _never_null(schema: Tree) -> Tree:
    """A parameter that is not given is absent; it has no way to be null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name != "anyOf"}}


def _complete_body(operation: Tree) -> None:
    if "requestBody" in operation:
        given = examples.REQUESTS.get(operation["operationId"], {})
        operation["requestBody"]["content"][_JSON]["examples"] = examples.shown(given)


def _complete_answers(operation: Tree) -> Tree:
    """Complete the answers of an operation; the refusals become components, which are returned."""
    operation_id, answers, components = operation["operationId"], operation["responses"], {}
    for status, answer in answers.items():
        codes = refusals.codes_of(answer)
        if codes:
            name = refusals.component_name(codes)
            components[name] = {**refusals.component(codes), "headers": headers.of_refusal(int(status))}
            answers[status] = {"$ref": f"#/components/responses/{name}"}
            continue
        answer["headers"] = {**headers.of_success(operation, status), **answer.get("headers", {})}
        for content in answer.get("content", {}).values():
            content["examples"] = examples.shown(examples.ANSWERS.get((operation_id, status), {}))
        if found := links.links_of(operation_id, status):
            answer["links"] = found
    operation["responses"] = dict(sorted(answers.items()))
    return components


def _plain(value: Any, inside: str = "") -> Any:  # noqa: ANN401 - any part of a document
    """Without the titles that repeat names, and with whole numbers as such."""
    match value:
        case Mapping() if inside in ("example", "examples"):
            return value
        case Mapping():
            return {name: _plain(part, name) for name, part in value.items() if not _repeats(name, part)}
        case list():
            return [_plain(part) for part in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _repeats(name: str, part: object) -> bool:
    # A property of this name is a schema, not a text.
    return name == "title" and isinstance(part, str)


def _named_for_readers(found: Tree) -> Tree:
    """Schemas called as the things are: our classes say on which side of a conversation they stand."""
    schemas: Tree = found["components"]["schemas"]
    names = {name: _PAGE.sub(r"\1Page", _SIDE.sub("", name)) for name in schemas}
    found["components"]["schemas"] = dict(sorted((names[name], schema) for name, schema in schemas.items()))
    renamed: Tree = _renamed(
        found, {_REFERENCE.format(model=old): _REFERENCE.format(model=new) for old, new in names.items()}
    )
    return renamed


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a document
    match value:
        case Mapping():
            return {name: _renamed(part, names) for name, part in value.items()}
        case list():
            return [_renamed(part, names) for part in value]
        case str():
            return names.get(value, value)
    return value
