"""
`fulfillment orders place`: files of orders, and how their placing looks on a terminal.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fulfillment.cli.bulk import Placing
from fulfillment.cli.http import KEY_VARIABLE, ApiUrl, AsJson, Json, console, fail, money, print_json, service
from fulfillment.cli.order_views import coloured
from fulfillment.cli.tally import Outcome, RefusedFile, Tally, Told
from fulfillment.local.order_lines import lines

_MOST_ROWS = 50
_ROLE = "shop"

RefusedPath = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Write the lines that are not placed to this file, with the reason beside each."),
]


def place(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="JSON Lines, an order each; `-` reads standard input.")],
    refused: RefusedPath = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="How many orders are sent side by side.")] = 8,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Place the orders of a file of any size. Doing it again places nothing twice.

    An order with a reference is known by customer and reference, one without by all that its line says: two lines that
    are the same are one order. A line that is refused stops no other. Mend the file of --refused and place it again.

    Ctrl-C ends it once what is under way is answered, and tells what was done. Exit code: 0 all are placed, 1 some are
    not or it was stopped, 2 wrong usage.
    """
    with _refused_file(refused, file) as refusals, service(api, _ROLE) as client:
        with _progress(file) as show:
            placing = Placing(client, at_once, refusals, show)
            placing.run(lines(file))
        _print(placing, getattr(file, "name", "<stdin>"), refused, as_json=as_json)
        if isinstance(placing.error, OSError):
            fail(f"{refused} cannot be written: {placing.error.strerror}")
        if placing.error:
            raise placing.error
    if placing.tally.not_placed or placing.is_interrupted:
        raise typer.Exit(1)


@contextmanager
def _refused_file(path: Path | None, file: BinaryIO) -> Iterator[RefusedFile | None]:
    if path is None:
        yield None
        return
    read = _stat(file)
    if read and path.exists() and os.path.samestat(read, path.stat()):
        raise typer.BadParameter("is the file of the orders; name another", param_hint="--refused")
    try:
        written = RefusedFile(path)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--refused") from None
    with written:
        yield written


def _stat(file: BinaryIO) -> os.stat_result | None:
    try:
        return os.fstat(file.fileno())
    except (OSError, ValueError):
        return None


@contextmanager
def _progress(file: BinaryIO) -> Iterator[Callable[[Tally], None]]:
    """A bar where somebody looks, beside what is written to standard output; nothing elsewhere."""
    out = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if not out.is_terminal:
        yield lambda _: None
        return
    found = _stat(file)
    size = found.st_size if found and S_ISREG(found.st_mode) else None
    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=size)
        yield lambda tally: progress.update(task, completed=tally.read, description=_so_far(tally))


def _so_far(tally: Tally) -> str:
    counts = [f"{tally.counts[outcome]:,} {outcome}" for outcome in Outcome if tally.counts[outcome]]
    return " · ".join([*counts, _rate(tally)])


def _rate(tally: Tally) -> str:
    return f"{tally.counts.total() / max(tally.seconds, 0.001):,.0f}/s"


def _print(placing: Placing, name: str, refused: Path | None, *, as_json: bool) -> None:
    tally = placing.tally
    if placing.error and not tally.counts:
        return
    if tally.extra:
        typer.echo(f"Not part of an order, kept as metadata: {', '.join(sorted(tally.extra))}", err=True)
    if as_json:
        print_json(_document(placing, name, refused))
    else:
        _print_tally(placing, refused)
    if "forbidden" in tally.codes:
        typer.echo(f"Set {KEY_VARIABLE} to a key with the missing scope, and send the file again.", err=True)


def _document(placing: Placing, name: str, refused: Path | None) -> Json:
    tally = placing.tally
    return {
        "file": name,
        "refused_file": str(refused) if refused else None,
        "is_complete": not (placing.is_interrupted or placing.error),
        "counts": {outcome.replace(" ", "_"): tally.counts[outcome] for outcome in Outcome},
        "seconds": round(tally.seconds, 3),
        "items": None if tally.items is None else [told.as_json() for told in tally.items],
    }


def _print_tally(placing: Placing, refused: Path | None) -> None:
    tally, out = placing.tally, console()
    total = tally.counts.total()
    if not total:
        out.print("no orders")
    else:
        _print_rows(out, tally)
        summary = Table("outcome", "lines")
        summary.columns[1].justify = "right"
        for outcome in Outcome:
            if tally.counts[outcome]:
                summary.add_row(coloured(outcome), f"{tally.counts[outcome]:,}")
        out.print(summary, f"{total:,} lines in {tally.seconds:.1f} s, {_rate(tally)}")
    if tally.not_placed and refused and not isinstance(placing.error, OSError):
        out.print(f"Mend {refused} and place it: it has the {tally.not_placed:,} that are not placed.")
    if placing.is_interrupted or placing.error:
        out.print("Stopped before the end of the file. Place it again: nothing is placed twice.")


def _print_rows(out: Console, tally: Tally) -> None:
    """Every line of a small file, the first refusals of a large one."""
    items = tally.items
    rows = items if items is not None and len(items) <= _MOST_ROWS else tally.refusals
    if not rows:
        return
    table = Table("line", "reference", "outcome", "order", "total")
    for told in rows:
        reference = "" if told.reference is None else str(told.reference)
        table.add_row(str(told.line), reference, coloured(told.outcome), *_order_and_total(told))
    out.print(table)
    if tally.not_placed > len(rows):
        out.print(f"and {tally.not_placed - len(rows):,} more that are not placed; --refused writes all to a file")


def _order_and_total(told: Told) -> tuple[str, str]:
    if told.outcome.is_good:
        return told.answer["id"], money(told.answer["total"])
    return f"{told.answer['code']}: {told.answer.get('detail', '')}", ""
