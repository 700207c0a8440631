"""
Everything the first documents tell a newcomer to type works, and prints what they say.
"""

from pathlib import Path

import pytest

from fulfillment.local.stack import LocalStack, StackOptions
from tests.docs.blocks import blocks_of
from tests.docs.running import lay_out, usual_addresses, wrong_in

ROOT = Path(__file__).parents[2]
# Those of one row are read one after the other, on one stack; with the number of blocks that are run at least.
READINGS = (
    {"README.md": 1, "docs/tour.md": 20},
    {"docs/sandbox.md": 10},
)
DOCUMENTS = {name: least for reading in READINGS for name, least in reading.items()}


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: " ".join(reading))
async def test_the_commands_of_a_document_do_what_is_said_of_them(reading: dict[str, int], tmp_path: Path) -> None:
    wrong: list[str] = []
    folder = lay_out(tmp_path)
    async with LocalStack(StackOptions(state=folder / ".local", free_ports=True)) as stack:
        addresses = usual_addresses(stack.endpoints)
        for name in reading:
            found = await wrong_in(blocks_of(ROOT / name), folder, addresses, seconds=120)
            wrong += [f"{name} {mistake}" for mistake in found]

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(("name", "least"), DOCUMENTS.items())
def test_hardly_anything_in_a_document_is_left_out_of_the_run(name: str, least: int) -> None:
    assert len(blocks_of(ROOT / name)) >= least
