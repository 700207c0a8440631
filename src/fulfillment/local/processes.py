"""
How one process is described and started.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fulfillment.local import leash
from fulfillment.local.errors import StackError
from fulfillment.local.logs import StackLog


async def nothing() -> None:
    """A preparation or readiness check of a process that needs none."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """
    How one process is run.

    Attributes:
        name: what logs and reports call it.
        command: program and arguments.
        environment: all of it; nothing is inherited.
        prepare: awaited before every start.
        ready: raises `NotReady` until the process answers.
        start_timeout: time to get ready.
        grace: time to stop after `stop_signal`; then it is killed.
        stop_signal: asks for an orderly end.
        orphan_signal: what the kernel sends it should the supervisor die.
        user: system user to run as; empty for our own.
        quiet: only warnings and errors of it are shown.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    prepare: Callable[[], Awaitable[None]] = nothing
    ready: Callable[[], Awaitable[None]] = nothing
    start_timeout: timedelta = timedelta(minutes=1)
    grace: timedelta = timedelta(seconds=30)
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    user: str = ""
    quiet: bool = False


async def launch(spec: ProcessSpec, log: StackLog) -> asyncio.subprocess.Process:
    """Start a process on its leash, in a session of its own: Ctrl-C reaches the supervisor alone."""
    output = await log.attach(spec.name, quiet=spec.quiet)
    tie = [
        sys.executable,
        "-I",
        "-S",
        str(Path(leash.__file__)),
        str(os.getpid()),
        str(int(spec.orphan_signal)),
        spec.user,
    ]
    with output:
        return await asyncio.create_subprocess_exec(
            *tie,
            *spec.command,
            env=dict(spec.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def run_once(spec: ProcessSpec, log: StackLog) -> None:
    """
    Run a process to its end.

    Raises:
        StackError: it failed.
    """
    process = await launch(spec, log)
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        await log.drain()
        raise StackError(explain(f"{spec.name} failed with {describe_end(code)}", spec.name, log))


def describe_end(code: int) -> str:
    """An exit code or the signal that ended a process, in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def explain(what: str, process: str, log: StackLog) -> str:
    """A reason with the last words of the process and the place of the rest."""
    return f"{what}. Its log is {log.path(process)}\n{log.tail(process)}".rstrip()
