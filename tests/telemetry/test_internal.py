import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest

from fulfillment.telemetry.health import Health
from fulfillment.telemetry.internal import InternalServer
from fulfillment.telemetry.metrics import sdk_runtime

QUICK = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Anywhere:
    host: str = "127.0.0.1"
    port: int = 0


@contextmanager
def serving(health: Health, sdk_metrics_url: str | None = None) -> Iterator[httpx2.Client]:
    with InternalServer(Anywhere(), health, sdk_metrics_url) as server, httpx2.Client(base_url=server.url) as client:
        yield client


async def get(client: httpx2.Client, path: str) -> httpx2.Response:
    return await asyncio.to_thread(client.get, path)


async def becomes(client: httpx2.Client, status: str) -> dict[str, str]:
    while True:
        body = (await get(client, "/readyz")).json()
        checks: dict[str, str] = body["checks"]
        if body["status"] == status and "not checked yet" not in checks.values():
            return checks
        await asyncio.sleep(0.02)


async def test_a_process_is_ready_between_start_and_drain() -> None:
    health = Health()
    with serving(health) as client:
        async with health.watching():
            starting = await get(client, "/readyz")
            health.mark_ready()
            ready = await get(client, "/readyz")
            health.mark_draining()
            draining = await get(client, "/readyz")

            assert (await get(client, "/livez")).status_code == 200
    assert [(a.status_code, a.json()["status"]) for a in (starting, ready, draining)] == [
        (503, "starting"),
        (200, "ready"),
        (503, "draining"),
    ]


async def test_readiness_names_each_check_that_fails_and_recovers() -> None:
    broken = True

    async def database() -> None:
        if broken:
            raise ConnectionRefusedError

    async def temporal() -> None:
        if broken:
            await asyncio.sleep(60)

    checked = {"database": database, "temporal": temporal, "clock": lambda: None}
    health = Health(checked, interval=QUICK, patience=QUICK)
    health.mark_ready()
    with serving(health) as client:
        async with health.watching():
            checks = await becomes(client, "unready")
            broken = False
            recovered = await becomes(client, "ready")

    assert checks == {"database": "ConnectionRefusedError", "temporal": "no answer within 0.05 s", "clock": "ok"}
    assert set(recovered.values()) == {"ok"}


async def test_a_blocked_event_loop_is_seen_from_outside() -> None:
    health = Health(stuck_after=timedelta(seconds=1.2))
    health.mark_ready()
    with serving(health) as client:
        async with health.watching():
            await asyncio.sleep(0)
            blocked = asyncio.get_running_loop().run_in_executor(None, _ask_after, client, 1.5)
            time.sleep(2)  # noqa: ASYNC251 - blocking the loop is the point
            live, ready = await blocked
            await asyncio.sleep(0.1)

            assert (await get(client, "/livez")).status_code == 200
    assert (live.status_code, live.json()) == (503, {"status": "stuck"})
    assert ready.json() == {"status": "unready", "checks": {"event_loop": "stuck"}}


def _ask_after(client: httpx2.Client, seconds: float) -> tuple[httpx2.Response, httpx2.Response]:
    time.sleep(seconds)
    return client.get("/livez"), client.get("/readyz")


def test_unknown_paths_and_a_taken_port_are_said_so() -> None:
    with InternalServer(Anywhere(), Health()) as server:
        assert httpx2.get(f"{server.url}/secrets").status_code == 404
        port = int(server.url.rsplit(":", 1)[1])

        with pytest.raises(OSError, match="in use"), InternalServer(Anywhere(port=port), Health()):
            pass


def test_an_exporter_that_is_gone_does_not_hide_our_own_metrics() -> None:
    with serving(Health(), "http://127.0.0.1:9/metrics") as client:
        answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "fulfillment_event_loop_lag_seconds" in answer.text


def test_the_sdk_runtimes_of_several_processes_find_ports_of_their_own() -> None:
    # Both runtimes are kept: a runtime nobody holds takes its exporter along.
    runtimes = [sdk_runtime(process) for process in "ab"]

    addresses = {address for _, address in runtimes}
    assert len(addresses) == 2
    for address in addresses:
        assert httpx2.get(address).status_code == 200
