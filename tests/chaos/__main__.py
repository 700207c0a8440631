"""
`make chaos`: processes are killed in the middle of orders, and everything must add up all the same.

Each scenario has a service of its own: API, workers, sandbox, Temporal on its file, PostgreSQL. Whatever is lost, done
twice or uneven makes the exit code 1.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from rich.console import Console

from fulfillment.local.demo.troubles import troubles
from fulfillment.local.errors import StackError
from tests.chaos.catalogue import SCENARIOS
from tests.chaos.report import Outcome, table
from tests.chaos.scenario import Scenario
from tests.chaos.shop import tally
from tests.chaos.stand import Stand


async def chaos(scenario: Scenario, seed: int, console: Console) -> Outcome:
    """
    Play one scenario on a stand of its own.

    Raises:
        StackError: the stand does not start.
    """
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"  {time.monotonic() - began:6.1f} s  {line}", highlight=False)

    console.print(f"[bold]{scenario.name}[/bold] ({scenario.size.orders} orders, seed {seed})")
    with tempfile.TemporaryDirectory(prefix="fulfillment-chaos-", ignore_cleanup_errors=True) as folder:
        async with Stand.up(Path(folder), say) as stand:
            say("everything is up")
            outcome = await _play(stand, scenario, seed)
        if not outcome.is_good:
            for line in troubles(Path(folder)):
                say(line)
    say("good" if outcome.is_good else f"NOT GOOD: {outcome.failure or 'the books are uneven'}")
    return outcome


async def _play(stand: Stand, scenario: Scenario, seed: int) -> Outcome:
    began = time.monotonic()
    failure = None
    try:
        await scenario.play(stand, scenario.size, Random(seed))  # noqa: S311 - to be repeatable
    except (AssertionError, TimeoutError, StackError) as error:
        failure = f"{type(error).__name__}: {error}"
    stand.say("looking into the books")
    checks = await stand.books()
    return Outcome(
        scenario=scenario.name,
        orders=tally((await stand.shop.orders(stand.shop.placed)).values()),
        failure=failure,
        checks=checks,
        seconds=time.monotonic() - began,
    )


async def _all(scenarios: list[Scenario], seed: int, console: Console) -> list[Outcome]:
    return [await chaos(scenario, seed, console) for scenario in scenarios]


def main() -> int:
    arguments = _parser().parse_args()
    scenarios = [scenario for scenario in SCENARIOS if arguments.only.lower() in scenario.name.lower()]
    if not scenarios:
        sys.stderr.write("no scenario has a name like that:\n" + "\n".join(each.name for each in SCENARIOS) + "\n")
        return 2
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 10_000
    console = Console()
    try:
        outcomes = asyncio.run(_all(scenarios, seed, console))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    console.print(table(outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORDS", help="scenarios with these words in their name")
    parser.add_argument("--seed", type=int, help="of the moments things happen at (default: another one each time)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
