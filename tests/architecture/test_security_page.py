"""
What `docs/security.md` names as proof is there.
"""

import ast
import re
from pathlib import Path

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/.]+?)(?:::(test_\w+))?`", PAGE)


def names_in(path: Path) -> set[str]:
    """The names of the tests of a file."""
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DEFINITIONS)}


def test_every_test_the_security_page_names_exists() -> None:
    missing = [
        f"{path}::{name}" if name else path
        for path, name in NAMED
        if not (ROOT / path).exists() or (name and name not in names_in(ROOT / path))
    ]

    assert len(NAMED) > 20
    assert missing == []


def test_each_of_the_ten_risks_names_a_proof() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]

    assert [section.split()[0] for section in sections] == [f"API{n}" for n in range(1, 11)]
    assert [section.split()[0] for section in sections if "`tests/" not in section] == []
