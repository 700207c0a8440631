"""
`fulfillment keys`: from the first key of an empty service to the last one revoked.
"""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from fulfillment.api_key import ApiKey
from fulfillment.db import migrate, principals
from fulfillment.db.engine import Database
from fulfillment.domain.identity import Scope
from fulfillment.local.endpoints import Endpoints
from tests.cli.running import Run, command
from tests.fixtures.identity import TESTER_KEY, calling

URL = "FULFILLMENT_DATABASE__URL"
SHOP = ("keys", "create", "shop", "--scope", "orders:place", "--scope", "orders:read")


@pytest.fixture
def keys(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command beside the database of the test, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(URL, database_url)
    return command


async def made(run: Run, *arguments: str) -> dict[str, Any]:
    """What a command says to scripts."""
    result = await run(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document: dict[str, Any] = json.loads(result.stdout)
    return document


async def is_good(database: Database, key: str) -> bool:
    async with database.statement() as connection:
        return await principals.find(connection, ApiKey(key)) is not None


async def test_a_key_of_the_command_opens_what_its_scopes_say(keys: Run, api: httpx2.AsyncClient) -> None:
    document = await made(keys, "keys", "create", "reader", "--scope", "inventory:read")
    caller = calling(api, ApiKey(document["key"]))

    assert (await caller.get("/v1/inventory")).status_code == 200
    assert (await caller.get("/v1/orders")).status_code == 403


async def test_a_key_is_printed_once_and_shown_by_its_prefix_ever_after(keys: Run) -> None:
    created = await keys(*SHOP, "--role", "manager", "--expires", "90d")
    listed = [await keys("keys", "list", *options) for options in ([], ["--all"], ["--json"])]
    key = next(ApiKey(word) for word in created.stdout.split() if ApiKey.read(word))

    assert created.exit_code == 0
    assert "it is not shown again" in created.stdout
    for result in listed:
        assert key.prefix in result.stdout
        assert key.text[len(key.prefix) :] not in result.stdout
    end = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"
    for words in ("shop", "good", "orders:place", "orders:read", "as manager", end):
        assert words in listed[0].stdout


async def test_scripts_get_all_there_is_to_know(keys: Run) -> None:
    document = await made(keys, *SHOP, "--expires", "2999-01-31")
    (item,) = document["items"]

    assert ApiKey(document["key"]).prefix == document["prefix"] == item["prefix"]
    assert item.pop("created_at").endswith("Z")
    assert item == {
        "name": "shop",
        "prefix": document["prefix"],
        "state": "good",
        "scopes": ["orders:place", "orders:read"],
        "roles": [],
        "customer_id": None,
        "expires_at": "2999-01-31T00:00:00Z",
        "revoked_at": None,
        "last_used_at": None,
    }


async def test_a_rotated_key_goes_on_for_a_day_or_as_long_as_is_said(keys: Run, database: Database) -> None:
    first = (await made(keys, *SHOP))["key"]
    second = await made(keys, "keys", "rotate", "shop")
    in_overlap = await is_good(database, first), await is_good(database, second["key"])
    end = datetime.fromisoformat(second["items"][0]["expires_at"])
    third = await made(keys, "keys", "rotate", "shop", "--overlap", "0h")

    assert in_overlap == (True, True)
    assert timedelta(0) <= datetime.now(UTC) + timedelta(days=1) - end < timedelta(minutes=1)
    assert [await is_good(database, key) for key in (first, second["key"], third["key"])] == [False, False, True]


async def test_a_caller_or_a_single_key_is_revoked_and_a_found_key_may_be_named_as_it_is(
    keys: Run, database: Database
) -> None:
    texts = [(await made(keys, *SHOP))["key"]]
    texts += [(await made(keys, "keys", "rotate", "shop"))["key"] for _ in range(3)]
    by_prefix = await keys("keys", "revoke", ApiKey(texts[0]).prefix)
    by_text = await keys("keys", "revoke", texts[1])
    after_keys = [await is_good(database, key) for key in texts]
    everything = await made(keys, "keys", "revoke", "shop")
    again = await keys("keys", "revoke", "shop")
    rotated = await keys("keys", "rotate", "shop")
    reused = await keys(*SHOP)
    listed, every = await made(keys, "keys", "list"), await made(keys, "keys", "list", "--all")

    assert by_prefix.stdout.startswith(f"Revoked: {ApiKey(texts[0]).prefix}\n")
    assert texts[1] not in by_text.stdout
    assert after_keys == [False, False, True, True]
    assert {item["state"] for item in everything["items"]} == {"revoked"}
    assert (again.exit_code, rotated.exit_code, reused.exit_code) == (0, 1, 1)
    assert rotated.stderr == "the caller shop was revoked for ever; create one with another name.\n"
    assert "a name is never given again" in reused.stderr
    assert [item["name"] for item in listed["items"]] == ["tests"]
    assert len(every["items"]) == 5


async def test_who_is_bound_to_a_customer_gets_no_more_than_customers_may(keys: Run) -> None:
    bound = await made(keys, "keys", "create", "ada", "--scope", "orders:read", "--customer", " C-1 ")
    greedy = await keys("keys", "create", "bob", "--scope", "orders:place", "--customer", "C-1")
    nobody = await keys("keys", "create", "bob", "--scope", "orders:read", "--customer", " ")

    assert bound["items"][0]["customer_id"] == "C-1"
    assert "for customer C-1 alone" in (await keys("keys", "list")).stdout
    assert (greedy.exit_code, nobody.exit_code) == (2, 2)
    assert "no more than orders:change, orders:read" in greedy.stderr
    assert "1 to 100 characters" in nobody.stderr


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["create", "shop"], "orders:place"),
        (["create", "shop", "--scope", "everything"], "'approvals:decide', 'operations'"),
        (["create", "Shop!", "--scope", "admin"], "1 to 63 of a-z, 0-9"),
        (["create", "ful_abcdefgh", "--scope", "admin"], "does not begin with ful_"),
        (["create", "shop", "--scope", "admin", "--role", "a b"], "a role has 1 to 63"),
        (["create", "shop", "--scope", "admin", "--expires", "soon"], "24h, 90d or 2027-01-31"),
        (["create", "shop", "--scope", "admin", "--expires", "2027-02-30"], "24h, 90d or 2027-01-31"),
        (["create", "shop", "--scope", "admin", "--expires", "2020-01-01"], "must be in the future"),
        (["create", "shop", "--scope", "admin", "--expires", "0d"], "must be in the future"),
        (["create", "shop", "--scope", "admin", "--expires", "99999d"], "24h, 90d or 2027-01-31"),
        (["rotate", "shop", "--overlap", "-1h"], "like 24h or 90d"),
        (["rotate", "shop", "--overlap", "2027-01-31"], "like 24h or 90d"),
        (["revoke"], "NAME_OR_PREFIX"),
    ],
)
async def test_wrong_usage_ends_with_two_and_says_what_is_allowed(
    keys: Run, arguments: list[str], allowed: str
) -> None:
    result = await keys("keys", *arguments)
    said = " ".join(result.stderr.replace("│", "").split())

    assert (result.exit_code, result.stdout) == (2, "")
    assert allowed in said
    assert [item["name"] for item in (await made(keys, "keys", "list", "--all"))["items"]] == ["tests"]


async def test_who_is_not_there_is_a_failure(keys: Run) -> None:
    rotated = await keys("keys", "rotate", "nobody")
    revoked = await keys("keys", "revoke", "nobody")
    prefix = await keys("keys", "revoke", "ful_nobody22")

    assert (rotated.exit_code, revoked.exit_code, prefix.exit_code) == (1, 1, 1)
    assert rotated.stderr == revoked.stderr == "there is no caller nobody.\n"
    assert prefix.stderr == "there is no key ful_nobody22.\n"


async def test_a_whole_key_with_a_slip_in_it_is_not_repeated(keys: Run) -> None:
    key = (await made(keys, *SHOP))["key"]
    slips = (
        key[:-1],
        f"{key}x",
        key.upper(),
        key[4:],
        key[1:],
        f"Bearer {key}",
        f"ful_{key}",
        f"ful-{key[4:].lower()}",
    )
    for slip in slips:
        for action in ("revoke", "rotate"):
            result = await keys("keys", action, slip)
            assert result.exit_code == 1
            assert result.stdout == ""
            assert result.stderr in {f"there is no {what} {slip[:12]}[...].\n" for what in ("caller", "key")}


async def test_a_database_that_is_away_too_old_or_closed_to_us_is_told_in_a_sentence(
    keys: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {}
    await asyncio.to_thread(migrate.upgrade, empty_database_url, "0002")
    for case, url in {
        "away": "postgresql://nobody@127.0.0.1:1/nothing",
        "nowhere": "postgresql://nobody@nowhere.invalid/nothing",
        "too old": empty_database_url,
        "not there": empty_database_url.replace("/test_", "/gone_"),
    }.items():
        monkeypatch.setenv(URL, url)
        result = await keys("keys", "list")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        says[case] = result.stderr

    for case in ("away", "nowhere"):
        assert says[case].startswith("The database does not answer (")
        assert says[case].endswith(f"). Does it run, and does {URL} name it?\n")
    assert says["too old"] == "The schema of the database is too old: run `fulfillment db upgrade`.\n"
    assert "does not exist" in says["not there"]


async def test_without_a_database_named_the_local_stack_is_asked(
    keys: Run, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL)
    without = await keys("keys", "list")
    endpoints = dict.fromkeys(Endpoints.__dataclass_fields__, "") | {"database_dsn": database_url}
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "endpoints.json").write_text(json.dumps(endpoints))
    local = await made(keys, "keys", "list")
    monkeypatch.setenv(URL, "postgresql://nobody@127.0.0.1:1/nothing")
    named = await keys("keys", "list")

    assert without.exit_code == 2
    assert without.stderr.startswith(f"{URL}: is not set")
    assert [item["prefix"] for item in local["items"]] == [TESTER_KEY.prefix]
    assert named.exit_code == 1


def test_the_command_needs_one_setting_and_leaves_no_trace_of_the_key_in_its_errors(database_url: str) -> None:
    environment = {"PATH": os.environ["PATH"], URL: database_url}
    process = [sys.executable, "-m", "fulfillment", *SHOP, "--json"]
    result = subprocess.run(process, env=environment, capture_output=True, check=True, text=True)

    assert result.stderr == ""
    assert ApiKey.read(json.loads(result.stdout)["key"])


async def test_every_scope_can_be_given(keys: Run, database: Database) -> None:
    options = [word for scope in Scope for word in ("--scope", scope)]
    document = await made(keys, "keys", "create", "admin", *options)
    async with database.statement() as connection:
        known = await principals.find(connection, ApiKey(document["key"]))
        count = (await connection.execute(text("SELECT count(*) FROM principals"))).scalar()

    assert known is not None
    assert known.principal.scopes == set(Scope)
    assert count == 2
