"""
The OpenAPI document: the one that is checked in, complete, and true.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
from fastapi.routing import iter_route_contexts
from jsonschema_rs import Draft202012Validator

from fulfillment.api.openapi.meanings import MEANINGS
from fulfillment.api.problems import MEDIA_TYPE, PROBLEM_TYPES
from fulfillment.domain.identity import Scope
from tests.api.openapi import HOW, RENEW, application, golden, resolved, validator
from tests.api.openapi_changes import breakages

APP = application()
DOCUMENT = APP.openapi()

NO_OPERATION_ANSWERS = {
    "method_not_allowed",  # operations are the methods that are allowed
    # What becomes of an order in the background is told by its `failure`.
    "cannot_tell",
    "carrier_refused",
    "carrier_unavailable",
    "insufficient_funds",
    "outcome_unknown",
    "payment_declined",
    "payment_unavailable",
    "provider_unavailable",
    "undo_refused",
    "currency_mismatch",  # `invalid_request` finds it first
    "level_needed",  # over HTTP `invalid_request` names the field
}
LONG_LISTS = {"Country", "Currency"}


def operations() -> Iterator[tuple[str, Any]]:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def contents(operation: Any) -> Iterator[tuple[str, str, Any]]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, answer in operation["responses"].items():
        for media_type, content in resolved(DOCUMENT, answer).get("content", {}).items():
            yield status, media_type, content


async def test_the_document_can_be_looked_at(api: httpx2.AsyncClient) -> None:
    page = await api.get("/docs", headers={"Authorization": ""})

    assert page.status_code == 200
    assert "/openapi.json" in page.text


async def test_the_service_answers_with_the_document_that_is_checked_in(api: httpx2.AsyncClient) -> None:
    served = (await api.get("/openapi.json", headers={"Authorization": ""})).json()

    assert served == golden(), RENEW


def test_nothing_that_clients_rely_on_was_removed_or_narrowed() -> None:
    assert not breakages(golden(), DOCUMENT), HOW


def test_the_document_says_nothing_about_the_machine_it_was_made_on() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["servers"] == [{"url": "/", "description": "The service that serves this document."}]
    assert not re.search(r"127\.0\.0\.1|localhost|nowhere|:8000", str(DOCUMENT))


def test_every_route_is_in_the_document() -> None:
    about_itself = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}
    routes = {
        (str(route.path), method.lower())
        for route in iter_route_contexts(APP.routes)
        for method in route.methods or ()
        if route.path not in about_itself
    }

    assert routes == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_every_operation_is_named_explained_and_guarded() -> None:
    names = [name for name, _ in operations()]
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    schemes = DOCUMENT["components"]["securitySchemes"]

    assert len(set(names)) == len(names)
    for name, operation in operations():
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert len(operation["tags"]) == 1, name
        assert tags.issuperset(operation["tags"]), name
        for way in operation["security"]:
            assert way.keys() <= schemes.keys(), name
            assert {scope for scopes in way.values() for scope in scopes} <= set(Scope), name


def test_every_parameter_is_explained_and_has_an_example() -> None:
    for name, operation in operations():
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            examples = [*schema.get("examples", []), *([parameter["example"]] if "example" in parameter else [])]
            where = f"{name} {parameter['name']}"
            assert parameter["description"], where
            assert examples, where
            assert all(validator(DOCUMENT, schema).is_valid(example) for example in examples), where


def test_refusals_are_problems_with_codes_of_their_status() -> None:
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            codes = resolved(DOCUMENT, answer).get("x-problem-codes", [])
            assert bool(codes) == (status >= "400"), (name, status)
            assert {str(PROBLEM_TYPES[code].status) for code in codes} <= {status}, (name, status)
            assert not codes or list(resolved(DOCUMENT, answer)["content"]) == [MEDIA_TYPE], (name, status)


def test_every_code_is_answered_by_an_operation() -> None:
    declared = {
        code
        for _, operation in operations()
        for answer in operation["responses"].values()
        for code in resolved(DOCUMENT, answer).get("x-problem-codes", [])
    }

    assert declared | NO_OPERATION_ANSWERS == PROBLEM_TYPES.keys()
    assert not declared & NO_OPERATION_ANSWERS


def test_a_problem_with_a_code_of_another_operation_does_not_fit() -> None:
    answer = resolved(DOCUMENT, DOCUMENT["paths"]["/v1/orders/{order_id}/payment"]["post"]["responses"]["409"])
    (content,) = answer["content"].values()
    check = validator(DOCUMENT, content["schema"])

    for example in content["examples"].values():
        assert check.is_valid(example["value"])
        assert not check.is_valid({**example["value"], "code": "below_reserved"})


def test_every_body_and_every_answer_has_examples_that_fit() -> None:
    for name, operation in operations():
        for where, media_type, content in contents(operation):
            assert content["examples"], (name, where)
            check = validator(DOCUMENT, content["schema"])
            wrong = {key: str(error) for key, example in content["examples"].items() for error in found(check, example)}
            assert not wrong, (name, where, media_type)


def found(check: Draft202012Validator, example: Any) -> list[Any]:
    return list(check.iter_errors(example["value"]))


def test_every_header_of_an_answer_has_an_example_that_fits() -> None:
    for name, header in DOCUMENT["components"]["headers"].items():
        assert validator(DOCUMENT, header["schema"]).is_valid(header["example"]), name


def test_every_link_leads_to_an_operation_and_its_parameters() -> None:
    parameters = {
        name: {parameter["name"] for parameter in operation.get("parameters", [])} for name, operation in operations()
    }
    for name, link in DOCUMENT["components"]["links"].items():
        assert link["parameters"].keys() <= parameters[link["operationId"]], name


def test_every_value_of_an_enumeration_is_explained() -> None:
    enumerations = {
        name: set(schema["enum"])
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if "enum" in schema and name not in LONG_LISTS
    }

    assert {name: set(values) for name, values in MEANINGS.items()} == enumerations
