"""
`make bench`: this service against the textbook and the lean saga, on the same servers, in one run.

A missed aim is a line in the table, never an exit code: only an error is.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fulfillment.local.errors import StackError
from tests.bench import cpu, report
from tests.bench.load import Stuck
from tests.bench.measure import Size, idle, measure, round_trips
from tests.bench.stand import Stand
from tests.bench.subjects import Subject, standard


async def bench(
    subjects: Sequence[Subject], size: Size, *, rounds: int, rest: float, console: Console
) -> report.Results:
    """
    Measure every subject in every round, one after the other, so that what drifts drifts for all; before that, `rest`
    seconds of nothing.
    """
    async with Stand.up() as stand:
        at_rest = await idle(stand, rest)
        trips = {subject.label: await round_trips(stand, subject, size) for subject in subjects if subject.is_plain}
        measured = []
        for number in range(1, rounds + 1):
            cells = []
            for subject in subjects:
                cells += await measure(stand, subject, size)
                console.print(f"round {number}/{rounds}: {subject.label}: {cells[-1].charged:.0f} CPU-ms per order")
            measured.append({cell.label: cell for cell in cells})
    return report.Results(size=size, rounds=measured, round_trips=trips, idle=at_rest)


async def _run(size: Size, rounds: int) -> report.Results:
    return await bench(standard(), size, rounds=rounds, rest=5, console=Console(stderr=True))


def main() -> int:
    arguments = _parser().parse_args()
    if not cpu.available():
        sys.stderr.write("make bench reads CPU times from /proc: it needs Linux\n")
        return 1
    size = Size(orders=arguments.orders, warm_up=arguments.warm_up, in_flight=arguments.in_flight)
    try:
        results = asyncio.run(_run(size, arguments.rounds))
    except (StackError, Stuck) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report.save(results, arguments.output)
    if arguments.markdown:
        sys.stdout.write(report.markdown(results))
    else:
        report.show(results, Console())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each measures every subject once (default 3)")
    parser.add_argument("--orders", type=int, default=150, help="measured per subject and round (default 150)")
    parser.add_argument("--warm-up", type=int, default=50, help="orders before that (default 50)")
    parser.add_argument("--in-flight", type=int, default=16, help="orders at a time (default 16)")
    parser.add_argument("--output", type=Path, default=Path(".local/bench.json"), help="file of all figures")
    parser.add_argument("--markdown", action="store_true", help="print the tables for docs/performance.md")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
