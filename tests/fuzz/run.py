"""
One run: schemathesis as a process of its own against a stand, and what there is to say about it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from fulfillment.invariants import Check
from tests.fuzz.stand import Stand
from tests.fuzz.stock import Dictionaries, Warehouse

ROOT = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
TOOL = Path(sys.executable).with_name("schemathesis")
"""Where it is if it is installed."""


class NoVerdict(Exception):
    """Schemathesis ended without one; the text is what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long to go on: a number of seconds, or of generated requests per operation and phase."""

    seconds: int | None = None
    examples: int = 50

    @property
    def options(self) -> Sequence[str]:
        if self.seconds is None:
            return ["--max-examples", str(self.examples)]
        return ["--max-time", str(self.seconds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A service, and what its callers need."""

    api: str
    key: str
    carrier_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How often an operation answered with a status; `slowest` of all its answers, in seconds."""

    operation: str
    status: int
    count: int
    slowest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """
    What a run has shown.

    Attributes:
        answers: what was answered.
        verdict: the report of the tool.
        output: what it printed, with the way to repeat each failure.
        checks: whether the books are even afterwards.
        died: processes that did not survive.
        complaints: errors in logs.
    """

    answers: Sequence[Answers]
    verdict: Mapping[str, Any]
    output: str
    checks: Sequence[Check] = ()
    died: Sequence[str] = ()
    complaints: Sequence[str] = ()

    @property
    def wrong(self) -> Sequence[str]:
        """Everything that is not as it must be, a line each; nothing if all is well."""
        verdict = self.verdict
        untested = verdict["operations"]["total"] - verdict["operations"]["tested"]
        idle = [name for name, phase in verdict["phases"].items() if phase["status"] == "skip"]
        return [
            *(f"{found['title']}: {', '.join(found['operations'])}" for found in verdict["failures"]),
            *(f"{error['title']} ({error['count']} times)" for error in verdict["errors"]),
            *([] if verdict["complete"] else [f"stopped early: {verdict['stop_reason']}"]),
            *([f"{untested} operations were not tested"] if untested else []),
            *(f"the phase {name} tested nothing" for name in idle),
            *(f"{row.operation} answered {row.status}" for row in self.answers if row.status >= 500),
            *(f"{check.name} {check.claim}: {check.examples}" for check in self.checks if check.violations),
            *(f"the process {name} died" for name in self.died),
            *self.complaints,
        ]


async def fuzz(stand: Stand, size: Size, seed: int) -> Results:
    """
    Fill the service, let the fuzzer loose, look at what is left.

    Raises:
        NoVerdict: schemathesis could not do its work.
    """
    async with httpx2.AsyncClient(trust_env=False, timeout=40) as http:
        known = await Warehouse(stand, http).fill()
    endpoints = stand.endpoints
    target = Target(api=endpoints.api, key=stand.key, carrier_secret=endpoints.carrier_secret)
    results = await judge(target, known, stand.state / "fuzz", size, seed)
    return replace(results, checks=await stand.books(), died=stand.died, complaints=stand.complaints())


async def judge(target: Target, known: Dictionaries, folder: Path, size: Size, seed: int) -> Results:
    """
    What schemathesis says about a service of which it knows some values; its files are in the new folder.

    Raises:
        NoVerdict: it could not do its work.
    """
    folder.mkdir()
    (folder / "known.json").write_text(json.dumps(known))
    (folder / "schemathesis.toml").write_text(SETTINGS.read_text() + _toml(known))
    printed = await _schemathesis(target, folder, ["--seed", str(seed), *size.options])
    (folder / "output.txt").write_text(printed)
    if not (folder / "verdict.json").exists():
        raise NoVerdict(printed)
    return Results(
        answers=[Answers(**row) for row in json.loads((folder / "answers.json").read_text())],
        verdict=json.loads((folder / "verdict.json").read_text()),
        output=printed.replace(target.api, "$API").replace("'Authorization: [Filtered]'", '"$AUTH"'),
    )


async def _schemathesis(target: Target, folder: Path, options: Sequence[str]) -> str:
    """All that it printed."""
    command: list[str | Path] = [TOOL, "--config-file", folder / "schemathesis.toml"]
    command += ["run", f"{target.api}/openapi.json", "--no-color"]
    command += ["--report", "json", "--report-json-path", folder / "verdict.json", *options]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "127.0.0.1",
            # A command line is for everybody on the machine to see.
            "FUZZ_KEY": target.key,
            "FUZZ_CARRIER_SECRET": target.carrier_secret,
            "FUZZ_KNOWN": str(folder / "known.json"),
            "FUZZ_ANSWERS": str(folder / "answers.json"),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return printed.decode(errors="replace")


def _toml(known: Dictionaries) -> str:
    """A list of texts and numbers is written in TOML as it is in JSON."""
    return "".join(f"\n[dictionaries.{name}]\nvalues = {json.dumps(list(values))}\n" for name, values in known.items())
