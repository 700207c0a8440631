"""
docs/api.md has a section for every operation of the OpenAPI document, each with a command.
"""

import re

from tests.api.openapi import golden
from tests.docs.generated import DOCS

_, *SECTIONS = re.split(r"^### ", (DOCS / "api.md").read_text(), flags=re.MULTILINE)
HEADING = re.compile(r"`([A-Z]+ /\S+)`\n")


def test_every_operation_has_one_section_and_no_other_has_any() -> None:
    operations = [f"{method.upper()} {path}" for path, methods in golden()["paths"].items() for method in methods]
    headings = [found[1] for section in SECTIONS if (found := HEADING.match(section))]

    assert sorted(headings) == sorted(operations)


def test_every_section_has_a_command() -> None:
    assert [section.splitlines()[0] for section in SECTIONS if "\n```sh\n" not in section] == []
