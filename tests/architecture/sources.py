"""
The source tree, read but not run.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "fulfillment"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*folders: Path) -> Iterator[Path]:
    """Every module below the folders, in a stable order."""
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a module, nested ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
