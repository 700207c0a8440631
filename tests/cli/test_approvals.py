"""
`fulfillment approvals`: the inbox, decisions and delegations, as people and scripts use them.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from rich.console import Console
from typer.testing import Result

from fulfillment.cli.approval_inbox import table_of
from fulfillment.local.endpoints import Endpoints
from fulfillment.settings import Settings
from tests.api.approving import TOGETHER, TWO_LEVELS, Office, an_office, office_settings
from tests.cli.running import command
from tests.fixtures.identity import TESTER_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings_of_office(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with office_settings(postgres_server, tmp_path_factory.mktemp("sandbox"), TOGETHER) as settings:
        yield settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(settings_of_office: Settings) -> AsyncIterator[Office]:
    async with an_office(settings_of_office) as office:
        yield office


@pytest.fixture
def folder(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a local stack that has keys of everybody; the command is run in it, as the tester at first."""
    keys = {name: client.headers["authorization"].removeprefix("Bearer ") for name, client in office.people.items()}
    base = str(office.api.base_url)
    state = tmp_path / ".local"
    state.mkdir()
    nowhere = dict.fromkeys(("docs", "temporal", "temporal_ui", "sandbox", "database_dsn", "carrier_secret"), "")
    Endpoints(api=base, temporal_namespace="default", metrics={}, pids={}, api_keys=keys, **nowhere).write(state)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILLMENT_API_KEY", TESTER_KEY.text)
    monkeypatch.delenv("FULFILLMENT_API_URL", raising=False)
    return tmp_path


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


async def run(*arguments: str, by: str | None = None) -> Result:
    """What `fulfillment approvals` says to somebody; nobody in particular: to whom the environment names."""
    return await command("approvals", *arguments, *(("--as", by) if by else ()))


def told(result: Result) -> Any:
    """What it says to scripts."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def row_of(result: Result, name: str) -> str:
    """The line of a table that has this in it."""
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.stdout.splitlines() if name in line)
    return row


@pytest.mark.usefixtures("folder")
async def test_an_order_is_found_shown_and_approved_by_two_people(office: Office) -> None:
    path, approval = await office.ask()
    order_id, approval_id = id_of(path), id_of(approval)

    table = await run("list", "--mine", by="mia")
    order = await command("orders", "show", order_id)
    first = await run("approve", order_id, "--comment", "within the [b]budget[/b]", by="mia")
    shown = await run("show", approval_id)
    last = await run("approve", approval_id, "--json", by="max")
    closed = await run("list", "--status", "approved", "--order", order_id, "--json")

    for words in ("148.50 EUR", "manager 0/2", "in 6 d"):
        assert words in row_of(table, approval_id)
    waits = row_of(order, "waits for manager since ")
    assert waits.rstrip().endswith(f"s, due in 6 d  (fulfillment approvals show {approval_id})")
    assert first.stdout == (
        f"Written down: approve. Order {order_id}, 148.50 EUR: the approval is pending.\n"
        "  1 more vote is needed at the level manager\n"
    )
    for words in ("within the [b]budget[/b]", "key:mia", "1/2", "approval_requested", "approval_decided"):
        assert words in shown.stdout
    assert told(last) == {"status": "approved", "missing": []}
    assert [item["id"] for item in told(closed)["items"]] == [approval_id]
    await office.shopper.becomes(path, "awaiting_shipment")


async def test_an_approval_has_its_whole_id_and_total_on_a_narrow_terminal(office: Office) -> None:
    _, approval = await office.ask()
    narrow = Console(width=80, file=StringIO())
    with narrow.capture() as captured:
        narrow.print(table_of([await office.read(approval)]))

    (row,) = (line for line in captured.get().splitlines() if id_of(approval) in line)
    assert all(words in row for words in ("148.50 EUR", "manager 0/2", "in 6 d"))


@pytest.mark.usefixtures("folder")
async def test_the_list_has_what_is_open_unless_something_else_is_asked(office: Office) -> None:
    open_path, _ = await office.ask(TWO_LEVELS)
    closed_path, closed = await office.ask()
    await office.decide("mia", closed, "reject")
    await office.becomes(closed, "rejected")

    async def orders(*arguments: str, by: str | None = None) -> set[str]:
        ours = {id_of(open_path), id_of(closed_path)}
        return {item["order_id"] for item in told(await run("list", "--json", *arguments, by=by))["items"]} & ours

    one, two = {id_of(open_path)}, {id_of(closed_path)}
    assert await orders() == one
    assert await orders("--all") == one | two
    assert await orders("--status", "rejected") == two
    assert await orders("--order", id_of(closed_path)) == two
    assert await orders("--role", "director") == one
    assert await orders("--role", "vp") == set()
    assert await orders("--due-before", "24h") == set()
    assert await orders("--due-before", "30d") == one
    assert await orders("--mine", by="dora") == one
    assert (await run("list", "--mine", by="otto")).stdout == "Nothing waits for you.\n"


@pytest.mark.usefixtures("folder")
async def test_a_vote_is_taken_back_and_another_one_given(office: Office) -> None:
    path, approval = await office.ask()
    await run("abstain", id_of(path), by="mia")
    again = await run("approve", id_of(path), by="mia")
    back = await run("withdraw", id_of(path), by="mia")
    nothing = await run("withdraw", id_of(path), "--json", by="mia")
    rejected = await run("reject", id_of(path), "--comment", "too dear", by="mia")
    late = await run("approve", id_of(path), by="max")

    assert (again.exit_code, again.stderr.splitlines()[-1]) == (
        1,
        f"Take it back first: fulfillment approvals withdraw {id_of(approval)}",
    )
    assert back.stdout.startswith(
        f"Withdrawn. Order {id_of(path)}, 148.50 EUR: the approval is pending.\n  2 more votes"
    )
    assert (nothing.exit_code, nothing.stdout, "nothing_to_withdraw" in nothing.stderr) == (1, "", True)
    assert rejected.stdout.endswith("the approval is rejected.\nThe order is not carried out.\n")
    assert (late.exit_code, "approval_closed" in late.stderr) == (1, True)
    await office.shopper.becomes(path, "rejected")


@pytest.mark.usefixtures("folder")
async def test_the_same_key_gives_the_same_answer_and_no_second_vote(office: Office) -> None:
    path, approval = await office.ask()
    first = await run("approve", id_of(path), "--key", "cli-1", "--json", by="mia")
    again = await run("approve", id_of(path), "--key", "cli-1", "--json", by="mia")

    assert told(first) == told(again)
    assert len((await office.read(approval))["votes"]) == 1


@pytest.mark.usefixtures("folder")
async def test_an_operator_lets_another_role_decide(office: Office) -> None:
    path, approval = await office.ask()
    asked = ("reassign", id_of(path), "--level", "manager", "--role", "vp", "--reason", "both are away")
    refused, moved = await run(*asked, by="vera"), await run(*asked)
    shown = await run("show", id_of(approval))
    wrong = await run("reassign", id_of(path), "--level", "ceo", "--role", "vp", "--reason", "r")

    assert (refused.exit_code, "operations" in refused.stderr) == (1, True)
    assert moved.stdout.startswith("Level manager now waits for vp. Order ")
    assert "vp" in row_of(shown, "waits for ")
    assert (wrong.exit_code, "level" in wrong.stderr) == (1, True)
    assert (await run("approve", id_of(path), by="vera")).exit_code == 0


@pytest.mark.usefixtures("folder")
async def test_somebody_decides_for_somebody_else_until_that_is_over(office: Office) -> None:
    path, approval = await office.ask()
    stranger = await run("approve", id_of(path), by="otto")
    given = await run("delegate", "otto", "--until", "14d", by="mia")
    mine, theirs = await run("delegations", by="mia"), await run("delegations", "--json", by="otto")
    decided = await run("approve", id_of(path), "--on-behalf-of", "mia", by="otto")
    ended = await run("undelegate", "otto", by="mia")
    over = await run("delegations", by="otto")

    assert (stranger.exit_code, "not_an_approver" in stranger.stderr, "--as NAME" in stranger.stderr) == (1, True, True)
    assert given.stdout.startswith("key:otto decides for you as manager from ")
    assert "valid" in row_of(mine, "key:otto")
    (received,) = told(theirs)["received"]
    length = datetime.fromisoformat(received["until"]) - datetime.fromisoformat(received["from"])
    assert timedelta(days=14, minutes=-1) < length <= timedelta(days=14)
    assert decided.exit_code == 0, decided.output
    assert ended.stdout == "key:otto does not decide for key:mia any more.\n"
    assert "revoked" in row_of(over, "key:otto")
    assert [(vote["actor"], vote["on_behalf_of"]) for vote in (await office.read(approval))["votes"]] == [
        ("key:otto", "key:mia")
    ]


@pytest.mark.usefixtures("folder")
async def test_a_delegation_may_begin_later_with_some_roles_and_be_ended_by_its_id() -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    until = (tomorrow + timedelta(days=30)).isoformat()
    times = ("--from", tomorrow.isoformat(), "--until", until, "--role", "director")
    given = told(await run("delegate", "jwt:https://issuer.example#ada", *times, "--json", by="both"))
    listed = await run("delegations", by="both")
    ended = told(await run("undelegate", given["id"], "--json"))

    assert given["roles"] == ["director"]
    assert (given["from"], given["until"]) == (f"{tomorrow}T00:00:00Z", f"{until}T00:00:00Z")
    assert "not yet" in row_of(listed, "issuer.example")
    assert (ended["id"], ended["revoked_at"] is None) == (given["id"], False)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", str(uuid4())), 1, "that needed one"),
        (("show", "KETTLE"), 2, "UUID"),
        (("list", "--as", "nobody"), 2, "the local stack has no key for nobody, only"),
        (("list", "--as", "mia", "--api", "http://127.0.0.1:1"), 2, "no local stack"),
        (("list", "--status", "open"), 2, "pending"),
        (("delegate", "otto", "--until", "soon"), 2, "Invalid value for '--until': is like 24h"),
        (("delegate", "otto", "--until", "2020-01-31"), 2, "future"),
        (("delegate", "otto", "--until", "9999d", "--as", "mia"), 1, "366 days"),
        (("delegate", "otto", "--until", "1d", "--from", "later"), 2, "Invalid value for '--from'"),
        (("list", "--due-before", "yesterday"), 2, "Invalid value for '--due-before'"),
        (("approve", str(uuid4()), "--key", "schl\u00fcssel"), 2, "1 to 255 visible ASCII characters"),
        (("approve", str(uuid4()), "--key", " "), 2, "Invalid value for '--key'"),
        (("policy", "--as", "nobody"), 2, "the local stack has no key for nobody, only"),
        (("delegate", "nobody", "--until", "1d", "--as", "mia"), 1, "delegate: there is no caller"),
        (("delegate", "mia", "--until", "1d", "--as", "mia"), 1, "delegate: must be somebody else"),
        (("undelegate", "vera", "--as", "mia"), 1, "You have delegated nothing to key:vera."),
        (("undelegate", str(uuid4()), "--as", "mia"), 1, "not_found"),
    ],
)
async def test_what_cannot_be_done_says_why(arguments: tuple[str, ...], code: int, words: str) -> None:
    result = await run(*arguments)

    assert result.exit_code == code
    assert words in " ".join(result.stderr.replace("│", " ").split())
