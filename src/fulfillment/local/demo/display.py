"""
How far it is, while it runs: a table that changes on a terminal, a line a second at most elsewhere.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fulfillment.domain.orders import OrderStatus
from fulfillment.local.demo.progress import Board
from fulfillment.local.demo.report import STYLES, status
from fulfillment.local.demo.runner import Show

_LINE_EVERY = 1.0
_PIPED_WIDTH = 140
_ORDER = ("waiting", "placing", "refused", *OrderStatus)


def console(*, to_errors: bool = False) -> Console:
    """Where people read along; texts are never markup, and what is piped has room."""
    made = Console(markup=False, emoji=False, highlight=False, stderr=to_errors)
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
    return made


@contextmanager
def following(out: Console) -> Iterator[Show]:
    """Something to be called after every look at the orders."""
    if not out.is_terminal:
        yield _Lines(out)
        return
    with Live(console=out, auto_refresh=False, transient=True) as live:
        yield lambda board: live.update(_table(board), refresh=True)


class _Lines:
    """One line when something has changed, but not too often."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._said = ""
        self._next = 0.0

    def __call__(self, board: Board) -> None:
        line = " · ".join(f"{state} {count}" for state, count in _counts(board))
        if line == self._said or (time.monotonic() < self._next and not board.is_over):
            return
        self._said, self._next = line, time.monotonic() + _LINE_EVERY
        self._out.print(f"{_elapsed(board):6.1f} s  {line}")


def _counts(board: Board) -> list[tuple[str, int]]:
    return [(state, board.by_state[state]) for state in _ORDER if board.by_state[state]]


def _elapsed(board: Board) -> float:
    return time.monotonic() - board.began_at


def _table(board: Board) -> Group:
    table = Table(show_header=False, box=None)
    for state, count in _counts(board):
        bar = ProgressBar(total=len(board.all), completed=count, width=40, complete_style=STYLES.get(state, "white"))
        table.add_row(status(state), str(count), bar)
    money = ", ".join(map(str, board.captured)) or "nothing yet"
    return Group(Text(f"{_elapsed(board):.0f} s"), table, Text(f"captured: {money}"))
