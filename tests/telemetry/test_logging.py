import json
import logging
import subprocess
import sys
from dataclasses import dataclass

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from fulfillment.telemetry.logging import REDACTED, configure

Lines = list[dict[str, object]]


@dataclass(frozen=True)
class Options:
    level: str = "info"
    format: str = "json"


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> object:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_look_alike(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Options(), "api")

    with bound_contextvars(order_id="o-1"):
        structlog.stdlib.get_logger("fulfillment.x").info("order_seen", count=2)
        logging.getLogger("uvicorn.error").warning("started %s", "late")

    ours, theirs = lines(capsys)
    assert ours["event"] == "order_seen"
    assert ours["count"] == 2
    assert theirs["event"] == "started late"
    assert theirs["level"] == "warning"
    for line in (ours, theirs):
        assert line["process"] == "api"
        assert line["order_id"] == "o-1"
        assert str(line["timestamp"]).endswith("Z")


def test_secrets_and_personal_data_never_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Options(), "api")

    structlog.stdlib.get_logger("x").info(
        "seen",
        payment_token="tok_visa",
        headers={"Authorization": "Bearer abc", "accept": "json"},
        items=[{"shipping_address": {"line1": "Main St"}}],
        tokens_used=3,
    )

    (line,) = lines(capsys)
    assert line["payment_token"] == REDACTED
    assert line["headers"] == {"Authorization": REDACTED, "accept": "json"}
    assert line["items"] == [{"shipping_address": REDACTED}]
    assert line["tokens_used"] == 3


def test_an_exception_is_data_without_the_values_of_statements(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Options(), "worker-orders")

    try:
        raise ValueError("duplicate key\nDETAIL:  Key (email)=(ann@example.com) already exists.")  # noqa: TRY301
    except ValueError:
        structlog.stdlib.get_logger("x").exception("activity_bug")
        logging.getLogger("sqlalchemy").exception("failed")

    for line in lines(capsys):
        assert "ann@example.com" not in json.dumps(line)
        stack = line["exception"]
        assert isinstance(stack, list)
        assert stack[0]["exc_type"] == "ValueError"
        assert stack[0]["frames"][-1]["name"] == "test_an_exception_is_data_without_the_values_of_statements"


def test_lines_of_the_sdk_name_ids_as_ours_do(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Options(), "worker-orders")

    details = {"workflow_id": "order/1", "run_id": "r", "attempt": 2, "namespace": "default"}
    logging.getLogger("temporalio.workflow").warning("stuck", extra={"temporal_workflow": details})

    (line,) = lines(capsys)
    assert (line["workflow_id"], line["run_id"], line["attempt"]) == ("order/1", "r", 2)
    assert "temporal_workflow" not in line


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Options(level="warning"), "api")

    structlog.stdlib.get_logger("x").info("quiet")
    logging.getLogger("httpx2").info("GET http://…")

    assert lines(capsys) == []


def test_a_short_command_keeps_its_output_free_of_log_lines() -> None:
    script = (
        "import structlog\n"
        "from types import SimpleNamespace\n"
        "from fulfillment.telemetry.logging import configure\n"
        "configure(SimpleNamespace(level='info', format='auto'), 'cli')\n"
        "structlog.stdlib.get_logger('x').info('done')\n"
        "print('answer')\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "answer\n"
    assert json.loads(done.stderr)["event"] == "done"
