"""
`make faults`: every step and every undo, with everything that may happen to it, against one real stack.

Exit code 1: an order did not end as it must, or an invariant is broken.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from fulfillment.local.errors import StackError
from tests.faults.matrix import cells
from tests.faults.play import Outcome, play
from tests.faults.report import show


def main() -> int:
    arguments = _parser().parse_args()
    seed = random.SystemRandom().randrange(10_000) if arguments.seed is None else arguments.seed
    chosen = cells(seed, arguments.only)
    if not chosen:
        sys.stderr.write(f"no cell matches {arguments.only!r}; cells are called step/fault, for instance void/lost\n")
        return 2
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(f"{len(chosen)} cells, seed {seed} (again with --seed {seed})")
    state = Path(tempfile.mkdtemp(prefix="fulfillment-faults-"))
    try:
        results = asyncio.run(play(chosen, state, lambda outcome: _tell(console, outcome)))
    except StackError as error:
        sys.stderr.write(f"{error}\nlogs of all processes: {state / 'logs'}\n")
        return 1
    show(results, console, state / "logs")
    if results.is_good:
        shutil.rmtree(state, ignore_errors=True)
    return 0 if results.is_good else 1


def _tell(console: Console, outcome: Outcome) -> None:
    mark = "✘" if outcome.wrong else "✔"
    console.print(f"{mark} {outcome.cell.name:<36} {outcome.seconds:5.1f} s  {outcome.wrong}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the order and the delays (default: another one each time)")
    parser.add_argument("--only", default="*", metavar="STEP/FAULT", help="some cells: void/lost, void/*, */late")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
