"""
docs/openapi.json: what the service says of itself, and what it said when that was last agreed on.

    python -m tests.api.openapi            writes what was added
    python -m tests.api.openapi --break    writes what was removed or narrowed, too

Others have written clients from it: within `/v1` only additions are safe.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator
from temporalio.client import Client

from fulfillment.api.app import create_app
from fulfillment.api.resources import ApiResources
from fulfillment.bootstrap import open_database
from tests.api.openapi_changes import breakages
from tests.fixtures.golden import renew
from tests.fixtures.settings import settings_for

GOLDEN = Path(__file__).parents[2] / "docs" / "openapi.json"

RENEW = "run `python -m tests.api.openapi` and commit the difference"
HOW = (
    "Clients written from the document still rely on it. Add beside what is there instead (an optional field, another "
    "operation, another code). If nobody can rely on it yet, run `python -m tests.api.openapi --break` and say so in "
    "CHANGELOG.md."
)


def application() -> FastAPI:
    """The application of profile local; it is connected to nothing."""
    return asyncio.run(_application())


def current() -> dict[str, Any]:
    """What the code says."""
    return application().openapi()


def golden() -> dict[str, Any]:
    """What was said when it was last agreed on."""
    loaded: dict[str, Any] = json.loads(GOLDEN.read_text())
    return loaded


def resolved(document: Mapping[str, Any], node: Any) -> Any:
    """Part of a document; if it is a reference, what that stands for."""
    if "$ref" not in node:
        return node
    found: Any = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Draft202012Validator:
    """Checks values against one of a document's schemas."""
    whole = {"allOf": [schema], "components": document["components"]}
    return Draft202012Validator(whole, validate_formats=True)


async def _application() -> FastAPI:
    settings = settings_for("postgresql://nobody@nowhere/none")
    async with open_database(settings, application="openapi") as database:
        return create_app(ApiResources.of(settings, database, await Client.connect("nowhere:1", lazy=True)))


if __name__ == "__main__":
    NOW = current()
    sys.exit(renew(GOLDEN, NOW, breakages(golden(), NOW), HOW))
