"""
The local stack on a real PostgreSQL and a real Temporal server, with stand-ins for the service's own processes.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from fulfillment.local.endpoints import Endpoints
from fulfillment.local.errors import StackError
from fulfillment.local.logs import StackLog
from fulfillment.local.ports import Ports
from fulfillment.local.postgres import Postgres
from fulfillment.local.probes import http_probe
from fulfillment.local.processes import launch
from fulfillment.local.services import inherited
from fulfillment.local.stack import LocalStack, StackOptions
from fulfillment.local.supervision import Supervisor
from fulfillment.local.temporal import Temporal

HERE = Path(__file__).parent
STAND_IN = (sys.executable, str(HERE / "stand_in.py"))


def options(state: Path, **more: Any) -> StackOptions:
    return StackOptions(state=state, free_ports=True, command=STAND_IN, **more)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_endpoints(state: Path, process: "subprocess.Popen[str]") -> Endpoints:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return Endpoints.read(state)
        except FileNotFoundError:
            time.sleep(0.05)
    pytest.fail(f"no endpoints.json: {process.communicate()}")


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    with start(tmp_path) as process:
        yield process
        process.kill()


def start(state: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_stack.py"), str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


async def select(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_everything_answers_and_data_outlive_crashes_and_the_stack(tmp_path: Path) -> None:
    async with LocalStack(options(tmp_path)) as stack:
        endpoints = Endpoints.read(tmp_path)
        assert endpoints == stack.endpoints
        assert set(endpoints.pids) == {"postgres", "temporal", "sandbox", "api", "worker-orders", "worker-providers"}
        assert set(endpoints.metrics) == {"temporal", "api", "worker-orders", "worker-providers"}
        async with httpx2.AsyncClient(trust_env=False) as client:
            for url in (endpoints.temporal_ui, *endpoints.metrics.values()):
                assert (await client.get(url, follow_redirects=True)).status_code == 200
        await select(endpoints.database_dsn, "CREATE TABLE kept AS SELECT 7 AS number")

        stack.kill("postgres")
        stack.kill("temporal")
        await asyncio.sleep(0.2)
        await asyncio.gather(stack.until_ready("postgres"), stack.until_ready("temporal"))

        assert await select(endpoints.database_dsn, "SELECT number FROM kept") == 7
        assert Endpoints.read(tmp_path).pids == stack.pids
        assert stack.pids["postgres"] != endpoints.pids["postgres"]
        last = list(stack.pids.values())

    assert not (tmp_path / "endpoints.json").exists()
    assert not any(alive(pid) for pid in last)

    async with LocalStack(options(tmp_path, services=())) as stack:
        assert await select(stack.endpoints.database_dsn, "SELECT number FROM kept") == 7
        assert set(stack.pids) == {"postgres", "temporal"}


async def test_a_database_server_left_running_and_a_pid_left_behind_do_not_hinder_a_start(tmp_path: Path) -> None:
    async with LocalStack(options(tmp_path, services=())) as stack:
        await select(stack.endpoints.database_dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    leftover = await launch(Postgres(tmp_path / "postgres", inherited()).spec(), StackLog(tmp_path / "logs", None))
    pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
    while not pid_file.exists() or "ready" not in pid_file.read_text():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.02)

    async with LocalStack(options(tmp_path, services=())) as stack:
        assert await asyncio.wait_for(leftover.wait(), 5) == 0
        assert await select(stack.endpoints.database_dsn, "SELECT number FROM kept") == 7

    # As after a reboot: the number now belongs to a process that has nothing to do with it.
    pid_file.write_text(f"{os.getpid()}\n{tmp_path / 'postgres' / 'data'}\n")
    async with LocalStack(options(tmp_path, services=())) as stack:
        assert await select(stack.endpoints.database_dsn, "SELECT number FROM kept") == 7


async def test_a_failing_migration_ends_the_start_and_leaves_nothing_running(tmp_path: Path) -> None:
    stack = LocalStack(options(tmp_path, environment={"FULFILLMENT_STAND_IN": "db=exit"}))

    with pytest.raises(StackError, match=r"(?s)migrations failed with exit code 3.*it went wrong"):
        async with stack:
            pytest.fail("it started")

    assert stack.pids == {}
    assert not (tmp_path / "endpoints.json").exists()


def test_sigterm_stops_everything_with_exit_code_0(tmp_path: Path, running: "subprocess.Popen[str]") -> None:
    endpoints = wait_for_endpoints(tmp_path, running)

    second = subprocess.run(
        [sys.executable, str(HERE / "run_stack.py"), str(tmp_path)], capture_output=True, text=True, check=False
    )
    running.send_signal(signal.SIGTERM)
    output, errors = running.communicate(timeout=30)

    assert running.returncode == 0, errors
    assert not any(alive(pid) for pid in endpoints.pids.values())
    assert not (tmp_path / "endpoints.json").exists()
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in lines if line["process"] == "stack"] == [
        "starting",
        "ready",
        "stopping",
        "stopped",
    ]
    assert {"process": "api", "level": "info", "event": "stand_in_stopped", "role": "api"} in lines
    assert second.returncode == 1
    assert second.stderr.startswith(f"a local stack already runs in {tmp_path} (pid {running.pid})")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties the life of a process to another one")
def test_nothing_outlives_a_killed_supervisor_and_the_next_start_copes(
    tmp_path: Path, running: "subprocess.Popen[str]"
) -> None:
    first = wait_for_endpoints(tmp_path, running)

    running.kill()
    running.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for name, pid in first.pids.items() if name != "postgres") and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not any(alive(pid) for name, pid in first.pids.items() if name != "postgres")
    (tmp_path / "endpoints.json").unlink()
    with start(tmp_path) as again:
        second = wait_for_endpoints(tmp_path, again)
        again.send_signal(signal.SIGINT)
        _, errors = again.communicate(timeout=30)
    assert again.returncode == 0, errors
    assert second.carrier_secret == first.carrier_secret


async def test_a_temporal_server_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.temporal)):
        server = Temporal(
            state=tmp_path,
            port=ports.temporal,
            ui_port=ports.temporal_ui,
            http_port=ports.api,
            metrics_port=ports.sandbox,
        )
        async with httpx2.AsyncClient(trust_env=False) as client:
            supervisor = Supervisor(StackLog(tmp_path, None))
            with pytest.raises(StackError, match=r"(?s)temporal died 3 times.*address already in use"):
                await supervisor.start(server.spec({}, http_probe(client)))
            await supervisor.stop()
