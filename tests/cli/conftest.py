from pathlib import Path

import httpx2
import pytest

from tests.cli.running import Run, command
from tests.fixtures.identity import TESTER_KEY


@pytest.fixture
def run(api: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the API of the test, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FULFILLMENT_API_KEY", TESTER_KEY.text)
    monkeypatch.setenv("FULFILLMENT_API_URL", str(api.base_url))
    return command
