"""
The blocks of a document run as a reader would: one bash, in the folder of a running stack.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fulfillment.local.endpoints import Endpoints
from fulfillment.local.ports import HOST, Ports
from tests.docs.blocks import Block, broken_promises

# Never part of a document: it stands in front of the number of each block.
_MARK = "\x1e"


def usual_addresses(endpoints: Endpoints) -> dict[str, str]:
    """
    What documents call the parts of a stack, and where they are in this one.
    """
    usual = Ports()
    real = {
        usual.api: endpoints.api,
        usual.sandbox: endpoints.sandbox,
        usual.temporal_ui: endpoints.temporal_ui,
        usual.temporal: endpoints.temporal,
    }
    return {f"{HOST}:{port}": address.removeprefix("http://") for port, address in real.items()}


async def wrong_in(blocks: Sequence[Block], folder: Path, addresses: Mapping[str, str], seconds: float) -> list[str]:
    """
    Run the blocks in this folder; each mistake with the line of its block and what the block said.
    """
    script = "".join(f"printf '{_MARK}{number}{_MARK}'\n{block.commands}" for number, block in enumerate(blocks))
    for usual, real in addresses.items():
        script = script.replace(usual, real)
    code, output = await _run(script, folder, seconds)
    for usual, real in addresses.items():
        output = output.replace(real, usual)

    _, *parts = output.split(_MARK)
    said = {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}
    wrong: list[str] = []
    for number, text in said.items():
        promises = [f"ended with {code}"] if code and number == len(said) - 1 else []
        promises += broken_promises(blocks[number], text)
        wrong += [f"line {blocks[number].line}: {promise}\n{text}" for promise in promises]
    return wrong


async def _run(script: str, folder: Path, seconds: float) -> tuple[int | None, str]:
    """How bash ended, and what it and its children said."""
    (folder / "document.sh").write_text(f"set -euo pipefail\nexec 2>&1\n{script}")
    with (folder / "output.txt").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "document.sh",
            cwd=folder,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode, (folder / "output.txt").read_text(errors="replace")


def _environment() -> dict[str, str]:
    """As on a machine where nobody has set anything of ours; documents put `.venv/bin` on the path themselves."""
    kept = {name: value for name, value in os.environ.items() if not re.match("FULFILLMENT_|TEMPORAL_|PG", name)}
    return {**kept, "NO_PROXY": HOST, "no_proxy": HOST}


def lay_out(folder: Path) -> Path:
    """
    Make a folder that looks like the repository to a reader's commands.
    """
    folder.mkdir(exist_ok=True)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder
