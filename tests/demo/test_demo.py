"""
Whole demos: every process real, as `make demo` starts them.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fulfillment.api.schemas.orders import PlaceOrderBody
from fulfillment.domain.attention import ACTIONS, AT_THE_GATE, Action
from fulfillment.domain.orders import AttentionReason, FailureCode, OrderStatus
from fulfillment.local.demo.orders_file import read
from fulfillment.local.demo.play import ENVIRONMENT, perform
from fulfillment.local.demo.progress import Board
from fulfillment.local.demo.providers import SandboxLedger
from fulfillment.local.stack import LocalStack, StackOptions
from tests.demo import not_yet
from tests.demo.files import a_line, written

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


def demo(*arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fulfillment", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_orders_with_every_kind_of_scenario_end_where_they_should(tmp_path: Path) -> None:
    lost = {"carrier": "lost", "expect": {"status": "needs_attention", "code": "lost"}}
    hard = {"token": "tok_undo_fails", "cancel_at": "awaiting_shipment", "actions": ["retry", "resolved_by_hand"]}
    late = {"carrier": "late_pick_up", "cancel_at": "awaiting_shipment"}
    other = {"carrier": "lost", "actions": ["reship"], "expect": {"status": "delivered"}}
    dear = [{"sku": "SKU-2", "name": "Sofa", "quantity": 1, "unit_price": {"amount": 249000, "currency": "EUR"}}]
    file = written(
        tmp_path,
        a_line("R-home", ordered_on="1996-07-04", total_check=9900),
        a_line("R-lost", scenario=lost),
        a_line("R-stays", scenario={"carrier": "none"}),
        a_line("R-soon", scenario={"cancel_at": "received"}),
        a_line("R-slow", scenario={"cancel_at": "processing", "token": "tok_slow"}),
        a_line("R-hard", scenario=hard),
        a_line("R-late", scenario=late),
        a_line("R-too-late", scenario={"cancel_at": "shipped"}),
        a_line("R-other", scenario=other),
        a_line("R-twice", scenario={"pay_later": ["tok_declined", "tok_visa"]}),
        a_line("R-away", scenario={"token": "tok_late"}),
        a_line("R-dear", lines=dear, total_check=249000),
        a_line("R-no", lines=dear, scenario={"decisions": [["manager", "reject"]]}),
    )

    process = demo("--orders", file, "--json")
    output, told = process.communicate(timeout=150)

    assert process.returncode == 0, output + told
    assert "not part of an order, kept in its metadata: ordered_on" in told
    report = json.loads(output)
    assert {order["reference"]: f"{order['status']} {order['code'] or ''}".strip() for order in report["orders"]} == {
        "R-home": "delivered",
        "R-lost": "needs_attention lost",
        "R-stays": "awaiting_shipment",
        "R-soon": "cancelled cancelled",
        "R-slow": "cancelled cancelled",
        "R-hard": "cancelled cancelled",
        "R-late": "delivered",
        "R-too-late": "delivered",
        "R-other": "delivered",
        "R-twice": "delivered",
        "R-away": "delivered",
        "R-dear": "delivered",
        "R-no": "rejected approval_rejected",
    }
    assert re.findall(r"^(I\d) .+ (\d+) *$", told, re.MULTILINE) == [(f"I{n}", "0") for n in range(1, 9)]
    assert "13 orders accepted and brought to their ends" in told


def test_our_own_orders_show_every_status_failure_and_question_there_is() -> None:
    process = demo("--json")
    output, told = process.communicate(timeout=170)

    assert process.returncode == 0, told
    report = json.loads(output)
    seen = report["coverage"]
    assert set(OrderStatus) - set(seen["statuses"]) == not_yet.STATUSES
    assert set(FailureCode) - set(seen["failure_codes"]) == not_yet.FAILURES
    assert set(AttentionReason) - seen["attention_reasons"].keys() == not_yet.QUESTIONS
    assert {(*approval["asked"], approval["outcome"]) for approval in report["approvals"]} == {
        ("manager", "approved"),
        ("manager", "rejected"),
        ("manager", "void"),
        ("manager", "director", "approved"),
        ("manager", "director", "rejected"),
        ("night_desk", "approved"),
        ("night_desk", "expired"),
        ("night_desk", "compliance", "approved"),
        ("night_desk", "compliance", "rejected"),
    }
    assert all(answers and set(answers) <= _buttons(reason) for reason, answers in seen["attention_reasons"].items())


# At the carrier's gate, and as long as the parcel is here.
_SOMETIMES = {AttentionReason.UNDO_FAILED: AT_THE_GATE, AttentionReason.PROVIDER_DISPUTE: (Action.CANCEL,)}


def _buttons(reason: str) -> set[Action]:
    return {*ACTIONS[AttentionReason(reason)], *_SOMETIMES.get(AttentionReason(reason), ())}


def test_an_order_that_ends_elsewhere_fails_the_demo_and_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, a_line("R-1", scenario={"token": "tok_declined", "expect": {"status": "delivered"}}))

    process = demo("--orders", file, "--json", "--state", tmp_path / "state")
    output, errors = process.communicate(timeout=150)

    assert process.returncode == 1, output + errors
    report = json.loads(output)
    assert report["differences"] == ["line 1, R-1: expected delivered, is rejected (payment_declined)"]
    assert report["ok"] is False
    assert "Something is not as expected." in errors
    assert (tmp_path / "state" / "logs" / "api.log").exists()


def test_ctrl_c_stops_all_of_it_and_is_no_success(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = demo("--state", state)
    deadline = time.monotonic() + 60
    while not list(state.glob("logs/worker-*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 1, output + errors
    assert errors == "stopped before its end\n"
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if _belongs_to(pid, state)]


def test_mistakes_and_used_folders_are_refused_before_anything_starts(tmp_path: Path) -> None:
    used = written(tmp_path, a_line())
    mistaken = written(tmp_path, a_line(customer_id=None), name="mistaken.jsonl")

    refused = demo("--orders", mistaken)
    output, errors = refused.communicate(timeout=60)
    assert (refused.returncode, output) == (2, "")
    assert errors == f"{mistaken}: line 1: customer_id: is required\n"

    refused = demo("--orders", used, "--state", tmp_path)
    output, errors = refused.communicate(timeout=60)
    assert (refused.returncode, output) == (1, "")
    assert errors.startswith(f"{tmp_path} is not an empty folder")


async def test_a_killed_orders_worker_loses_no_order_and_charges_none_twice(tmp_path: Path) -> None:
    file = read(written(tmp_path, *(a_line(f"R-{n}") for n in range(40))), PlaceOrderBody)
    killed: dict[str, Any] = {}

    with tempfile.TemporaryDirectory(prefix="fulfillment-test-", ignore_cleanup_errors=True) as state:
        options = StackOptions(state=Path(state), free_ports=True, environment=ENVIRONMENT)
        async with LocalStack(options) as stack:

            def kill_once_some_are_paid(board: Board) -> None:
                if not killed and board.captured:
                    killed.update(pid=stack.pids["worker-orders"], at=Counter(board.by_state))
                    stack.kill("worker-orders")

            report = await perform(stack.endpoints, file, kill_once_some_are_paid)
            assert stack.pids["worker-orders"] != killed["pid"]
            async with httpx2.AsyncClient(trust_env=False) as http:
                accounts = await SandboxLedger(http, stack.endpoints.sandbox).accounts()

    assert killed["at"][OrderStatus.DELIVERED] < 40, "it came too late to matter"
    assert report.board.by_state == {OrderStatus.DELIVERED: 40}
    assert [(account.captures, account.live, account.captured) for account in accounts] == [(1, 0, 9900)] * 40
    assert {verdict.name: verdict.violations for verdict in report.checks if verdict.violations} == {}
    assert report.is_good


def _belongs_to(process: Path, state: Path) -> bool:
    """Whether a process is of the stack with this state folder (its environment or arguments say so)."""
    try:
        told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return False
    return str(state).encode() in told and int(process.name) != os.getpid()
