"""
Settings for commands: what is wrong is told by the name of the variable.
"""

from collections.abc import Iterator
from typing import TypeVar

import typer
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

USAGE = 2

Chosen = TypeVar("Chosen", bound=BaseSettings)


def load(settings: type[Chosen]) -> Chosen:
    """
    Read the settings of a command.

    Raises:
        Exit: with code 2, after naming each variable that is missing or wrong.
    """
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            for variable, reason in _explained(settings, problem["loc"], problem):
                typer.echo(f"{variable}: {reason}", err=True)
        raise typer.Exit(USAGE) from None


def _explained(
    settings: type[BaseSettings], location: tuple[int | str, ...], problem: ErrorDetails
) -> Iterator[tuple[str, str]]:
    name = (settings.model_config.get("env_prefix") or "") + "__".join(str(part).upper() for part in location)
    if problem["type"] != "missing":
        yield name, problem["msg"].removeprefix("Value error, ")
        return
    section = settings.model_fields[str(location[0])].annotation if len(location) == 1 else None
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        yield name, "is not set"
        return
    for field, description in section.model_fields.items():
        if description.is_required():
            yield f"{name}__{field.upper()}", f"is not set. {description.description or ''}".rstrip()
