"""
What a run says to whoever reads it.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.run import Answers, Results

_FAILURES = "= FAILURES ="
_MOST_LINES = 40


def show(results: Results, console: Console, state: Path, again: str) -> None:
    """Operations and their answers, what is wrong, and how to see it again."""
    console.print(_table(results.answers))
    if not results.wrong:
        console.print(f"no 5xx, nothing undocumented, the books are even, no process died. Again: {again}")
        return
    console.print(_failures(results.output), soft_wrap=True)
    console.print(f"{len(results.wrong)} things are wrong:")
    for line in results.wrong[:_MOST_LINES]:
        console.print(f"  ✘ {line[:1000]}", soft_wrap=True)
    console.print(f"all of it again: {again}")
    console.print(f"one request: run `fulfillment dev --state {state} --free-ports`, then with its endpoints.json")
    console.print(f"  cd {state}; API=$(jq -r .api endpoints.json)")
    console.print('  AUTH="Authorization: Bearer $(cat fuzzer.key)"')
    console.print("and the curl line of the failure; logs of this run are in the folder, too")


def _table(answers: Sequence[Answers]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("operation", "requests", "slowest", "answers"):
        table.add_column(heading, justify="left" if heading in ("operation", "answers") else "right")
    for operation, rows in groupby(sorted(answers, key=_order), key=lambda row: row.operation):
        found = list(rows)
        statuses = ", ".join(f"{row.status}: {row.count}" for row in found)
        table.add_row(operation, str(sum(row.count for row in found)), f"{found[0].slowest * 1000:.0f} ms", statuses)
    table.add_row("all", str(sum(row.count for row in answers)))
    return table


def _order(row: Answers) -> tuple[str, str, int]:
    method, _, path = row.operation.partition(" ")
    return path, method, row.status


def _failures(output: str) -> str:
    """The part of the tool's output that names them; all of it where there is none, for instance when it crashed."""
    position = output.find(_FAILURES)
    return output[output.rfind("\n", 0, position) :] if position >= 0 else output
