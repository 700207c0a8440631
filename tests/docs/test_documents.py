"""
Everything the first documents tell a newcomer to type works, and prints what they say.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from fulfillment.local.stack import LocalStack, StackOptions
from tests.docs.blocks import blocks_of
from tests.docs.running import lay_out, usual_addresses, wrong_in

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Reading:
    """
    Documents read one after the other on one stack, with the number of blocks each runs at least.

    `transit` is how many seconds parcels rest between their steps; under `make up` it is 5.
    """

    documents: dict[str, int]
    transit: int = 5


READINGS = (
    # Faster parcels, since somebody waits for the door.
    Reading({"README.md": 1, "docs/tour.md": 20}, transit=1),
    Reading({"docs/sandbox.md": 10, "docs/api.md": 20}),
)
LEAST = {name: least for reading in READINGS for name, least in reading.documents.items()}


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_commands_of_the_documents_do_what_is_said_of_them(tmp_path: Path) -> None:
    # Side by side: most of the time they wait for a time-out or a parcel.
    found = await asyncio.gather(*(_read(reading, tmp_path / str(n)) for n, reading in enumerate(READINGS)))
    wrong = [mistake for mistakes in found for mistake in mistakes]

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_hardly_anything_in_a_document_is_left_out_of_the_run(name: str, least: int) -> None:
    assert len(blocks_of(ROOT / name)) >= least


async def _read(reading: Reading, folder: Path) -> list[str]:
    lay_out(folder)
    environment = {"FULFILLMENT_SANDBOX__TRANSIT": str(reading.transit)}
    options = StackOptions(state=folder / ".local", free_ports=True, environment=environment)
    wrong: list[str] = []
    async with LocalStack(options) as stack:
        addresses = usual_addresses(stack.endpoints)
        for name in reading.documents:
            found = await wrong_in(blocks_of(ROOT / name), folder, addresses, seconds=120)
            wrong += [f"{name} {mistake}" for mistake in found]
    return wrong
