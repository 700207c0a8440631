"""
Everything the first documents tell a newcomer to type works, and prints what they say.
"""

from pathlib import Path

import pytest

from fulfillment.local.stack import LocalStack, StackOptions
from tests.docs.blocks import blocks_of
from tests.docs.running import lay_out, usual_addresses, wrong_in

ROOT = Path(__file__).parents[2]
# In the order in which they are read, with the number of blocks each runs at least.
DOCUMENTS = {"README.md": 1, "docs/tour.md": 15, "docs/sandbox.md": 10}


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_commands_of_the_documents_do_what_is_said_of_them(tmp_path: Path) -> None:
    wrong: list[str] = []
    folder = lay_out(tmp_path)
    async with LocalStack(StackOptions(state=folder / ".local", free_ports=True)) as stack:
        addresses = usual_addresses(stack.endpoints)
        for name in DOCUMENTS:
            found = await wrong_in(blocks_of(ROOT / name), folder, addresses, seconds=90)
            wrong += [f"{name} {mistake}" for mistake in found]

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(("name", "least"), DOCUMENTS.items())
def test_hardly_anything_in_a_document_is_left_out_of_the_run(name: str, least: int) -> None:
    assert len(blocks_of(ROOT / name)) >= least
