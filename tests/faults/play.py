"""
All cells against one stack: those whose worker is killed first, the others while those wait for their next attempt.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fulfillment.invariants import Check
from tests.faults.matrix import Cell
from tests.faults.run import Batch, CellRun, Wrong
from tests.faults.shop import Shop
from tests.faults.stand import Stand

AT_ONCE = 16
"""More orders at a time would be late by themselves on a small machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cell ended; `wrong` is empty when its rule holds."""

    cell: Cell
    order_id: str
    seconds: float
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All outcomes, the verdicts on the invariants, and the seconds it took in all."""

    outcomes: Sequence[Outcome]
    checks: Sequence[Check]
    seconds: float

    @property
    def is_good(self) -> bool:
        return not any(outcome.wrong for outcome in self.outcomes) and not any(
            check.violations for check in self.checks
        )


async def play(cells: Sequence[Cell], state: Path, tell: Callable[[Outcome], None] = lambda _: None) -> Results:
    """
    Run all cells and check the books.

    Raises:
        StackError: the stack does not start, or one of its processes dies again and again.
    """
    began = time.monotonic()
    killed = [cell for cell in cells if cell.fault.kills]
    others = [cell for cell in cells if not cell.fault.kills]
    async with Stand.up(state, patient=bool(killed)) as stand:
        shop = Shop(stand.http, stand.api, stand.sandbox, stand.plan.api_keys)
        async with shop.watching():
            runs = asyncio.create_task(_all(killed, others, stand, shop, tell))
            either: set[asyncio.Future[Any]] = {runs, stand.supervisor.failure}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not runs.done():
                runs.cancel()
                stand.supervisor.failure.result()
            outcomes = await runs
        return Results(outcomes=outcomes, checks=await stand.checks(), seconds=time.monotonic() - began)


async def _all(
    killed: Sequence[Cell], others: Sequence[Cell], stand: Stand, shop: Shop, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    batch = Batch(cell.name for cell in killed)
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(cell: Cell) -> Outcome:
        # Those to be killed are all in flight at the same time.
        if cell.fault.kills:
            return await _outcome(CellRun(cell, shop, stand.plans, batch), cell, tell)
        async with slots:
            return await _outcome(CellRun(cell, shop, stand.plans), cell, tell)

    dying = [asyncio.create_task(one(cell)) for cell in killed]
    if killed:
        await batch.complete.wait()
        await stand.kill_workers()
        batch.killed.set()
    return [*await asyncio.gather(*(one(cell) for cell in others)), *await asyncio.gather(*dying)]


async def _outcome(run: CellRun, cell: Cell, tell: Callable[[Outcome], None]) -> Outcome:
    began = time.monotonic()
    wrong = ""
    try:
        await run.run()
    except (Wrong, AssertionError) as error:
        wrong = str(error)
    outcome = Outcome(cell=cell, order_id=run.order_id, seconds=time.monotonic() - began, wrong=wrong)
    tell(outcome)
    return outcome
