"""
The rules processes are kept running by, on small programs.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fulfillment.local.errors import NotReady, StackError
from fulfillment.local.logs import Console, JsonLines, StackLog
from fulfillment.local.processes import ProcessSpec, run_once
from fulfillment.local.supervision import Supervisor

FOREVER = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, Mapping[str, Any]]] = []

    def show(self, process: str, record: Mapping[str, Any]) -> None:
        self.shown.append((process, record))

    def events(self, process: str = "stack") -> list[str]:
        return [str(record["event"]) for name, record in self.shown if name == process]


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def log(tmp_path: Path, sink: Recorder) -> StackLog:
    return StackLog(tmp_path, sink)


@pytest.fixture
async def supervisor(log: StackLog) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(log)
    yield supervisor
    await supervisor.stop()


def program(
    code: str, *, name: str = "thing", grace: float = 5, start_timeout: float = 5, **options: Any
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=[sys.executable, "-c", code],
        environment={},
        grace=timedelta(seconds=grace),
        start_timeout=timedelta(seconds=start_timeout),
        **options,
    )


async def eventually(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():  # noqa: ASYNC110 - what it waits for is outside of this process
            await asyncio.sleep(0.02)


def shown(sink: Recorder, process: str, event: str) -> Callable[[], Awaitable[None]]:
    async def ready() -> None:
        if event not in sink.events(process):
            raise NotReady(event)

    return ready


async def test_a_process_that_dies_is_reported_and_comes_back_after_a_second(
    supervisor: Supervisor, sink: Recorder
) -> None:
    await supervisor.start(program(FOREVER))
    first = supervisor.pids["thing"]

    supervisor.process("thing").kill()
    await eventually(lambda: "thing died with signal SIGKILL: starting it again" in sink.events())

    assert "thing" not in supervisor.pids
    await eventually(lambda: supervisor.pids.get("thing", first) != first)
    assert not supervisor.failure.done()


async def test_three_deaths_within_a_minute_end_it_with_the_reason(supervisor: Supervisor, sink: Recorder) -> None:
    await supervisor.start(program(FOREVER, name="good"))

    with pytest.raises(StackError) as refused:
        await supervisor.start(program("print('no luck'); raise SystemExit(3)", ready=shown(sink, "thing", "never")))

    message = str(refused.value)
    assert message.startswith("thing died 3 times within 60 s, at last with exit code 3. Its log is ")
    assert message.endswith("/thing.log\nno luck\nno luck\nno luck")


async def test_whoever_kills_processes_on_purpose_says_how_many_deaths_are_allowed(
    log: StackLog, sink: Recorder
) -> None:
    supervisor = Supervisor(log, deaths_allowed=0)

    with pytest.raises(StackError, match="thing died 1 times"):
        await supervisor.start(program("raise SystemExit(3)", ready=shown(sink, "thing", "never")))


async def test_a_death_of_an_earlier_group_ends_the_start_of_a_later_one(
    supervisor: Supervisor, sink: Recorder
) -> None:
    await supervisor.start(program("import time; time.sleep(0.1)", name="fickle"))

    with pytest.raises(StackError, match="fickle died 3 times"):
        await supervisor.start(program(FOREVER, ready=shown(sink, "thing", "never"), start_timeout=30))


async def test_a_process_that_never_answers_is_named_with_what_was_tried(
    supervisor: Supervisor, sink: Recorder
) -> None:
    with pytest.raises(StackError, match=r"thing is not ready after 0.3 s: an answer"):
        await supervisor.start(program(FOREVER, ready=shown(sink, "thing", "an answer"), start_timeout=0.3))


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace_time_and_reported(
    supervisor: Supervisor, sink: Recorder
) -> None:
    await supervisor.start(program(DEAF, ready=shown(sink, "thing", "deaf"), grace=0.2))
    pid = supervisor.pids["thing"]

    await supervisor.stop()

    assert "thing did not stop within 0.2 s: killed" in sink.events()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_later_groups_stop_before_earlier_ones(supervisor: Supervisor, sink: Recorder, log: StackLog) -> None:
    farewell = (
        # os.write: a handler that prints while the line before is being flushed fails.
        "import os, signal, sys, time\n"
        "def end(*_):\n    time.sleep(0.1); os.write(1, b'bye\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); os.write(1, b'up\\n'); time.sleep(60)"
    )
    for name in ("first", "second"):
        await supervisor.start(program(farewell, name=name, ready=shown(sink, name, "up")))

    await supervisor.stop()
    await log.drain()

    assert [name for name, record in sink.shown if record["event"] == "bye"] == ["second", "first"]


async def test_a_wanted_restart_is_no_death(supervisor: Supervisor, sink: Recorder) -> None:
    await supervisor.start(program(FOREVER))
    pids = {supervisor.pids["thing"]}

    for _ in range(3):
        await supervisor.process("thing").restart()
        pids.add(supervisor.pids["thing"])

    assert len(pids) == 4
    assert sink.events() == []


async def test_nothing_is_left_when_a_start_is_cancelled(supervisor: Supervisor, sink: Recorder) -> None:
    starting = asyncio.create_task(supervisor.start(program(FOREVER, ready=shown(sink, "thing", "never"))))
    await eventually(lambda: "thing" in supervisor.pids)
    pid = supervisor.pids["thing"]

    starting.cancel()
    await asyncio.wait({starting})
    await supervisor.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("ticks", range(6))
async def test_a_start_that_is_cancelled_as_a_probe_ends_is_over_at_once(supervisor: Supervisor, ticks: int) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def ready() -> None:
        asked.set()
        await answered.wait()
        raise NotReady("not yet")

    starting = asyncio.create_task(supervisor.start(program(FOREVER, ready=ready, start_timeout=30)))
    await asked.wait()
    answered.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting}, timeout=2)

    assert starting.cancelled()


async def test_a_task_that_fails_is_reported_with_its_last_words(log: StackLog) -> None:
    with pytest.raises(StackError, match=r"(?s)thing failed with exit code 2. Its log is .*thing.log\nwhy"):
        await run_once(program("print('why'); raise SystemExit(2)"), log)


async def test_a_structured_line_is_shown_with_its_fields_and_any_other_as_an_event(
    log: StackLog, sink: Recorder
) -> None:
    lines = [json.dumps({"event": "order_placed", "order_id": "7"}), "Traceback (most recent call last):"]
    await run_once(program(f"print({chr(10).join(lines)!r})"), log)
    await log.drain()

    records = [record for process, record in sink.shown if process == "thing"]

    assert records[0]["event"] == "order_placed"
    assert records[0]["order_id"] == "7"
    assert records[1]["event"] == "Traceback (most recent call last):"


async def test_of_a_quiet_process_only_warnings_are_shown_and_the_file_has_everything(
    log: StackLog, sink: Recorder
) -> None:
    lines = [
        "2026-11-22 10:00:00 UTC [7] LOG:  checkpoint starting",
        "2026-11-22 10:00:01 UTC [7] FATAL:  no space left on device",
        json.dumps({"level": "INFO", "msg": "started"}),
        json.dumps({"level": "WARN", "msg": "slow disk"}),
    ]
    await run_once(program(f"print({chr(10).join(lines)!r})", quiet=True), log)
    await log.drain()

    assert sink.events("thing") == [lines[1], "slow disk"]
    assert log.path("thing").read_text().splitlines() == lines


async def test_without_a_sink_everything_goes_to_the_file(tmp_path: Path) -> None:
    log = StackLog(tmp_path, None)

    await run_once(program("print('all of it')"), log)

    assert log.path("thing").read_text() == "all of it\n"


def test_a_structured_traceback_is_readable_on_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    frames = [{"filename": "/src/orders.py", "lineno": 7, "name": "place"}]
    record = {
        "timestamp": "2026-11-22T10:52:12.035468Z",
        "level": "error",
        "event": "step_failed",
        "process": "worker-orders",
        "exception": [{"exc_type": "KeyError", "exc_value": "'sku'", "frames": frames}],
    }

    Console(stream).show("worker-orders", record)

    assert stream.getvalue().splitlines() == [
        "worker-orders    10:52:12 [error] step_failed",
        "worker-orders    KeyError: 'sku' (/src/orders.py:7)",
    ]


def test_a_reader_that_has_gone_disturbs_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        for _ in range(2):
            JsonLines(stream).show("api", {"event": "nobody reads this"})
