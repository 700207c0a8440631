"""
The commands a document shows, and what it says they print.

In a document: every fenced `sh` block is run, in order, in one bash, unless the line before it is a comment
`<!-- not run: why -->`. A `text` or `json` block that comes next is what was printed: each of its lines is a line of
the output, in this order; `…` stands for anything, and how much space is between words does not matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ANYTHING = "…"
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*")
# A refusal of the service, and one of the sandbox.
_REFUSAL = re.compile(r'/problems/(\w+)|^\{"code": ?"(\w+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """
    Commands to be run; `line` is where they stand in the document, `promised` what they print.
    """

    line: int
    commands: str
    promised: tuple[str, ...] = ()


def blocks_of(document: Path) -> list[Block]:
    """
    The blocks that are run.
    """
    return list(_blocks(document.read_text()))


def _blocks(text: str) -> Iterator[Block]:
    waiting: Block | None = None
    before = ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence":
            if waiting is not None:
                promised = token.content.splitlines() if token.info in ("text", "json") else ()
                yield Block(waiting.line, waiting.commands, tuple(line for line in promised if line.strip()))
            waiting = None
            if token.info == "sh" and not _NOT_RUN.fullmatch(before):
                waiting = Block(token.map[0] + 2 if token.map else 0, token.content)
        before = token.content if token.type == "html_block" else ""
    if waiting is not None:
        yield waiting


def broken_promises(block: Block, output: str) -> list[str]:
    """
    What the document says and the output does not, and refusals nobody announced.
    """
    lines = iter([_plain(line) for line in output.splitlines()])
    missing = next((line for line in block.promised if not _found(line, lines)), None)
    told = "\n".join(block.promised)
    refused = [own or sandbox for own, sandbox in _REFUSAL.findall(output)]
    return [
        *([f"not in the output, or not in this order: {missing}"] if missing else []),
        *(f"refused, and the document does not say so: {code}" for code in refused if code not in told),
    ]


def _found(promised: str, lines: Iterator[str]) -> bool:
    """Go on in the output until the promised line has come."""
    pattern = re.compile(".*".join(re.escape(part) for part in _plain(promised).split(ANYTHING)))
    return any(pattern.fullmatch(line) for line in lines)


def _plain(line: str) -> str:
    return " ".join(line.split())
