"""
Pages of `docs` with a part that is made from the code; what stands before and after it is written by hand.
"""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

_BEGIN = "<!-- generated: begin (`python -m {module}`) -->\n"
_END = "<!-- generated: end -->\n"


def renewed(page: Path, part: str, *, module: str) -> str:
    """
    The text of a page with its generated part made anew.

    Raises:
        ValueError: the page does not have the two lines the part stands between.
    """
    before, begin, rest = page.read_text().partition(_BEGIN.format(module=module))
    _, end, after = rest.partition(_END)
    if not (begin and end):
        msg = f"{page} needs the lines {_BEGIN.format(module=module)!r} and {_END!r}"
        raise ValueError(msg)
    return f"{before}{begin}\n{part.strip()}\n\n{end}{after}"


def how(module: str) -> str:
    """What to do when a page is not what the code says."""
    return f"run `python -m {module}` and commit the difference"


def cell(text: str) -> str:
    """A text as the cell of a table: one line, and no end of the cell inside."""
    return " ".join(text.split()).replace("|", "\\|")
