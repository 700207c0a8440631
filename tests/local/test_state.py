"""
What a local stack keeps in its state folder, and which ports it may take.
"""

import json
import os
import socket
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from fulfillment.api_key import ApiKey
from fulfillment.local.callers import CALLERS
from fulfillment.local.endpoints import Endpoints
from fulfillment.local.errors import StackError
from fulfillment.local.ports import Ports, free_ports
from fulfillment.local.state import load_secrets, owned

ENDPOINTS = Endpoints(
    api="http://127.0.0.1:8000",
    docs="http://127.0.0.1:8000/docs",
    temporal="127.0.0.1:7233",
    temporal_namespace="default",
    temporal_ui="http://127.0.0.1:8233",
    sandbox="http://127.0.0.1:8090",
    database_dsn="postgresql://postgres@/fulfillment?host=/tmp",
    metrics={"api": "http://127.0.0.1:9000/metrics"},
    api_keys={},
    carrier_secret="whsec_",
    pids={"api": 7},
)


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)

    assert load_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_every_role_has_an_api_key_of_its_own(tmp_path: Path) -> None:
    keys = load_secrets(tmp_path).api_keys

    assert keys.keys() == CALLERS.keys()
    assert len(set(keys.values())) == len(keys)
    assert all(ApiKey.read(key) for key in keys.values())


def test_an_older_folder_gets_the_keys_it_lacks_and_keeps_what_it_has(tmp_path: Path) -> None:
    old = asdict(load_secrets(tmp_path))
    kept = old["api_keys"]["admin"]
    old["api_keys"] = {"shop": "kUx0mL4v_of-an-earlier-release", "admin": kept}
    (tmp_path / "secrets.json").write_text(json.dumps(old))

    found = load_secrets(tmp_path)

    assert all(ApiKey.read(key) for key in found.api_keys.values())
    assert (len(found.api_keys), found.api_keys["admin"]) == (len(CALLERS), kept)
    assert (found.encryption_keys, found.carrier_secret) == (old["encryption_keys"], old["carrier_secret"])
    assert load_secrets(tmp_path) == found


def test_a_folder_from_before_keys_gets_all_of_them(tmp_path: Path) -> None:
    old = asdict(load_secrets(tmp_path))
    del old["api_keys"]
    (tmp_path / "secrets.json").write_text(json.dumps(old))

    assert len(load_secrets(tmp_path).api_keys) == len(CALLERS)


def test_secrets_are_never_the_same_for_two_folders_or_two_purposes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = load_secrets(tmp_path), load_secrets(tmp_path / "other")

    assert len({first.encryption_keys, first.fingerprint_keys, second.encryption_keys, second.fingerprint_keys}) == 4


def test_damaged_secrets_are_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"encryption_keys": "loc')

    with pytest.raises(StackError, match=r"secrets.json is damaged: restore it, or delete the whole folder"):
        load_secrets(tmp_path)

    assert (tmp_path / "secrets.json").read_text() == '{"encryption_keys": "loc'


def test_a_second_owner_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    with (
        owned(tmp_path),
        pytest.raises(StackError, match=rf"already runs in .* \(pid {os.getpid()}\)"),
        owned(tmp_path),
    ):
        pass

    with owned(tmp_path):
        pass


def test_an_unusable_state_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StackError, match="choose another one with --state"), owned(tmp_path / "file"):
        pass


def test_endpoints_read_back_as_written_and_are_private(tmp_path: Path) -> None:
    ENDPOINTS.write(tmp_path)

    assert Endpoints.read(tmp_path) == ENDPOINTS
    assert [path.name for path in tmp_path.iterdir()] == ["endpoints.json"]
    assert stat.S_IMODE((tmp_path / "endpoints.json").stat().st_mode) == 0o600


def test_a_taken_port_is_refused_with_its_number_its_purpose_and_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        api, temporal, sandbox = free_ports(3)

        with pytest.raises(StackError) as refused:
            Ports(api=api, temporal=temporal, temporal_ui=taken, sandbox=sandbox).check()

    assert str(refused.value) == (
        f"port {taken} (for temporal ui): already in use. Stop what listens there, or start with --free-ports"
    )


def test_free_ports_differ_and_are_free() -> None:
    ports = Ports.free()

    ports.check()
    assert len({ports.api, ports.temporal, ports.temporal_ui, ports.sandbox}) == 4


def test_ports_that_are_chosen_but_not_taken_yet_are_not_chosen_again() -> None:
    # All but four of the range are spoken for: only luck would find just these without looking.
    ports = Ports.free()
    spoken_for = set(range(1, 65536)) - set(free_ports(4, besides=ports.numbers))

    assert not spoken_for.isdisjoint(ports.numbers)
    assert set(free_ports(4, besides=spoken_for)).isdisjoint(spoken_for)
