"""
What docs/patterns.md names is there.
"""

import re
from collections.abc import Iterator

from tests.docs.generated import DOCS

ROOT = DOCS.parent
FOLDERS = (ROOT, ROOT / "src" / "fulfillment")
PAGE = (DOCS / "patterns.md").read_text()
# Code spans that are a file or folder: `db/holds.py`, `tests/faults`, `contracts`; after `::` a name in the file.
SPAN = re.compile(r"`((?:[\w.-]+/)*[\w.-]+?)(?:::(\w+))?`")


def places() -> Iterator[tuple[str, str]]:
    for path, name in SPAN.findall(PAGE):
        if "/" in path or path.endswith((".py", ".toml")) or name:
            yield path, name


def defined(path: str, name: str) -> bool:
    files = [folder / path for folder in FOLDERS if (folder / path).exists()]
    return any(
        not name or re.search(rf"(def|class) {name}\b|^{name}\b", file.read_text(), re.MULTILINE) for file in files
    )


def test_every_place_the_page_names_exists() -> None:
    assert len(list(places())) > 100
    assert [f"{path}::{name}" for path, name in places() if not defined(path, name)] == []


def test_every_pattern_has_a_place_or_a_reason() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (\d|all)", line)]
    answered = re.compile(r"`|\]\(|\*\*not yet\*\*|no place|none needed|made superfluous")

    assert len(rows) > 100
    assert [row for row in rows if not answered.search(row.rsplit(" | ", 1)[1])] == []
