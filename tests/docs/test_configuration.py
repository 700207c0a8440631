"""
docs/configuration.md says what the settings say, and no text of the repository names a variable that does not exist.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.docs.configuration import PAGE, READ_BY, RENEW, current
from tests.docs.settings_fields import Variable, all_sections, sections

ROOT = Path(__file__).parents[2]
NAMES = {variable.name for section in all_sections() for variable in section.variables}
SECTIONS = {section.prefix for section in all_sections()}
OF_THE_COMMANDS = {"FULFILLMENT_API_URL", "FULFILLMENT_API_KEY"}
# `FULFILLMENT_JWT__…` stands for all that begin so.
NAMED = re.compile(r"FULFILLMENT_[A-Z0-9_]*")
# What shows a mistake, and says so.
MISSPELT = {"FULFILLMENT_API__PROT", "FULFILLMENT_LIMIT__RATE"}


def texts() -> Iterator[Path]:
    """What an operator reads or starts from."""
    yield from ROOT.glob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    for pattern in ("Dockerfile*", "docker-compose*", ".env.example", "Makefile", "temporal.toml"):
        yield from ROOT.glob(pattern)
    for folder in ("deploy", "helm"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())


def known(name: str) -> bool:
    if f"{name}__" in SECTIONS:
        return True
    return name in NAMES | OF_THE_COMMANDS or (name.endswith("_") and any(one.startswith(name) for one in NAMES))


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text() == current(), RENEW


def test_every_setting_and_every_section_is_described() -> None:
    undescribed = [
        *(variable.name for section in all_sections() for variable in section.variables if not variable.meaning),
        *(section.prefix for section in all_sections() if not section.meaning),
    ]

    assert undescribed == [], "Field(description=...); the docstring of a section"


def test_no_text_names_a_variable_nobody_reads() -> None:
    found = {(path.name, name) for path in texts() for name in NAMED.findall(path.read_text(errors="replace"))}

    assert {path for path, _ in found} >= {".env.example", "configuration.md", "identity.md"}
    assert [(path, name) for path, name in sorted(found) if not known(name) and name not in MISSPELT] == []


def test_who_reads_a_section_is_said_of_sections_that_exist() -> None:
    assert READ_BY.keys() <= {section.prefix for section in all_sections()}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """Further in."""

    size: Annotated[int, Field(ge=1, le=9)] = Field(description="How large.")


class Part(BaseModel):
    """A part."""

    colour: Colour = Colour.RED
    rate: Annotated[float, Field(gt=0)] | None = None
    secret: SecretStr = Field(default_factory=lambda: SecretStr("never shown"), description="Hidden.")
    pause: timedelta = Field(default=timedelta(minutes=2), gt=timedelta(0), lt=timedelta(hours=1))
    inner: Inner | None = None


class Other(BaseModel):
    """Chosen instead of the part."""

    kind: Literal["other"] = "other"


class Example(BaseSettings):
    """The whole."""

    model_config = SettingsConfigDict(env_prefix="X_", env_nested_delimiter="__")

    name: Annotated[str, Field(max_length=9)]
    part: Part = Part(colour=Colour.BLUE)
    choice: Annotated[Part | Other, Field(union_mode="left_to_right")] | None = None


def test_sections_within_sections_choices_and_computed_defaults_are_read() -> None:
    own, part, inner, *choice = sections(Example)

    assert own.variables == (Variable("X_NAME", "text, at most 9 characters", None, ""),)
    assert (part.prefix, part.optional) == ("X_PART__", False)
    assert [(variable.takes, variable.default) for variable in part.variables] == [
        ("`red` or `blue`", "`blue`"),
        ("number, more than 0", "not set"),
        ("text, secret", "set"),
        ("duration, more than 0, below 1 h", "2 min"),
    ]
    assert (inner.prefix, inner.optional) == ("X_PART__INNER__", True)
    assert inner.variables == (Variable("X_PART__INNER__SIZE", "whole number, 1 to 9", None, "How large."),)
    assert [(section.prefix, section.meaning, section.optional) for section in choice] == [
        ("X_CHOICE__", "A part.", True),
        ("X_CHOICE__INNER__", "Further in.", True),
        ("X_CHOICE__", "Chosen instead of the part.", True),
    ]
