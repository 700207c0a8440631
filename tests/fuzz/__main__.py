"""
`make fuzz`: random requests against the whole service, judged by its own OpenAPI document.

Exit code 1: an answer is undocumented or a 5xx, a request that is wrong was accepted or one that is right refused,
the books are not even, a process died or logged an error.
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
from tests.fuzz.report import show
from tests.fuzz.run import TOOL, NoVerdict, Results, Size, fuzz
from tests.fuzz.stand import Stand


def main() -> int:
    arguments = _parser().parse_args()
    if not TOOL.exists():
        sys.stderr.write("schemathesis is not installed: make fuzz brings it (uv run --group test --group fuzz …)\n")
        return 2
    seed = random.SystemRandom().randrange(10_000) if arguments.seed is None else arguments.seed
    size = Size(seconds=arguments.seconds, examples=arguments.examples)
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    again = f"python -m tests.fuzz --seed {seed} {_named(size)}"
    console.print(f"seed {seed} (again: {again})")
    state = Path(tempfile.mkdtemp(prefix="fulfillment-fuzz-"))
    try:
        results = asyncio.run(_fuzz(state, size, seed))
    except StackError as error:
        sys.stderr.write(f"{error}\nlogs of all processes: {state / 'logs'}\n")
        return 1
    except NoVerdict as error:
        sys.stderr.write(f"{error}\nschemathesis could not do its work\n")
        return 1
    show(results, console, state, again)
    if results.wrong:
        return 1
    shutil.rmtree(state, ignore_errors=True)
    return 0


async def _fuzz(state: Path, size: Size, seed: int) -> Results:
    async with Stand.up(state) as stand:
        return await fuzz(stand, size, seed)


def _named(size: Size) -> str:
    return f"--examples {size.examples}" if size.seconds is None else f"--seconds {size.seconds}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--seconds", type=int, help="go on for so long")
    how_long.add_argument("--examples", type=int, default=50, help="requests per operation and phase (default 50)")
    parser.add_argument("--seed", type=int, help="of everything that is random (default: another one each time)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
