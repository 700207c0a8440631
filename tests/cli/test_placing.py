"""
`fulfillment orders place` with files of any size, mended files, busy services and Ctrl-C.
"""

import asyncio
import json
import shlex
import signal
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cheap_shop import Answer, CheapShop, cheap_shop
from tests.cli.running import Run, command
from tests.demo.files import a_line, written

LINES = 2_500
MOST_BYTES = 8 * 2**20


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CheapShop]:
    async with cheap_shop() as shop:
        monkeypatch.setenv("FULFILLMENT_API_URL", shop.url)
        yield shop


def counts(stdout: str) -> dict[str, int]:
    return {name: count for name, count in json.loads(stdout)["counts"].items() if count}


def refused(order: dict[str, Any]) -> Answer | None:
    if "@" in order.get("email", "@"):
        return None
    errors = [{"field": "email", "message": "must be an address"}, {"field": "lines", "message": "are too many"}]
    return 422, {}, {"code": "invalid_request", "detail": "email: must be an address", "errors": errors}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_large_file_takes_no_more_memory_than_a_small_one_and_never_more_requests_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "orders.jsonl").open("w") as file:
        for number in range(LINES):
            file.write(json.dumps(a_line(f"R-{number}", note="x" * 12_000)) + "\n")
    async with cheap_shop(remembers=False) as shop:
        monkeypatch.setenv("FULFILLMENT_API_URL", shop.url)
        await command("orders", "place", "-", text=json.dumps(a_line()))
        tracemalloc.start()
        result = await command("orders", "place", "orders.jsonl", "--json", "--at-once", "5")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert counts(result.stdout) == {"placed": LINES}
    assert json.loads(result.stdout)["items"] is None
    assert (tmp_path / "orders.jsonl").stat().st_size > 3 * MOST_BYTES
    assert peak < MOST_BYTES
    assert shop.most_waiting == 5


async def test_what_is_not_placed_can_be_mended_in_a_file_of_its_own_and_placed_again(
    shop: CheapShop, tmp_path: Path
) -> None:
    shop.judge = lambda _, order: refused(order)
    bad_mail, bad_total = a_line("R-2", email="nobody", colour="red"), a_line(None, total_check=1)
    file = written(tmp_path, a_line("R-1"), bad_mail, "{oops", bad_total, "", a_line("R-5"))

    first = await command("orders", "place", str(file), "--refused", "refused.jsonl", "--json")
    told = sorted(lines_of(tmp_path / "refused.jsonl"), key=lambda line: line["refused"]["line"])
    again = await command("orders", "place", "refused.jsonl", "--refused", "again.jsonl", "--json")
    told_again = lines_of(tmp_path / "again.jsonl")
    mended = [
        {**told[0], "email": "a@b.c"},
        {**told[2], "total_check": 9900},
        {"refused": {"text": json.dumps(a_line("R-3"))}},
    ]
    last = await command("orders", "place", str(written(tmp_path, *mended)), "--refused", "none.jsonl", "--json")

    assert [result.exit_code for result in (first, again, last)] == [1, 1, 0]
    assert counts(first.stdout) == {"placed": 2, "refused": 1, "bad_line": 2}
    assert counts(again.stdout) == {"refused": 1, "bad_line": 2}
    assert counts(last.stdout) == {"placed": 3}
    assert [line["refused"]["line"] for line in told] == [2, 3, 4]
    assert told == [
        {**bad_mail, "refused": {"line": 2, **(refused(bad_mail) or (0, {}, {}))[2]}},
        {"refused": told[1]["refused"]},
        {**bad_total, "refused": {**told[2]["refused"], "detail": "total_check: is 1, but the lines add up to 9900"}},
    ]
    assert (told[1]["refused"]["code"], told[1]["refused"]["text"]) == ("bad_line", "{oops")
    assert {line["refused"].get("text") for line in told_again} == {None, "{oops"}
    assert (tmp_path / "none.jsonl").read_text() == ""
    assert (tmp_path / "refused.jsonl").stat().st_mode & 0o077 == 0


async def test_the_file_of_the_orders_is_never_written_over(shop: CheapShop, tmp_path: Path) -> None:
    file = written(tmp_path, a_line())
    (tmp_path / "other.jsonl").symlink_to(file)

    for name in ("orders.jsonl", "other.jsonl", "nowhere/refused.jsonl"):
        assert (await command("orders", "place", "orders.jsonl", "--refused", name)).exit_code == 2
    assert lines_of(file) == [a_line()]
    assert not shop.keys


@pytest.mark.parametrize(
    ("arguments", "redirection"), [(["--refused", "/dev/full"], ""), ([], ">/dev/full"), (["--json"], ">/dev/full")]
)
async def test_a_full_disk_is_told_in_one_line(
    shop: CheapShop, tmp_path: Path, arguments: list[str], redirection: str
) -> None:
    shop.judge = lambda _, order: refused(order)
    file = written(tmp_path, a_line("R-1", email="nobody"))

    place = shlex.join([sys.executable, "-m", "fulfillment", "orders", "place", str(file), *arguments])
    # Buffered, as it is by default: the last of it is written when the command ends.
    process = await asyncio.create_subprocess_shell(
        f"env -u PYTHONUNBUFFERED {place} {redirection}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()

    assert process.returncode == 1
    assert len(stderr.splitlines()) == 1
    assert b"No space left on device" in stderr
    assert b"Mend" not in stdout


async def test_a_pipe_that_is_closed_is_no_mistake(shop: CheapShop, tmp_path: Path) -> None:
    file = written(tmp_path, *(a_line(f"R-{number}") for number in range(3)))

    place = shlex.join([sys.executable, "-m", "fulfillment", "orders", "place", str(file)])
    process = await asyncio.create_subprocess_shell(f"{place} | true", stderr=asyncio.subprocess.PIPE)
    _, stderr = await process.communicate()

    assert stderr == b""
    assert len(shop.keys) == 3


async def test_what_a_line_says_does_not_steer_the_terminal(shop: CheapShop, tmp_path: Path) -> None:
    file = written(tmp_path, a_line("R-\x1b]0;owned\x07\x9b2J\r\0 Zoë"))

    result = await command("orders", "place", str(file))

    assert r"R-\x1b]0;owned\x07\x9b2J\r\x00 Zoë" in result.stdout
    assert set("\x1b\x07\x9b\r\0").isdisjoint(result.stdout)


async def test_two_orders_with_one_reference_are_told_by_it(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, a_line("R-1"), a_line("R-1", email="a@b.c"))

    result = await run("orders", "place", str(file), "--at-once", "1", "--json", "--refused", "refused.jsonl")

    message = "is taken: an order of this customer has it and says something else; choose another"
    assert counts(result.stdout) == {"placed": 1, "refused": 1}
    assert json.loads(result.stdout)["items"][1]["detail"] == f"reference: {message}"
    (told,) = lines_of(tmp_path / "refused.jsonl")
    assert (told["refused"]["code"], told["refused"]["errors"]) == (
        "idempotency_key_reused",
        [{"field": "reference", "message": message}],
    )


async def test_a_busy_service_is_given_the_time_it_asks_for(shop: CheapShop, tmp_path: Path) -> None:
    busy: dict[str, int] = {}

    def judge(key: str, order: dict[str, Any]) -> Answer | None:
        busy[key] = busy.get(key, 0) + 1
        if busy[key] <= 7:
            return 429 if busy[key] % 2 else 503, {"Retry-After": "0"}, {"code": "rate_limited"}
        return None

    shop.judge = judge
    file = written(tmp_path, *(a_line(f"R-{number}") for number in range(20)))

    result = await command("orders", "place", str(file), "--json")

    assert (result.exit_code, counts(result.stdout)) == (0, {"placed": 20})
    assert set(busy.values()) == {8}
    assert set(shop.keys.values()) == {1}


async def test_ctrl_c_counts_what_is_under_way_and_the_rest_is_placed_by_the_next_run(
    shop: CheapShop, tmp_path: Path
) -> None:
    file = written(tmp_path, *(a_line(f"R-{number}") for number in range(100)))
    shop.judge = lambda *_: shop.is_open.clear() if shop.answered == 39 else None

    arguments = ("-m", "fulfillment", "orders", "place", str(file), "--json", "--at-once", "4")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    while shop.answered < 40 or shop.waiting < 4:  # noqa: ASYNC110 - what is awaited is another process
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.3)
    is_waiting = process.returncode is None
    shop.is_open.set()
    stdout, stderr = await process.communicate()
    again = await command("orders", "place", str(file), "--json")

    assert (process.returncode, is_waiting) == (1, True), stderr
    assert json.loads(stdout)["is_complete"] is False
    assert counts(stdout.decode()) == {"placed": 44}
    assert (again.exit_code, counts(again.stdout)) == (0, {"placed": 56, "placed_before": 44})
    assert b"Traceback" not in stderr


@pytest.mark.parametrize("orders", [4, 20])
async def test_a_pause_of_a_busy_service_does_not_hold_ctrl_c_up(shop: CheapShop, tmp_path: Path, orders: int) -> None:
    file = written(tmp_path, *(a_line(f"R-{number}") for number in range(orders)))
    shop.judge = lambda *_: (503, {"Retry-After": "50"}, {"code": "unavailable"})

    arguments = ("-m", "fulfillment", "orders", "place", str(file), "--at-once", "4")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    while shop.answered < 4:  # noqa: ASYNC110 - what is awaited is another process
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, _ = await asyncio.wait_for(process.communicate(), timeout=10)

    assert process.returncode == 1
    assert stdout.decode().splitlines() == [
        "no orders",
        "Stopped before the end of the file. Place it again: nothing is placed twice.",
    ]


async def test_what_was_done_is_told_when_the_service_goes_away(tmp_path: Path) -> None:
    file = written(tmp_path, *(a_line(f"R-{number}") for number in range(60)))
    async with cheap_shop() as shop:

        def judge(key: str, order: dict[str, Any]) -> Answer | None:
            if shop.answered >= 30:
                raise ConnectionResetError
            return None

        shop.judge = judge
        result = await command("orders", "place", str(file), "--api", shop.url)

    assert result.exit_code == 1
    assert "Stopped before the end of the file. Place it again: nothing is placed twice.\n" in result.stdout
    assert f"│ placed  │{len(shop.keys):>6} │" in result.stdout
    assert f"Nobody answers at {shop.url}" in result.stderr


async def test_orders_of_a_pipe_are_placed_while_it_is_still_open(shop: CheapShop) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fulfillment", "orders", "place", "-", "--json",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(json.dumps(a_line("R-1")).encode() + b"\n")
    while not shop.keys:  # noqa: ASYNC110 - what is awaited is another process
        await asyncio.sleep(0.01)
    stdout, stderr = await process.communicate(json.dumps(a_line("R-2")).encode())

    assert (process.returncode, counts(stdout.decode()), stderr) == (0, {"placed": 2}, b"")


async def test_of_a_larger_file_only_refusals_are_shown_and_not_without_end(shop: CheapShop, tmp_path: Path) -> None:
    shop.judge = lambda _, order: refused(order)
    good = [a_line(f"GOOD-{number}") for number in range(60)]
    file = written(tmp_path, *good, *(a_line(f"BAD-{number}", email="nobody") for number in range(60)))

    result = await command("orders", "place", str(file))

    assert result.stdout.count("BAD-") == 50
    assert "GOOD-" not in result.stdout
    assert "and 10 more that are not placed; --refused writes all to a file" in result.stdout
