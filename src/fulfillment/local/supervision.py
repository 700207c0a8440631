"""
Processes that are kept running: watched, started again after a death, stopped in order.
"""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from fulfillment.local.errors import NotReady, StackError
from fulfillment.local.logs import StackLog
from fulfillment.local.processes import ProcessSpec, describe_end, explain, launch

RESTART_DELAY = timedelta(seconds=1)
DEATHS_ALLOWED = 2
DEATH_WINDOW = timedelta(minutes=1)

_PROBE_PAUSE = 0.05
_PROBE_TIMEOUT = 5


class SupervisedProcess:
    """One process, brought back when it dies; `watch` ends with the reason when it dies too often."""

    def __init__(
        self, spec: ProcessSpec, log: StackLog, started: Callable[[], None], deaths_allowed: int = DEATHS_ALLOWED
    ) -> None:
        self.spec = spec
        self.watch: asyncio.Task[None] | None = None
        self._log = log
        self._started = started
        self._deaths_allowed = deaths_allowed
        self._process: asyncio.subprocess.Process | None = None
        self._deaths: deque[float] = deque()
        self._stopping = False
        self._restarting = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """
        Start it and wait until it answers.

        Raises:
            StackError: it died too often, or does not answer in time.
        """
        self.watch = asyncio.create_task(self._keep_running(), name=self.spec.name)
        await self._until_ready(self.watch)

    async def until_ready(self) -> None:
        """Wait until it answers again; raises like `start`."""
        if self.watch:
            await self._until_ready(self.watch)

    async def _until_ready(self, watch: asyncio.Task[None]) -> None:
        probing = asyncio.create_task(self._probe())
        try:
            await asyncio.wait({watch, probing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            probing.cancel()
            await asyncio.wait({probing})
        if watch.done():
            await watch
        await probing

    async def restart(self) -> None:
        """Stop it in good order and start it at once; not counted as a death."""
        self._restarting = self.pid is not None
        await self._end()
        await self.until_ready()

    async def stop(self) -> None:
        """End it for good, with force if it does not go within its grace time."""
        self._stopping = True
        await self._end()
        if self.watch:
            self.watch.cancel()
            await asyncio.wait({self.watch})

    def kill(self) -> None:
        """Kill it as a crash would; it comes back after a second."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.grace.total_seconds()):
                await process.wait()
        except TimeoutError:
            grace = f"{self.spec.grace.total_seconds():g} s"
            self._log.say("warning", f"{self.spec.name} did not stop within {grace}: killed")
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _keep_running(self) -> None:
        while not self._stopping:
            await self.spec.prepare()
            self._process = await launch(self.spec, self._log)
            self._started()
            code = await self._process.wait()
            if self._restarting:
                self._restarting = False
            elif not self._stopping:
                self._report_death(code)
                await asyncio.sleep(RESTART_DELAY.total_seconds())

    def _report_death(self, code: int) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - DEATH_WINDOW.total_seconds():
            self._deaths.popleft()
        how = describe_end(code)
        if len(self._deaths) > self._deaths_allowed:
            window = f"{DEATH_WINDOW.total_seconds():g} s"
            msg = f"{self.spec.name} died {len(self._deaths)} times within {window}, at last with {how}"
            raise StackError(explain(msg, self.spec.name, self._log))
        self._log.say("warning", f"{self.spec.name} died with {how}: starting it again", died=self.spec.name)

    async def _probe(self) -> None:
        patience = self.spec.start_timeout.total_seconds()
        deadline = time.monotonic() + patience
        why = "it is not running"
        while time.monotonic() < deadline:
            try:
                if self.pid:
                    # Not `wait_for`: until Python 3.12 it loses a cancellation that comes as the probe ends.
                    async with asyncio.timeout(_PROBE_TIMEOUT):
                        await self.spec.ready()
                    return
            except NotReady as error:
                why = str(error)
            except TimeoutError:
                why = f"no answer within {_PROBE_TIMEOUT} s"
            await asyncio.sleep(_PROBE_PAUSE)
        msg = f"{self.spec.name} is not ready after {patience:g} s: {why}"
        raise StackError(explain(msg, self.spec.name, self._log))


class Supervisor:
    """Keeps groups of processes running; later groups rely on earlier ones and stop before them."""

    def __init__(
        self, log: StackLog, changed: Callable[[], None] = lambda: None, deaths_allowed: int = DEATHS_ALLOWED
    ) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log = log
        self._changed = changed
        self._deaths_allowed = deaths_allowed
        self._groups: list[list[SupervisedProcess]] = []

    async def start(self, *specs: ProcessSpec) -> None:
        """
        Start a group side by side and wait until all of it answers.

        Raises:
            StackError: one of them did not make it; the others go on until `stop`.
        """
        group = [SupervisedProcess(spec, self._log, self._changed, self._deaths_allowed) for spec in specs]
        self._groups.append(group)
        starting = asyncio.gather(*(self._start(process) for process in group))
        try:
            waiting: set[asyncio.Future[Any]] = {starting, self.failure}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()
            with suppress(asyncio.CancelledError, StackError):
                await starting
        if self.failure.done():
            self.failure.result()
        starting.result()

    async def stop(self) -> None:
        """Stop everything, the last group first."""
        while self._groups:
            await asyncio.gather(*(process.stop() for process in self._groups[-1]))
            self._groups.pop()
        if self.failure.done():
            self.failure.exception()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run."""
        return {process.spec.name: process.pid for group in self._groups for process in group if process.pid}

    def process(self, name: str) -> SupervisedProcess:
        """
        One of them by name.

        Raises:
            KeyError: there is none of that name.
        """
        return {process.spec.name: process for group in self._groups for process in group}[name]

    async def _start(self, process: SupervisedProcess) -> None:
        try:
            await process.start()
        finally:
            if process.watch:
                process.watch.add_done_callback(self._note_end)

    def _note_end(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) and not self.failure.done():
            self._log.say("error", str(error).splitlines()[0])
            self.failure.set_exception(error)
