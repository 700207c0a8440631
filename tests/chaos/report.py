"""
What became of the scenarios, for people.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from fulfillment.invariants import Check

# All of it stands in the progress above the table.
_LONGEST_FAILURE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a scenario ended.

    Attributes:
        scenario: its name.
        orders: how many are where.
        failure: what was not as it must be, if anything.
        checks: the verdicts on the invariants.
        seconds: from the first request to the last look into the books, without starting and stopping.
    """

    scenario: str
    orders: Counter[str]
    failure: str | None
    checks: Sequence[Check]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Nothing is lost, done twice or uneven."""
        return self.failure is None and bool(self.checks) and not any(check.violations for check in self.checks)


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per scenario."""
    rows = Table(title="Chaos, with real processes", title_justify="left", show_lines=True)
    rows.add_column("scenario")
    rows.add_column("orders", justify="right")
    rows.add_column("outcome", overflow="fold")
    rows.add_column("invariants", overflow="fold")
    rows.add_column("seconds", justify="right")
    for outcome in outcomes:
        rows.add_row(
            outcome.scenario,
            str(outcome.orders.total()),
            _ends(outcome),
            _verdicts(outcome.checks),
            f"{outcome.seconds:.1f}",
        )
    return rows


def _ends(outcome: Outcome) -> Text:
    ends = Text("\n".join(f"{count} {status}" for status, count in sorted(outcome.orders.items())), style="green")
    if outcome.failure:
        ends.append(f"\n{outcome.failure[:_LONGEST_FAILURE]}", style="bold red")
    return ends


def _verdicts(checks: Sequence[Check]) -> Text:
    broken = [f"{check.name}: {check.violations} ({', '.join(check.examples)})" for check in checks if check.violations]
    if not checks:
        return Text("not checked", style="red")
    return Text("\n".join(broken), style="bold red") if broken else Text("I1 to I8 even", style="green")
