"""
The matrix for people: what holds, what does not, what makes no sense.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fulfillment.invariants import Check
from tests.faults.matrix import MEANING, Fault, Step, not_applicable
from tests.faults.play import Outcome, Results


def show(results: Results, console: Console, logs: Path) -> None:
    """The table, what is wrong, the invariants, the counts; the logs are worth a look only when something is wrong."""
    console.print(_matrix(results.outcomes))
    for reason, names in _reasons().items():
        console.print(Text(f"-  {reason}: {', '.join(names)}", style="dim"))
    console.print(_invariants(results.checks, {outcome.order_id: outcome.cell.name for outcome in results.outcomes}))
    wrong = [outcome for outcome in results.outcomes if outcome.wrong]
    for outcome in wrong:
        console.print(Text(f"✘  {outcome.cell.name} (order {outcome.order_id}): {outcome.wrong}", style="red"))
    if not results.is_good:
        console.print(f"logs of all processes: {logs}")
    out = sum(1 for step in Step for fault in Fault if not_applicable(step, fault))
    console.print(
        f"{len(results.outcomes)} cells run, {len(wrong)} wrong; {out} of {len(Step) * len(Fault)} make no sense;"
        f" {results.seconds:.0f} s"
    )


def _matrix(outcomes: Sequence[Outcome]) -> Table:
    by_cell = {(outcome.cell.step, outcome.cell.fault): outcome for outcome in outcomes}
    table = Table(title="Faults and steps: ✔ and the seconds to the order's end", title_justify="left")
    table.add_column("")
    for step in Step:
        table.add_column(step.value, justify="right")
    for fault in Fault:
        if any((step, fault) in by_cell for step in Step):
            table.add_row(MEANING[fault], *(_cell(step, fault, by_cell.get((step, fault))) for step in Step))
    return table


def _cell(step: Step, fault: Fault, outcome: Outcome | None) -> Text:
    if not_applicable(step, fault):
        return Text("-", style="dim")
    if outcome is None:
        return Text("")
    mark, style = ("✘", "bold red") if outcome.wrong else ("✔", "green")
    return Text(f"{mark} {outcome.seconds:.0f}", style=style)


def _reasons() -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in Fault:
        for step in Step:
            if reason := not_applicable(step, fault):
                reasons[reason].append(f"{step}/{fault}")
    return reasons


def _invariants(checks: Sequence[Check], names: Mapping[str, str]) -> Table:
    """Orders are told with the cell they belong to; an article has the name of its cell."""
    table = Table(title="Invariants, against database, Temporal and the provider's ledger", title_justify="left")
    for column in ("", "claim", "violations", "for instance"):
        table.add_column(column)
    for check in checks:
        style = "red" if check.violations else "green"
        examples = "\n".join(f"{names.get(example, '')} {example}".strip() for example in check.examples)
        table.add_row(check.name, check.claim, Text(str(check.violations), style=style), examples)
    return table
