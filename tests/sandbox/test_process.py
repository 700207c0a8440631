import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError

from fulfillment.sandbox import SandboxSettings, run
from tests.sandbox.running import NOWHERE, SECRET, Receiver, SandboxClient, running_sandbox, settings_for, until

PROGRAM = "from fulfillment.sandbox import SandboxSettings, run; raise SystemExit(run(SandboxSettings()))"
PREFIX = "FULFILLMENT_SANDBOX__"


@contextmanager
def process(state: Path, port: int, events_url: str = NOWHERE) -> Iterator[subprocess.Popen[bytes]]:
    own = {"STATE": str(state), "PORT": str(port), "EVENTS_URL": events_url, "CARRIER_SECRET": SECRET, "TRANSIT": "0"}
    environment = {**os.environ, **{PREFIX + name: value for name, value in own.items()}}
    started = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def answers(client: SandboxClient) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_killed_sandbox_keeps_its_state_and_a_stopped_one_exits_with_0(receiver: Receiver, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state = tmp_path / "new folder" / "state.db"
    with SandboxClient(base_url=f"http://127.0.0.1:{port}") as client:
        with process(state, port) as first:
            until(lambda: answers(client), 30)
            before = client.authorize(key="k", order_id="o")
            client.booked(order_id="o")
            client.post("/parcels/advance")
            client.put("/control", json={"void": {"down": True}})
            first.send_signal(signal.SIGKILL)
            first.wait()
        with process(state, port, receiver.url) as second:
            until(lambda: answers(client), 30)
            assert client.authorize(key="k", order_id="o").content == before.content
            assert client.ledger("o") == [("authorize", "succeeded")]
            assert client.parcels("o")[0]["status"] == "picked_up"
            assert client.get("/control").json()["void"]["down"] is True
            until(lambda: len(receiver.requests) == 1)
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=5) == 0


def test_a_late_authorization_is_done_after_a_restart(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "state.db", late_after=0.5)
    with running_sandbox(settings) as sandbox, pytest.raises(httpx2.RemoteProtocolError):
        sandbox.authorize("tok_late", "k")
    with running_sandbox(settings) as sandbox:
        until(lambda: sandbox.get("/payments/operations/k").status_code == 200)


def test_a_taken_port_ends_the_sandbox_with_1_and_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(settings_for(tmp_path / "state.db", port=port)) == 1
    (reason,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert str(port) in reason.getMessage()
    assert reason.exc_info is None


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0.5", 0.5), ("PT5S", 5)])
def test_durations_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv(PREFIX + "TRANSIT", text)
    monkeypatch.setenv(PREFIX + "CARRIER_SECRET", SECRET)
    assert SandboxSettings().transit.total_seconds() == seconds


@pytest.mark.parametrize("secret", ["whsec_", "not-a-secret", "whsec_é"])
def test_a_secret_that_cannot_sign_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv(PREFIX + "CARRIER_SECRET", secret)
    with pytest.raises(ValidationError) as refusal:
        SandboxSettings()
    assert "carrier_secret" in str(refusal.value)
    assert secret not in str(refusal.value).replace("`whsec_`", "")
