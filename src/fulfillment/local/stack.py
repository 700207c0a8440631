"""
Everything the service needs on one machine, each part a process: PostgreSQL, Temporal, providers, API, workers.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import httpx2

from fulfillment.local.endpoints import FILE_NAME, Endpoints
from fulfillment.local.errors import StackError
from fulfillment.local.logs import StackLog
from fulfillment.local.plan import StackOptions, StackPlan
from fulfillment.local.probes import http_probe
from fulfillment.local.processes import ProcessSpec
from fulfillment.local.state import owned
from fulfillment.local.supervision import Supervisor

__all__ = ["LocalStack", "StackOptions"]

_NOT_STARTED = "the local stack is not started: use it inside `async with`"


class LocalStack:
    """
    A running stack inside `async with`, or until a signal with `run_until_stopped`.

    Raises:
        StackError: on entering, when it cannot start; nothing is left running then.
    """

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._state = options.state.expanduser().resolve()
        self._exit = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._plan: StackPlan | None = None
        self._published = False
        self._stopping = False

    @property
    def endpoints(self) -> Endpoints:
        """Where everything answers; process ids are the current ones."""
        if self._plan is None:
            raise StackError(_NOT_STARTED)
        return self._plan.endpoints(self.pids)

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids by name, of those that run right now."""
        return self._running.pids

    @property
    def failure(self) -> asyncio.Future[None]:
        """Done, with a `StackError`, once a process died too often; not to be cancelled."""
        return self._running.failure

    def kill(self, process: str) -> None:
        """Kill a process as a crash would (SIGKILL); it is started again after a second."""
        self._running.process(process).kill()

    async def restart(self, process: str) -> None:
        """Stop a process in good order, start it again at once, wait until it answers."""
        await self._running.process(process).restart()

    async def until_ready(self, process: str) -> None:
        """Wait until a process answers, for instance after a `kill`."""
        await self._running.process(process).until_ready()

    async def add(self, *specs: ProcessSpec) -> None:
        """Start further processes beside the stack's own; they stop first."""
        await self._running.start(*specs)

    async def run_until_stopped(self, ready: Callable[[Endpoints], None] = lambda _: None) -> None:
        """
        Start everything, call `ready`, keep it all running until a signal asks for the end, stop it.

        Raises:
            StackError: it could not start, or a process died too often.
        """
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, stop.set)
        running, stopping = asyncio.create_task(self._run(ready)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping:
                running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        finally:
            stopping.cancel()
            for number in signals:
                loop.remove_signal_handler(number)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exit_stack:
            exit_stack.enter_context(owned(self._state))
            await self._start(exit_stack)
            self._exit = exit_stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    @property
    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise StackError(_NOT_STARTED)
        return self._supervisor

    async def _run(self, ready: Callable[[Endpoints], None]) -> None:
        async with self:
            ready(self.endpoints)
            await asyncio.wait({self.failure})
            self.failure.result()

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        client = await exit_stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=2))
        plan = StackPlan.make(self._options, self._state, http_probe(client))
        log = StackLog(self._state / "logs", self._options.sink)
        self._plan, self._supervisor = plan, Supervisor(log, self._publish, self._options.deaths_allowed)
        exit_stack.push_async_callback(self._stop, log)
        log.say("info", "starting", state=str(self._state))
        await self._supervisor.start(*plan.foundation(http_probe(client)))
        if plan.wanted:
            plan = self._plan = await plan.prepared(log)
        await self._supervisor.start(*plan.service())
        self._published = True
        self._publish()
        log.say("info", "ready", api=self.endpoints.api, endpoints=str(self._state / FILE_NAME))

    def _publish(self) -> None:
        if self._published:
            self.endpoints.write(self._state)

    async def _stop(self, log: StackLog) -> None:
        self._stopping, self._published = True, False
        (self._state / FILE_NAME).unlink(missing_ok=True)
        log.muted = True
        log.say("info", "stopping")
        await self._running.stop()
        await log.drain()
        log.say("info", "stopped")
