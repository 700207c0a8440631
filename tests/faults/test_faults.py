"""
A sample of the matrix; `make faults` runs all of it.
"""

from pathlib import Path

import pytest

from tests.faults.matrix import Cell, End, Fault, Step, cells, not_applicable, sample
from tests.faults.play import play

_SEED = 3


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_whatever_fails_exactly_what_happened_is_undone_or_somebody_is_asked(tmp_path: Path) -> None:
    # That a broken rule is noticed at all: a declined card cannot end in a delivery.
    impossible = Cell(step=Step.AUTHORIZE, fault=Fault.REFUSED, end=End(status="delivered"))
    possible = [cell for cell in sample(_SEED) if cell.name != impossible.name]

    results = await play([*possible, impossible], tmp_path)

    assert {outcome.cell.name: outcome.wrong for outcome in results.outcomes if outcome.wrong} == {
        impossible.name: "unexpectedly: rejected payment_declined"
    }
    assert not [check for check in results.checks if check.violations]


def test_a_sample_meets_every_step_and_every_fault() -> None:
    for seed in range(50):
        chosen = sample(seed)
        assert {cell.step for cell in chosen} == set(Step)
        assert {cell.fault for cell in chosen} == set(Fault)


def test_every_cell_is_run_or_has_a_reason_not_to_be() -> None:
    named = {cell.name for cell in cells(0)}

    for step in Step:
        for fault in Fault:
            assert (f"{step}/{fault}" in named) is (not_applicable(step, fault) is None)
