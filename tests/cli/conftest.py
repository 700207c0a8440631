from pathlib import Path

import httpx2
import pytest

from tests.cli.running import Run, command


@pytest.fixture
def run(api: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the API of the test, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FULFILLMENT_API_KEY", raising=False)
    monkeypatch.setenv("FULFILLMENT_API_URL", str(api.base_url))
    return command
