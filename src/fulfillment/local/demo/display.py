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
from fulfillment.local.demo.report import STYLES, money, status
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
        yield lambda board: live.update(_screen(board), refresh=True)


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
        self._out.print(f"{_elapsed(board):6.1f} s  {line}", soft_wrap=True)


def _counts(board: Board) -> list[tuple[str, int]]:
    return [(state, board.by_state[state]) for state in _ORDER if board.by_state[state]]


def _elapsed(board: Board) -> float:
    return time.monotonic() - board.began_at


def _screen(board: Board) -> Group:
    # What a small window cuts off is at the bottom.
    return Group(Text(_headline(board), style="bold"), _awaited(board), "", _states(board), "", money(board))


def _headline(board: Board) -> str:
    done, elapsed = sum(progress.is_over for progress in board.all), _elapsed(board)
    headline = f"{elapsed:.0f} s · {done} of {len(board.all)} orders are done"
    return f"{headline} · {done / elapsed:.1f} orders/s" if elapsed >= 1 else headline


def _states(board: Board) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for state, count in _counts(board):
        bar = ProgressBar(total=len(board.all), completed=count, width=50, complete_style=STYLES.get(state, "white"))
        table.add_row(status(state), str(count), bar)
    return table


def _awaited(board: Board) -> str:
    """Who or what is waited for."""
    awaited = " · ".join(f"{who} {count}" for who, count in board.waiting_for.most_common())
    return f"waiting for: {awaited}" if awaited else "nothing is waited for"
