"""
Links between the documents of the repository lead somewhere.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for folder in ("docs", "src", "tests") for page in (ROOT / folder).rglob("*.md"))]
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def links(page: Path) -> Iterator[str]:
    """Where a page points to inside the repository; links in code are no links."""
    for token in tokens(page):
        for child in token.children or ():
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if target and not _ELSEWHERE.match(target):
                yield unquote(target)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What GitHub calls the headings of a page."""
    slugs: list[str] = []
    pairs = zip(tokens(page), tokens(page)[1:], strict=False)
    for heading in (after for token, after in pairs if token.type == "heading_open"):
        text = "".join(child.content for child in heading.children or ())
        slugs.append(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    found = [slug if slug not in slugs[:n] else f"{slug}-{slugs[:n].count(slug)}" for n, slug in enumerate(slugs)]
    return frozenset(found)


def is_dead(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if is_dead(page, link)] == []


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("other.md", False),
        ("other.md#a-part-of-it", False),
        ("#here", False),
        ("other.md#part", True),
        ("none.md", True),
        ("#there", True),
        ("https://example.com/none.md", False),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path, link: str, dead: bool) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n| table |\n|---|\n| [link]({link}) |\n\n`[code](none.md)`\n")
    (tmp_path / "other.md").write_text("# Other\n\n## A `part`, of it\n")

    assert any(is_dead(page, found) for found in links(page)) is dead
