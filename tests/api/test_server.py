"""
The API process: how it starts, drains and counts.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY

from fulfillment.api.server import listening
from fulfillment.bootstrap import internal_server
from fulfillment.process import CannotListen
from fulfillment.settings import Settings
from fulfillment.telemetry.health import Health
from fulfillment.telemetry.internal import InternalServer
from tests.api.bodies import a_key, an_order
from tests.fixtures.identity import TESTER_KEY, bearing
from tests.fixtures.settings import MakeSettings


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Settings, temporal_server: str, folder: Path, port: int) -> Mapping[str, str]:
    """What the process needs to find its servers."""
    profiles = folder / "temporal.toml"
    profiles.write_text(f'[profile.tests]\naddress = "{temporal_server}"\nnamespace = "default"\n')
    return {
        "PATH": os.environ["PATH"],
        "TEMPORAL_CONFIG_FILE": str(profiles),
        "TEMPORAL_PROFILE": "tests",
        "FULFILLMENT_DATABASE__URL": settings.database.url.get_secret_value(),
        "FULFILLMENT_ENCRYPTION__KEYS": settings.encryption.keys.get_secret_value(),
        "FULFILLMENT_API__PORT": str(port),
        "FULFILLMENT_API__FINGERPRINT_KEYS": settings.api.fingerprint_keys.get_secret_value(),
        "FULFILLMENT_INTERNAL__PORT": "0",
        "FULFILLMENT_PAYMENTS__URL": settings.payments.url,
        "FULFILLMENT_CARRIERS__URL": settings.carriers.url,
        "FULFILLMENT_CARRIERS__WEBHOOK_SECRET": settings.carriers.webhook_secret.get_secret_value(),
    }


@asynccontextmanager
async def api_process(variables: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fulfillment", "api", env=dict(variables), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answering(client: httpx2.AsyncClient) -> None:
    """Wait for the first answer."""
    while True:
        try:
            await client.get("/v1/orders")
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_told_to_stop_finishes_open_requests_and_exits_with_0(
    settings: Settings, temporal_server: str, tmp_path: Path, stop: signal.Signals
) -> None:
    port = a_free_port()
    async with (
        api_process(environment(settings, temporal_server, tmp_path, port)) as process,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, headers=bearing(TESTER_KEY)
        ) as client,
    ):
        async with asyncio.timeout(30):
            await answering(client)
        headers = {**a_key(), "Prefer": "wait=25"}
        waiting = asyncio.create_task(client.post("/v1/orders", json=an_order(), headers=headers))
        await asyncio.sleep(1)
        process.send_signal(stop)
        answer = await asyncio.wait_for(waiting, 5)
        code = await asyncio.wait_for(process.wait(), 10)
        logged = (await process.stderr.read()).decode() if process.stderr else ""

    assert answer.status_code == 202
    assert code == 0, logged
    assert [word for word in ("api_started", "api_draining", "api_stopped") if word not in logged] == []
    assert "Traceback" not in logged


def test_a_port_that_is_taken_is_named_with_the_way_out(make_settings: MakeSettings) -> None:
    with listening(make_settings().api) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port} .*FULFILLMENT_API__PORT"),
            listening(make_settings(api={"port": port}).api),
        ):
            pass


def test_a_port_of_probes_that_is_taken_is_named_with_the_way_out(make_settings: MakeSettings) -> None:
    with listening(make_settings().api) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port} .*FULFILLMENT_INTERNAL__PORT"),
            internal_server(make_settings(internal={"port": port}).internal, Health(), ""),
        ):
            pass


async def test_probes_and_metrics_do_not_exist_for_callers(api: httpx2.AsyncClient) -> None:
    for path in ("/metrics", "/livez", "/readyz", "/healthz", "/v1/metrics", "/metrics/", "//metrics"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_the_port_of_probes_answers_nothing_of_the_api(make_settings: MakeSettings) -> None:
    with InternalServer(make_settings().internal, Health()) as server:
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False, headers=bearing(TESTER_KEY)) as client:
            found = {path: (await client.get(path)).status_code for path in ("/livez", "/metrics")}
            read = [await client.get(path) for path in ("/", "/v1/orders", "/v1/inventory", "/openapi.json", "/docs")]
            placed = await client.post("/v1/orders", json=an_order(), headers=a_key())

    assert found == {"/livez": 200, "/metrics": 200}
    assert [answer.status_code for answer in read] == [404] * 5
    assert placed.status_code == 501


async def test_requests_are_counted_by_route_and_never_by_address(api: httpx2.AsyncClient) -> None:
    def counted(route: str, status: str) -> float:
        labels = {"method": "GET", "route": route, "status": status}
        return REGISTRY.get_sample_value("fulfillment_http_requests_total", labels) or 0

    template, unmatched = counted("/v1/orders/{order_id}", "404"), counted("unmatched", "404")
    await api.get("/v1/orders/none")
    await api.get("/wp-login.php")

    assert counted("/v1/orders/{order_id}", "404") == template + 1
    assert counted("unmatched", "404") == unmatched + 1
