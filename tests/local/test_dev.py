"""
`fulfillment dev` as `make up` runs it: every process real, and everybody told how to call the API.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fulfillment.api_key import ApiKey
from fulfillment.cli.dev import _welcome
from fulfillment.local.callers import APPROVERS, CALLERS
from fulfillment.local.endpoints import FILE_NAME, Endpoints

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

MAY: dict[str, dict[str, int]] = {
    # What a caller gets for: its orders, the shelf, what waits for an operator, an article put on the shelf.
    "shop": {"orders": 200, "inventory": 200, "attention": 403, "put": 403},
    "operator": {"orders": 200, "inventory": 200, "attention": 200, "put": 201},
    "admin": {"orders": 200, "inventory": 200, "attention": 200, "put": 201},
    **{name: {"orders": 200, "inventory": 403, "attention": 403, "put": 403} for name in APPROVERS},
    "customer": {"orders": 200, "inventory": 403, "attention": 403, "put": 403},
    "nobody": {"orders": 401, "inventory": 401, "attention": 401, "put": 401},
}


@contextmanager
def dev(state: Path) -> Iterator["subprocess.Popen[str]"]:
    """A stack whose output is read by a program."""
    command = [sys.executable, "-m", "fulfillment", "dev", "--free-ports", "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(process: "subprocess.Popen[str]", event: str) -> tuple[dict[str, Any], str]:
    """The first line of this event, and all that was said until then."""
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        record = json.loads(line) if line.startswith("{") else {}
        if record.get("event") == event:
            return record, said
    pytest.fail(f"it ended: {said}")


def answers(api: str, name: str, key: str | None) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.Client(base_url=f"{api}/v1", headers=headers, timeout=30, trust_env=False) as client:
        found = {path: client.get(path).status_code for path in ("orders", "inventory", "attention")}
        return found | {"put": client.put(f"inventory/OF-{name}", json={"on_hand": 1}).status_code}


def test_whoever_follows_what_it_prints_is_let_in_and_no_key_is_printed_or_logged(tmp_path: Path) -> None:
    state = tmp_path / "a state"
    with dev(state) as process:
        hint, said = told(process, "api_keys")
        endpoints = Endpoints.read(state)
        shell = f'{hint["try"][0]}\nprintf %s "$SHOP"'
        key = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
        found = {name: answers(endpoints.api, name, endpoints.api_keys.get(name)) for name in MAY}
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=60)[0]

    assert process.returncode == 0, said
    assert (hint["callers"], hint["file"]) == (list(endpoints.api_keys), str(state / "endpoints.json"))
    assert hint["try"][1] == f'curl -H "Authorization: Bearer $SHOP" {endpoints.api}/v1/orders'
    assert key == endpoints.api_keys["shop"]
    assert found == MAY
    logs = said + "".join(log.read_text(errors="replace") for log in (state / "logs").iterdir())
    assert [name for name, key in endpoints.api_keys.items() if key in logs] == []


def test_on_a_terminal_people_are_told_the_same_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    file, endpoints = tmp_path / FILE_NAME, an_endpoint()

    _welcome(file, endpoints)

    said = capsys.readouterr().out
    assert f'  curl -H "Authorization: Bearer $SHOP" {endpoints.api}/v1/orders' in said
    assert f"of {', '.join(endpoints.api_keys)}: in {file}" in said
    assert [name for name, key in endpoints.api_keys.items() if key in said] == []


def an_endpoint() -> Endpoints:
    keys = {name: ApiKey.new().text for name in CALLERS}
    addresses = dict.fromkeys(
        ("api", "docs", "temporal", "temporal_namespace", "temporal_ui", "sandbox", "database_dsn"), "http://here"
    )
    return Endpoints(**addresses, metrics={}, api_keys=keys, carrier_secret="whsec_hidden", pids={})
