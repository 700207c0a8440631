"""
The table of paths in the documentation and the tests are one to one.
"""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tests.workflows

TABLE = Path(__file__).parents[2] / "docs" / "order-lifecycle.md"
ID = re.compile(r"[A-Z]\d\d")


def rows() -> list[str]:
    """The ids of the table, row by row."""
    return re.findall(rf"^\| ({ID.pattern}) \|", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def cases() -> Iterator[str]:
    """The ids of the tests beside this one."""
    for module in pkgutil.iter_modules(tests.workflows.__path__):
        for test in vars(importlib.import_module(f"tests.workflows.{module.name}")).values():
            marks = getattr(test, "pytestmark", ()) if callable(test) else ()
            parameters = (case for mark in marks if mark.name == "parametrize" for case in mark.args[1])
            ids = (str(getattr(case, "id", "")) for case in parameters)
            yield from filter(ID.fullmatch, ids)


def test_every_path_has_one_row_and_one_test() -> None:
    assert Counter(rows()) == Counter(cases())
    assert max(Counter(rows()).values()) == 1


def test_the_rows_of_a_family_are_counted_without_a_gap() -> None:
    families = Counter(row[0] for row in rows())

    assert rows() == [f"{family}{n:02}" for family, count in families.items() for n in range(1, count + 1)]
